/** What a store that may keep earlier versions of an object offers beyond {@link Store}. */
import type { Store } from "./store.ts";

export interface ObjectVersion {
  /** Names it to the store. */
  readonly id: string;
  /** A mark that the object was deleted, which hides the versions before it. */
  readonly deletion: boolean;
  readonly latest: boolean;
  readonly modified: Date;
  /** Until when the store refuses to delete it; undefined if it does not, or does not tell. */
  readonly lockedUntil?: Date;
  /** A legal hold: the store refuses to delete it until that is lifted. */
  readonly legalHold: boolean;
}

/** As a listing of many keys shows it, which does not tell what protects it. */
export interface ListedVersion extends Omit<ObjectVersion, "lockedUntil" | "legalHold"> {
  readonly key: string;
  /** 0 for a deletion. */
  readonly bytes: number;
}

export interface VersionedStore extends Store {
  /** Everything that is still there of the keys below `prefix`, also of those that no listing shows. */
  listVersions(prefix: string): AsyncIterable<ListedVersion>;
  /** Everything that was ever written to exactly this key and is still there, newest first; empty if nothing is. */
  versionsOf(key: string): Promise<ObjectVersion[]>;
  /**
   * Removes an object with all its versions and deletion marks, and looks again.
   * @returns how many versions that held bytes there were
   * @throws HoldfastError `store-failed` if the store refuses, or still shows one
   */
  deleteVersions(key: string): Promise<number>;
}

export function isVersionedStore(store: Store): store is VersionedStore {
  return "deleteVersions" in store;
}
