/** A repository in a bucket of S3 or of a server that speaks it. Loaded only when used: see open.ts. */
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  type HeadObjectCommandOutput,
  type ListObjectsV2CommandOutput,
  ListObjectsV2Command,
  PutObjectCommand,
} from "@aws-sdk/client-s3";
import { Readable } from "node:stream";

import { HoldfastError, cancelled, throwIfCancelled } from "../errors.ts";
import { checkKey, checkPrefix, isNamed } from "./keys.ts";
import { endpointIn } from "./location.ts";
import type { LockingStore, Purged } from "./object-lock.ts";
import type { ListedVersion, ObjectVersion, VersionedStore } from "./object-versions.ts";
import type { StoreOptions } from "./options.ts";
import { checkedBody, explained } from "./s3-body.ts";
import { type S3Bucket, placementOf } from "./s3-bucket.ts";
import { createClient } from "./s3-client.ts";
import { bareTag, firstVersion, forgetOlder, putIf, takeBack } from "./s3-conditions.ts";
import { httpStatusOf, s3Failure, serviceErrorName } from "./s3-errors.ts";
import { deleteVersions, versionsOf } from "./s3-object-versions.ts";
import { extendRetention, hasObjectLock, isRetained, retain, retentionOf } from "./s3-retention.ts";
import { abortUpload, anyPartsLeft, listUploads } from "./s3-undo.ts";
import { uploadStream } from "./s3-upload.ts";
import { keepsVersions, listVersions, purge } from "./s3-versions.ts";
import type { GetOptions, ListOptions, PutCondition, StoredBytes, StoredObject, UnfinishedUpload, WriteOptions } from "./store.ts";

/** @param prefix - without slashes around it; may be empty */
export function openS3Store(bucket: string, prefix: string, options: StoreOptions): LockingStore & VersionedStore {
  return new S3Store(bucket, prefix, options);
}

function isSafe(endpoint: string | undefined): boolean {
  if (endpoint === undefined) return true;
  const { protocol, hostname } = new URL(endpoint);
  return protocol === "https:" || hostname === "localhost" || hostname === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}

class S3Store implements LockingStore, VersionedStore {
  readonly url: string;
  readonly objectLock: StoreOptions["objectLock"];
  readonly #bucket: S3Bucket;
  readonly #prefix: string;
  readonly #serverDate: () => Date | undefined;

  constructor(bucket: string, prefix: string, options: StoreOptions) {
    const endpoint = endpointIn(options);
    const watched = createClient(options);
    this.#prefix = prefix === "" ? "" : `${prefix}/`;
    this.#bucket = { client: watched.client, name: bucket, prefix: this.#prefix, place: { bucket, endpoint }, options, safeTransport: isSafe(endpoint) };
    this.#serverDate = () => watched.serverDate();
    this.objectLock = options.objectLock;
    this.url = `s3://${bucket}${prefix === "" ? "" : `/${prefix}`}${endpoint === undefined ? "" : `?endpoint=${endpoint}`}`;
  }

