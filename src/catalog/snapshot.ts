/** Objects as they were read once: what is proved of them is proved of the very bytes that are used afterwards. */
import { Readable } from "node:stream";

import { HoldfastError } from "../errors.ts";
import type { Store, StoredBytes, StoredObject } from "../store/store.ts";

/** A store that holds these objects and no others, and takes none. */
export function snapshotStore(url: string, objects: ReadonlyMap<string, StoredBytes>): Store {
  const keys = [...objects.keys()].sort();
  const shown = (key: string): StoredObject[] => {
    const stored = objects.get(key);
    return stored === undefined ? [] : [{ key, bytes: stored.bytes.byteLength, modified: new Date(0), tag: stored.version }];
  };
  const refuse = (): Promise<never> => Promise.reject(new Error("a snapshot takes nothing"));
  const each = <T>(items: readonly T[]): AsyncIterable<T> => Readable.from(items) as AsyncIterable<T>;
  return {
    url,
    put: refuse,
    write: refuse,
    delete: refuse,
    abortUploads: refuse,
    get: (key) => Promise.resolve(objects.get(key)),
    head: (key) => Promise.resolve(shown(key)[0]),
    read: (key) => {
      const stored = objects.get(key);
      return stored === undefined ? Promise.reject(new HoldfastError("not-found", `no ${key} in ${url}`)) : Promise.resolve(Readable.from([stored.bytes]));
    },
    list: (prefix) => each(keys.filter((key) => key.startsWith(prefix)).flatMap(shown)),
    listFolders: (prefix) => each([...new Set(keys.filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length).split("/")).flatMap(([folder = "", ...rest]) => (rest.length > 0 ? [folder] : [])))]),
    unfinishedUploads: () => each([]),
    freeBytes: () => Promise.resolve(undefined),
    clock: () => Promise.resolve(undefined),
    close: () => Promise.resolve(),
  };
}
