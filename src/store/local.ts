/**
 * A repository in a folder. An object is a file under its key; it comes to be under a temporary name beside its place,
 * is made durable and then renamed, so that readers see all of it or nothing.
 */
import { createHash } from "node:crypto";
import type { BigIntStats } from "node:fs";
import { type FileHandle, link, open, readFile, rename, stat, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { pathToFileURL } from "node:url";

import { HoldfastError, cancelled, systemCodeOf, throwIfCancelled } from "../errors.ts";
import { checkKey, checkPrefix } from "./keys.ts";
import { fileFailure, freeBytesAt, isMissing, openTemporary, removeEmptyFolders, syncFolder, walk, walkFolders, writeAll } from "./local-files.ts";
import { withFileLock } from "./local-lock.ts";
import { cancellable } from "./source.ts";
import type { ListOptions, PutCondition, Store, StoredBytes, StoredObject, UnfinishedUpload, WriteOptions } from "./store.ts";

/** Opens the store in `root`, an absolute path; the folder comes to be with the first object. */
export function openLocalStore(root: string): Store {
  return new LocalStore(root);
}

/** How much may wait in the page cache: beyond it, ending a large file would take many seconds that nobody can cancel. */
const flushEvery = 64 * 2 ** 20;
const readChunk = 256 * 2 ** 10;
/** How many files of a listing are looked at at once. */
const looksAhead = 16;

class LocalStore implements Store {
  readonly url: string;
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
    this.url = pathToFileURL(root).href;
  }

  async put(key: string, bytes: Uint8Array, condition?: PutCondition): Promise<string | undefined> {
    const target = this.#pathOf(key);
    return this.#doing(`cannot write ${key}`, () =>
      this.#whole(target, async (file, temporary) => {
        await writeAll(file, bytes);
        await file.sync();
        const taken = await withFileLock(target, () => publish(temporary, target, condition));
        if (!taken) return undefined;
        await syncFolder(dirname(target));
        return versionOf(bytes);
      }),
    );
  }

  async write(key: string, source: AsyncIterable<Uint8Array>, options: WriteOptions = {}): Promise<number> {
    const target = this.#pathOf(key);
    const { signal, onProgress } = options;
    return this.#doing(`cannot write ${key}`, () =>
      this.#whole(target, async (file, temporary) => {
        let written = 0;
        let flushed = 0;
        let flushing: Promise<void> | undefined;
        try {
          for await (const chunk of cancellable(source, signal)) {
            await writeAll(file, chunk);
            written += chunk.length;
            onProgress?.(written);
            if (written - flushed < flushEvery) continue;
            flushed = written;
            await flushing;
            flushing = file.datasync();
            flushing.catch(() => undefined);
          }
        } finally {
          await flushing?.catch(() => undefined);
        }
        await flushing;
        await file.sync();
        throwIfCancelled(signal);
        await rename(temporary, target);
        await syncFolder(dirname(target));
        return written;
      }),
    );
  }

  async get(key: string): Promise<StoredBytes | undefined> {
    const path = this.#pathOf(key);
    return this.#doing(`cannot read ${key}`, async () => {
      const bytes = await unlessMissing(readFile(path));
      return bytes && { bytes, version: versionOf(bytes) };
    });
  }

  async read(key: string, signal?: AbortSignal): Promise<Readable> {
    throwIfCancelled(signal);
    const path = this.#pathOf(key);
    return this.#doing(`cannot read ${key}`, async () => {
      const file = await unlessMissing(open(path, "r"));
      const found = await file?.stat();
      if (file === undefined || found?.isFile() !== true) {
        await file?.close();
        throw new HoldfastError("not-found", `there is no ${key} in ${this.url}`);
      }
      const stream = Readable.from(this.#chunksOf(file, key, found.size), { objectMode: false, highWaterMark: readChunk });
      const onAbort = () => stream.destroy(cancelled(signal));
      signal?.addEventListener("abort", onAbort);
      stream.once("close", () => {
        signal?.removeEventListener("abort", onAbort);
        void file.close().catch(() => undefined);
      });
      return stream;
    });
  }

  async head(key: string): Promise<StoredObject | undefined> {
    const path = this.#pathOf(key);
    return this.#doing(`cannot look at ${key}`, async () => {
      const found = await unlessMissing(stat(path, { bigint: true }));
      return found?.isFile() === true ? shown(key, found) : undefined;
    });
  }

  async *list(prefix: string, options: ListOptions = {}): AsyncGenerator<StoredObject, void, undefined> {
    checkPrefix(prefix);
    const looking: Promise<StoredObject | undefined>[] = [];
    const next = async (): Promise<StoredObject | undefined> => this.#doing("cannot list the repository", async () => looking.shift());
    for await (const { key, path } of this.#entries(walk(this.#root, prefix, options))) {
      const look = unlessMissing(stat(path, { bigint: true })).then((found) => found && shown(key, found));
      // Awaited in its turn; until then a rejection is not an unhandled one.
      look.catch(() => undefined);
      looking.push(look);
      if (looking.length < looksAhead) continue;
      const found = await next();
      if (found) yield found;
    }
    while (looking.length > 0) {
      const found = await next();
      if (found) yield found;
    }
  }

  async *listFolders(prefix: string): AsyncGenerator<string, void, undefined> {
    checkPrefix(prefix);
    yield* this.#entries(walkFolders(this.#root, prefix));
  }

  async delete(key: string): Promise<void> {
    const path = this.#pathOf(key);
    await this.#doing(`cannot delete ${key}`, async () => {
      if ((await unlessMissing(stat(path)))?.isFile() !== true) return;
      await withFileLock(path, () => unlessMissing(unlink(path)));
      await unlessMissing(syncFolder(dirname(path)));
      await removeEmptyFolders(dirname(path), this.#root);
    });
  }

  async *unfinishedUploads(prefix: string): AsyncGenerator<UnfinishedUpload, void, undefined> {
    checkPrefix(prefix);
    for await (const { key, path } of this.#entries(walk(this.#root, prefix, { temporary: true }))) {
      const found = await unlessMissing(stat(path));
      if (found) yield { key, startedAt: found.birthtimeMs > 0 ? found.birthtime : found.ctime };
    }
  }

  async abortUploads(prefix: string): Promise<number> {
    checkPrefix(prefix);
    let aborted = 0;
    for await (const { key, path } of this.#entries(walk(this.#root, prefix, { temporary: true }))) {
      await this.#doing(`cannot abort the upload of ${key}`, () => unlessMissing(unlink(path)));
      await removeEmptyFolders(dirname(path), this.#root);
      aborted++;
    }
    return aborted;
  }

  async freeBytes(): Promise<number> {
    return this.#doing("cannot tell the free space", () => freeBytesAt(this.#root));
  }

  clock(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #pathOf(key: string): string {
    checkKey(key);
    return join(this.#root, key);
  }

  /** Lets `fill` write and publish a temporary file for `target`; whatever happens, the temporary name is gone afterwards. */
  async #whole<T>(target: string, fill: (file: FileHandle, temporary: string) => Promise<T>): Promise<T> {
    const { path, file } = await openTemporary(target);
    try {
      return await fill(file, path);
    } finally {
      await file.close();
      await unlessMissing(unlink(path));
      await removeEmptyFolders(dirname(target), this.#root);
    }
  }

  async #doing<T>(doing: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw await fileFailure(error, doing, this.#root);
    }
  }

  async *#entries<T>(found: AsyncIterable<T>): AsyncGenerator<T, void, undefined> {
    try {
      yield* found;
    } catch (error) {
      throw await fileFailure(error, "cannot list the repository", this.#root);
    }
  }

  async *#chunksOf(file: FileHandle, key: string, size: number): AsyncGenerator<Buffer, void, undefined> {
    for (let at = 0; ; ) {
      const { bytesRead, buffer } = await this.#doing(`cannot read ${key}`, () => file.read(Buffer.allocUnsafeSlow(readChunk), 0, readChunk, at));
      at += bytesRead;
      // Objects are replaced, never changed in place: another length than at opening means a failing disk or a foreign hand.
      if (at > size || (bytesRead === 0 && at < size)) {
        throw new HoldfastError("store-failed", `cannot read ${key}: it had ${size} bytes when it was opened, and ${at > size ? "more" : `only ${at}`} came`);
      }
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  }
}

