/** A Store in memory, as strict as the real ones, with faults where a test wants them. */
import { createHash } from "node:crypto";
import { Readable } from "node:stream";

import { HoldfastError, throwIfCancelled } from "../../src/errors.ts";
import type { Clock } from "../../src/ports.ts";
import { isNamed } from "../../src/store/keys.ts";
import type { PutCondition, Store, StoredBytes, StoredObject, UnfinishedUpload, WriteOptions } from "../../src/store/store.ts";

export type StoreOperation = "put" | "write" | "get" | "read" | "head" | "list" | "listFolders" | "delete" | "clock";

/** Called around every operation; throwing in `before` means that it never happened, in `after` that its answer was lost. */
export interface Faults {
  before?: (operation: StoreOperation, key: string) => void | Promise<void>;
  after?: (operation: StoreOperation, key: string) => void | Promise<void>;
}

interface Kept {
  readonly bytes: Buffer;
  readonly modified: Date;
}

export interface MemoryStore extends Store {
  readonly faults: Faults;
  /** How often each operation was called. */
  readonly calls: Map<StoreOperation, number>;
  /** What a vandal with write access does: no conditions, no faults. */
  readonly objects: Map<string, Kept>;
  /** Uploads that nobody finished. */
  readonly uploads: UnfinishedUpload[];
}

/** The version is a digest of the bytes, like an S3 ETag: equal bytes have equal versions. */
function versionOf(bytes: Uint8Array): string {
  return createHash("md5").update(bytes).digest("hex");
}

function holds(condition: PutCondition | undefined, present: Kept | undefined): boolean {
  if (condition === undefined) return true;
  if ("ifAbsent" in condition) return present === undefined;
  return present !== undefined && versionOf(present.bytes) === condition.ifVersion;
}

export function memoryStore(clock: Clock = { now: () => new Date() }): MemoryStore {
  const objects = new Map<string, Kept>();
  const calls = new Map<StoreOperation, number>();
  const faults: Faults = {};
  const uploads: UnfinishedUpload[] = [];

  /** The work itself is one synchronous step, so conditions are atomic; everything around it may interleave. */
  const operation = async <T>(name: StoreOperation, key: string, work: () => T): Promise<T> => {
    calls.set(name, (calls.get(name) ?? 0) + 1);
    await Promise.resolve();
    await faults.before?.(name, key);
    const result = work();
    await faults.after?.(name, key);
    return result;
  };

  const keep = (key: string, bytes: Uint8Array) => {
    objects.set(key, { bytes: Buffer.from(bytes), modified: clock.now() });
    return versionOf(bytes);
  };
  const shown = (key: string, { bytes, modified }: Kept): StoredObject => ({ key, bytes: bytes.byteLength, modified, tag: versionOf(bytes) });
  const keysBelow = (prefix: string) => [...objects.keys()].filter((key) => key.startsWith(prefix)).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));

  return {
    url: "memory:",
    objects,
    uploads,
    calls,
    faults,

    put: (key, bytes, condition) => operation("put", key, () => (holds(condition, objects.get(key)) ? keep(key, bytes) : undefined)),

    async write(key, source, { signal, onProgress }: WriteOptions = {}) {
      const chunks: Uint8Array[] = [];
      let stored = 0;
      for await (const chunk of source) {
        throwIfCancelled(signal);
        chunks.push(chunk);
        stored += chunk.byteLength;
        onProgress?.(stored);
      }
      throwIfCancelled(signal);
      await operation("write", key, () => keep(key, Buffer.concat(chunks)));
      return stored;
    },

    get: (key) =>
      operation("get", key, (): StoredBytes | undefined => {
        const kept = objects.get(key);
        return kept && { bytes: Buffer.from(kept.bytes), version: versionOf(kept.bytes) };
      }),

    read: (key) =>
      operation("read", key, () => {
        const kept = objects.get(key);
        if (kept === undefined) throw new HoldfastError("not-found", `there is no object ${key}`);
        return Readable.from([Buffer.from(kept.bytes)]);
      }),

    head: (key) =>
      operation("head", key, () => {
        const kept = objects.get(key);
        return kept && shown(key, kept);
      }),

    async *list(prefix, { after = "", named } = {}) {
      const found = await operation("list", prefix, () => keysBelow(prefix).filter((key) => Buffer.compare(Buffer.from(key), Buffer.from(after)) > 0 && isNamed(key, named)).map((key) => [key, objects.get(key)] as const));
      for (const [key, kept] of found) if (kept !== undefined) yield shown(key, kept);
    },

    async *listFolders(prefix) {
      yield* await operation("listFolders", prefix, () => {
        const segments = keysBelow(prefix).map((key) => key.slice(prefix.length).split("/"));
        return [...new Set(segments.flatMap(([first, ...rest]) => (first === undefined || rest.length === 0 ? [] : [first])))];
      });
    },

    delete: (key) => operation("delete", key, () => void objects.delete(key)),
    unfinishedUploads: (prefix) => Readable.from(uploads.filter(({ key }) => key.startsWith(prefix))),
    abortUploads: (prefix) => {
      const aborted = uploads.filter(({ key }) => key.startsWith(prefix));
      for (const upload of aborted) uploads.splice(uploads.indexOf(upload), 1);
      return Promise.resolve(aborted.length);
    },
    freeBytes: () => Promise.resolve(undefined),
    clock: () => operation("clock", "", () => clock.now()),
    close: () => Promise.resolve(),
  };
}
