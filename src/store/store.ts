/**
 * What a repository's storage can do. Keys are relative to the repository's prefix, use `/`, and never start with it.
 * Every implementation passes test/contract/store.contract.ts; errors are HoldfastErrors: `store-failed` (15) for
 * the store's own troubles, `not-found` (16) for a missing key or bucket, `cancelled` (130) for an aborted signal.
 */
import type { Readable } from "node:stream";

/** An object as a listing shows it. */
export interface StoredObject {
  readonly key: string;
  readonly bytes: number;
  readonly modified: Date;
  /** Another one after every write of the object, also one of equal length; undefined where the store cannot tell. */
  readonly tag?: string | undefined;
}

export interface ListOptions {
  /** Only keys that come after this one, which need not exist. */
  readonly after?: string | undefined;
  /** Only keys whose last segment is one of these: a store that has to look at each object need not look at the others. */
  readonly named?: ReadonlySet<string> | undefined;
}

/** A small object read whole. `version` identifies exactly these bytes for a conditional replacement. */
export interface StoredBytes {
  readonly bytes: Buffer;
  readonly version: string;
}

/** When a small object may be written: only if nothing is there, or only over the version that was read. */
export type PutCondition = { readonly ifAbsent: true } | { readonly ifVersion: string };

export interface WriteOptions {
  /** Expected size in bytes; chooses the size of multipart parts. A stream may pass it. */
  readonly estimate?: number;
  readonly signal?: AbortSignal;
  /** Called with the bytes stored so far. */
  readonly onProgress?: (bytes: number) => void;
}

export interface GetOptions {
  /**
   * Of an object that is only ever written with `ifAbsent`, the writer's who was first. Where a store decides that by
   * the order of versions, a loser's shows for a moment before it is taken back.
   */
  readonly first?: boolean;
}

/** An upload that was begun and neither completed nor aborted. */
export interface UnfinishedUpload {
  readonly key: string;
  readonly startedAt: Date;
}

export interface Store {
  /** The location as it may be shown: never with credentials. */
  readonly url: string;

  /**
   * Writes a small object atomically: readers see the old bytes or the new ones.
   * @returns the new version, or undefined if `condition` did not hold (somebody else was first)
   */
  put(key: string, bytes: Uint8Array, condition?: PutCondition): Promise<string | undefined>;

  /**
   * Streams an object of any size in flat memory. The object appears whole or not at all: when the source fails or
   * `signal` aborts, what was uploaded is removed, this is checked, and the promise rejects with the first failure.
   * @returns bytes stored
   */
  write(key: string, source: AsyncIterable<Uint8Array>, options?: WriteOptions): Promise<number>;

  /** Reads a small object whole; undefined if there is none. */
  get(key: string, options?: GetOptions): Promise<StoredBytes | undefined>;

  /** Streams an object; rejects with `not-found` before the first byte if there is none. A stalled stream is destroyed with `store-failed`. */
  read(key: string, signal?: AbortSignal): Promise<Readable>;

  /** An object as a listing shows it, or undefined if there is none. */
  head(key: string): Promise<StoredObject | undefined>;

  /** All objects whose key starts with `prefix`, in order of key. */
  list(prefix: string, options?: ListOptions): AsyncIterable<StoredObject>;

  /** The next path segments below `prefix` (which ends in `/` or is empty), without their trailing slash, in order. */
  listFolders(prefix: string): AsyncIterable<string>;

  /** Removes an object; succeeds if there is none. */
  delete(key: string): Promise<void>;

  /** Uploads below `prefix` that nobody finished. */
  unfinishedUploads(prefix: string): AsyncIterable<UnfinishedUpload>;

  /** Aborts unfinished uploads below `prefix` and removes their bytes. @returns how many there were */
  abortUploads(prefix: string): Promise<number>;

  /** Bytes free for new objects, where the store can tell. */
  freeBytes(): Promise<number | undefined>;

  /** The store's own idea of now, where it has one, for the check of clock skew. */
  clock(): Promise<Date | undefined>;

  close(): Promise<void>;
}