/** The time of the last change of the inode cannot be set by hand, unlike that of the content. */
function shown(key: string, found: BigIntStats): StoredObject {
  return { key, bytes: Number(found.size), modified: found.mtime, tag: [found.ino, found.size, found.mtimeNs, found.ctimeNs].join("-") };
}

function versionOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** What `work` gives, or undefined if the file or a folder above it does not exist. */
async function unlessMissing<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Gives the temporary file its real name if the condition holds. Runs under the key's lock. @returns whether it did */
async function publish(temporary: string, target: string, condition: PutCondition | undefined): Promise<boolean> {
  if (condition && "ifVersion" in condition) {
    const present = await unlessMissing(readFile(target));
    if (present === undefined || versionOf(present) !== condition.ifVersion) return false;
  }
  if (condition && "ifAbsent" in condition) return publishIfAbsent(temporary, target);
  await rename(temporary, target);
  return true;
}

async function publishIfAbsent(temporary: string, target: string): Promise<boolean> {
  try {
    // Unlike rename, link never replaces: this holds against programs that know nothing of our lock.
    await link(temporary, target);
    return true;
  } catch (error) {
    const code = systemCodeOf(error);
    if (code === "EEXIST") return false;
    if (code !== "EPERM" && code !== "ENOTSUP" && code !== "ENOSYS") throw error;
  }
  // A file system without hard links: the lock alone keeps others out.
  if ((await unlessMissing(stat(target))) !== undefined) return false;
  await rename(temporary, target);
  return true;
}