  async put(key: string, bytes: Uint8Array, condition?: PutCondition): Promise<string | undefined> {
    const target = this.#targetOf(key);
    return this.#doing(`cannot write ${key}`, async () => {
      const input = { ...target, ...placementOf(this.#bucket.options), Body: bytes, ContentLength: bytes.length };
      const written = condition ? await putIf(this.#bucket, input, condition) : await this.#bucket.client.send(new PutObjectCommand(input));
      if (written === undefined) return undefined;
      try {
        await this.#retain(target.Key, written.VersionId);
      } catch (error) {
        // What it may have replaced in a bucket without versions is gone already; what was new must not stay unprotected.
        if (written.VersionId !== undefined || (condition && "ifAbsent" in condition)) await takeBack(this.#bucket, target.Key, written.VersionId).catch(() => undefined);
        throw error;
      }
      if (!isRetained(this.#bucket, target.Key)) await forgetOlder(this.#bucket, target.Key, written).catch(() => undefined);
      return versionOf(written.ETag, key);
    });
  }

  async write(key: string, source: AsyncIterable<Uint8Array>, options: WriteOptions = {}): Promise<number> {
    return uploadStream(this.#bucket, this.#targetOf(key).Key, source, options);
  }

  async get(key: string, { first = false }: GetOptions = {}): Promise<StoredBytes | undefined> {
    const target = this.#targetOf(key);
    return this.#doing(`cannot read ${key}`, async () => {
      const fetch = (version?: string) => this.#unlessMissing(this.#bucket.client.send(new GetObjectCommand({ ...target, VersionId: version })));
      const latest = await fetch();
      const older = first && latest !== undefined ? await firstVersion(this.#bucket, target.Key, latest) : undefined;
      if (older !== undefined) await latest?.Body?.transformToByteArray();
      const answer = older === undefined ? latest : await fetch(older);
      if (answer === undefined) return undefined;
      const chunks: Buffer[] = [];
      for await (const chunk of checkedBody(answer, key)) chunks.push(chunk);
      return { bytes: Buffer.concat(chunks), version: versionOf(answer.ETag, key) };
    });
  }

  async read(key: string, signal?: AbortSignal): Promise<Readable> {
    throwIfCancelled(signal);
    const target = this.#targetOf(key);
    const doing = `cannot read ${key}`;
    try {
      const answer = await this.#unlessMissing(this.#bucket.client.send(new GetObjectCommand(target), signal ? { abortSignal: signal } : {}));
      if (answer === undefined) throw new HoldfastError("not-found", `there is no ${key} in ${this.url}`);
      const { place } = this.#bucket;
      const stream = Readable.from(explained(checkedBody(answer, key), (error) => s3Failure(error, doing, place, signal)), { objectMode: false });
      const onAbort = () => stream.destroy(cancelled(signal));
      signal?.addEventListener("abort", onAbort);
      stream.once("close", () => {
        signal?.removeEventListener("abort", onAbort);
        if (answer.Body instanceof Readable) answer.Body.destroy();
      });
      return stream;
    } catch (error) {
      throw s3Failure(error, doing, this.#bucket.place, signal);
    }
  }

  async head(key: string): Promise<StoredObject | undefined> {
    const target = this.#targetOf(key);
    return this.#doing(`cannot look at ${key}`, async () => {
      let found: HeadObjectCommandOutput;
      try {
        found = await this.#bucket.client.send(new HeadObjectCommand(target));
      } catch (error) {
        // The answer to a HEAD has no body: whether key or bucket is missing, or why access is denied, a listing tells.
        if (httpStatusOf(error) !== undefined) await this.#listOne();
        if (httpStatusOf(error) === 404) return undefined;
        throw error;
      }
      return { key, bytes: found.ContentLength ?? 0, modified: found.LastModified ?? new Date(0), tag: found.ETag && bareTag(found.ETag) };
    });
  }

  async *list(prefix: string, { after, named }: ListOptions = {}): AsyncGenerator<StoredObject, void, undefined> {
    for await (const { Contents: objects = [] } of this.#pages(prefix, false, after)) {
      for (const { Key: key, Size: bytes, LastModified: modified, ETag: etag } of objects) {
        if (key !== undefined && isNamed(key, named)) yield { key: key.slice(this.#prefix.length), bytes: bytes ?? 0, modified: modified ?? new Date(0), tag: etag && bareTag(etag) };
      }
    }
  }

  async *listFolders(prefix: string): AsyncGenerator<string, void, undefined> {
    for await (const { CommonPrefixes: folders = [] } of this.#pages(prefix, true)) {
      for (const { Prefix: folder } of folders) {
        if (folder !== undefined) yield folder.slice(this.#prefix.length + prefix.length, -1);
      }
    }
  }

  async delete(key: string): Promise<void> {
    const target = this.#targetOf(key);
    await this.#doing(`cannot delete ${key}`, async () => {
      // In a bucket with object lock a plain delete keeps every version; those of a released lock are litter.
      if (this.objectLock && !isRetained(this.#bucket, target.Key)) await deleteVersions(this.#bucket, target.Key);
      else await this.#bucket.client.send(new DeleteObjectCommand(target));
    });
  }

  async *unfinishedUploads(prefix: string): AsyncGenerator<UnfinishedUpload, void, undefined> {
    checkPrefix(prefix);
    try {
      for await (const { Key: key, Initiated: startedAt } of listUploads(this.#bucket, this.#prefix + prefix)) {
        yield { key: key.slice(this.#prefix.length), startedAt: startedAt ?? new Date(0) };
      }
    } catch (error) {
      throw s3Failure(error, "cannot list unfinished uploads", this.#bucket.place);
    }
  }

  async abortUploads(prefix: string): Promise<number> {
    checkPrefix(prefix);
    return this.#doing("cannot abort unfinished uploads", async () => {
      const aborted = new Map<string, string>();
      // A part that was under way may bring an upload back: list again until nothing is shown.
      for (let rounds = 0; rounds < 10; rounds++) {
        let shown = 0;
        for await (const { Key: key, UploadId: id } of listUploads(this.#bucket, this.#prefix + prefix)) {
          shown++;
          await abortUpload(this.#bucket, key, id);
          aborted.set(id, key);
        }
        // A listing may lag behind: an upload is gone only when the store does not know its parts any more.
        if (shown === 0 && !(await anyPartsLeft(this.#bucket, aborted))) return aborted.size;
      }
      throw new HoldfastError("store-failed", `unfinished uploads below "${prefix}" are still shown after they were aborted`);
    });
  }

  freeBytes(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  async clock(): Promise<Date | undefined> {
    return this.#doing("cannot ask for the time", async () => {
      await this.#listOne();
      return this.#serverDate();
    });
  }

  async hasObjectLock(): Promise<boolean> {
    return this.#doing("cannot ask for object lock", () => hasObjectLock(this.#bucket));
  }

  async *listVersions(prefix: string): AsyncGenerator<ListedVersion> {
    checkPrefix(prefix);
    try {
      yield* listVersions(this.#bucket, this.#prefix + prefix);
    } catch (error) {
      throw s3Failure(error, `cannot list the versions below ${prefix}`, this.#bucket.place);
    }
  }

  async versionsOf(key: string): Promise<ObjectVersion[]> {
    const target = this.#targetOf(key);
    return this.#doing(`cannot list the versions of ${key}`, () => versionsOf(this.#bucket, target.Key));
  }

  async deleteVersions(key: string): Promise<number> {
    const target = this.#targetOf(key);
    return this.#doing(`cannot delete the versions of ${key}`, () => deleteVersions(this.#bucket, target.Key));
  }

  async keepsVersions(): Promise<boolean | undefined> {
    return this.#doing("cannot ask for versions", () => keepsVersions(this.#bucket));
  }

  async retainedUntil(key: string): Promise<Date | undefined> {
    const { Key: fullKey } = this.#targetOf(key);
    return this.#doing(`cannot read the retention of ${key}`, async () => (await retentionOf(this.#bucket, fullKey))?.until);
  }

  async extendRetention(key: string, until: Date): Promise<Date> {
    const { Key: fullKey } = this.#targetOf(key);
    return this.#doing(`cannot extend the retention of ${key}`, () => extendRetention(this.#bucket, fullKey, until));
  }

  async purge(prefix: string): Promise<Purged> {
    checkPrefix(prefix);
    return this.#doing(`cannot remove the versions below ${prefix}`, () => purge(this.#bucket, this.#prefix + prefix));
  }

  close(): Promise<void> {
    this.#bucket.client.destroy();
    return Promise.resolve();
  }

  #targetOf(key: string): { readonly Bucket: string; readonly Key: string } {
    checkKey(key);
    return { Bucket: this.#bucket.name, Key: this.#prefix + key };
  }

  async #doing<T>(doing: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw s3Failure(error, doing, this.#bucket.place);
    }
  }

  async #retain(fullKey: string, versionId: string | undefined): Promise<void> {
    if (this.objectLock && isRetained(this.#bucket, fullKey)) await retain(this.#bucket, fullKey, this.objectLock, versionId);
  }

  async #unlessMissing<T>(request: Promise<T>): Promise<T | undefined> {
    try {
      return await request;
    } catch (error) {
      if (httpStatusOf(error) === 404 && serviceErrorName(error) !== "NoSuchBucket") return undefined;
      throw error;
    }
  }

  async #listOne(): Promise<void> {
    await this.#bucket.client.send(new ListObjectsV2Command({ Bucket: this.#bucket.name, Prefix: this.#prefix, MaxKeys: 1 }));
  }

  async *#pages(prefix: string, folders: boolean, after?: string): AsyncGenerator<ListObjectsV2CommandOutput, void, undefined> {
    checkPrefix(prefix);
    let token: string | undefined;
    do {
      const page: ListObjectsV2CommandOutput = await this.#doing("cannot list the repository", () =>
        this.#bucket.client.send(
          new ListObjectsV2Command({
            Bucket: this.#bucket.name,
            Prefix: this.#prefix + prefix,
            ...(folders && { Delimiter: "/" }),
            ...(after !== undefined && { StartAfter: this.#prefix + after }),
            ...(token !== undefined && { ContinuationToken: token }),
          }),
        ),
      );
      yield page;
      token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
    } while (token !== undefined);
  }
}

function versionOf(etag: string | undefined, key: string): string {
  if (etag === undefined) throw new HoldfastError("store-failed", `the store gives no ETag for ${key}, so it cannot replace conditionally`);
  return bareTag(etag);
}
