/** What a store that can protect objects from deletion offers beyond {@link Store}. */
import type { ObjectLock } from "./options.ts";
import type { Store } from "./store.ts";

export interface LockingStore extends Store {
  /** How new objects are retained; undefined if they are not. */
  readonly objectLock: ObjectLock | undefined;
  /** Can objects of this bucket be retained? */
  hasObjectLock(): Promise<boolean>;
}

export function isLockingStore(store: Store): store is LockingStore {
  return "hasObjectLock" in store;
}
