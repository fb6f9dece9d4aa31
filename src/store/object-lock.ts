/** What a store that can protect objects from deletion offers beyond {@link Store}. */
import type { ObjectLock } from "./options.ts";
import type { Store } from "./store.ts";

export interface LockingStore extends Store {
  /** How new objects are retained; undefined if they are not. */
  readonly objectLock: ObjectLock | undefined;
  /** Can objects of this bucket be retained? */
  hasObjectLock(): Promise<boolean>;
  /** Does a plain deletion keep what it deletes as a version? Undefined where the key may not ask. */
  keepsVersions(): Promise<boolean | undefined>;
  /** Until when the store refuses to delete what lies at `key` now; undefined if nothing retains it, or nothing is there. */
  retainedUntil(key: string): Promise<Date | undefined>;
  /**
   * Retains what lies at `key` at least until then, and reads that back. Never shortens; keeps the mode that it finds.
   * @returns until when it is retained now
   */
  extendRetention(key: string, until: Date): Promise<Date>;
  /**
   * Removes every version below `prefix` for good, a key's delete markers after all of its versions: what is hidden stays hidden.
   * What is still retained stays.
   */
  purge(prefix: string): Promise<Purged>;
}

export interface Purged {
  /** Versions that are gone. */
  readonly versions: number;
  /** Keys of which the store refused to delete a version. */
  readonly retained: readonly string[];
}

export function isLockingStore(store: Store): store is LockingStore {
  return "hasObjectLock" in store;
}
