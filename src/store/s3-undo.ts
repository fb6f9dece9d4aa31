/** Takes an upload back and proves that it is gone, within a time that a person who pressed Ctrl-C will wait. */
import { AbortMultipartUploadCommand, DeleteObjectCommand, HeadObjectCommand, type HeadObjectCommandOutput, ListMultipartUploadsCommand, ListPartsCommand, type MultipartUpload } from "@aws-sdk/client-s3";
import { setTimeout as sleep } from "node:timers/promises";

import { messageOf } from "../errors.ts";
import type { S3Bucket } from "./s3-bucket.ts";
import { httpStatusOf, serviceErrorName } from "./s3-errors.ts";

/** What a failed upload may have left in the store. */
export interface Leftover {
  /** A multipart upload was begun; without its id, because the answer never came, all of the key's uploads are meant. */
  readonly multipart: { readonly uploadId: string | undefined } | undefined;
  /** The whole object, if the last request was carried out and only its answer lost. */
  readonly object: NewObject | undefined;
}

/** An object of ours is one that was not there before: two uploads never share a key at the same time. */
export interface NewObject {
  /** What {@link stateOf} gave before the upload. */
  readonly before: string | undefined;
}

/** @returns undefined when all of it is proved gone, else why not */
export async function undoUpload(bucket: S3Bucket, fullKey: string, leftover: Leftover, withinMs: number): Promise<string | undefined> {
  const deadline = AbortSignal.timeout(withinMs);
  let why = "the store did not answer in time";
  for (let tries = 0; !deadline.aborted; tries++) {
    try {
      if (tries > 0) await sleep(Math.min(50 * 2 ** tries, 1000), undefined, { signal: deadline });
      if (leftover.multipart && !(await removeUploads(bucket, fullKey, leftover.multipart.uploadId, deadline))) why = "the store still shows it";
      else if (leftover.object && !(await removeObject(bucket, fullKey, leftover.object, deadline))) why = "the store still shows the object";
      else return undefined;
    } catch (error) {
      // What the deadline itself cut short says nothing new.
      why = error instanceof Error && error.name === "AbortError" ? why : messageOf(error);
    }
  }
  return why;
}

/** Aborts the uploads, then asks for their parts: an upload is gone only when the store does not know it any more. */
async function removeUploads(bucket: S3Bucket, fullKey: string, uploadId: string | undefined, abortSignal: AbortSignal): Promise<boolean> {
  const ids = uploadId === undefined ? await uploadsOf(bucket, fullKey, abortSignal) : [uploadId];
  for (const id of ids) await abortUpload(bucket, fullKey, id, abortSignal);
  return !(await partsLeft(bucket, fullKey, ids, abortSignal));
}

/** Aborts one upload; one that does not exist is fine. */
export async function abortUpload(bucket: S3Bucket, fullKey: string, uploadId: string, abortSignal?: AbortSignal): Promise<void> {
  try {
    await bucket.client.send(new AbortMultipartUploadCommand({ Bucket: bucket.name, Key: fullKey, UploadId: uploadId }), abortSignal ? { abortSignal } : {});
  } catch (error) {
    if (serviceErrorName(error) !== "NoSuchUpload" && httpStatusOf(error) !== 404) throw error;
  }
}

/** Does the store still know one of the uploads? @param uploads - keys by id */
export async function anyPartsLeft(bucket: S3Bucket, uploads: ReadonlyMap<string, string>): Promise<boolean> {
  for (const [id, fullKey] of uploads) if (await partsLeft(bucket, fullKey, [id])) return true;
  return false;
}

async function partsLeft(bucket: S3Bucket, fullKey: string, ids: readonly string[], abortSignal?: AbortSignal): Promise<boolean> {
  for (const id of ids) {
    try {
      await bucket.client.send(new ListPartsCommand({ Bucket: bucket.name, Key: fullKey, UploadId: id, MaxParts: 1 }), abortSignal ? { abortSignal } : {});
      return true;
    } catch (error) {
      if (serviceErrorName(error) !== "NoSuchUpload" && httpStatusOf(error) !== 404) throw error;
    }
  }
  return false;
}

async function uploadsOf(bucket: S3Bucket, fullKey: string, abortSignal: AbortSignal): Promise<string[]> {
  const { Uploads: uploads = [] } = await bucket.client.send(new ListMultipartUploadsCommand({ Bucket: bucket.name, Prefix: fullKey }), { abortSignal });
  return uploads.flatMap((upload) => (upload.Key === fullKey && upload.UploadId !== undefined ? [upload.UploadId] : []));
}

/** Deletes the object if it is ours; an older one under the same key stays. @returns whether none of ours is left */
async function removeObject(bucket: S3Bucket, fullKey: string, ours: NewObject, abortSignal: AbortSignal): Promise<boolean> {
  const found = await findNew(bucket, fullKey, ours, abortSignal);
  if (found === undefined) return true;
  await bucket.client.send(new DeleteObjectCommand({ Bucket: bucket.name, Key: fullKey, ...(found.VersionId !== undefined && { VersionId: found.VersionId }) }), { abortSignal });
  return (await findNew(bucket, fullKey, ours, abortSignal)) === undefined;
}

/** The object that an upload made, although no answer said so. */
export async function findNew(bucket: S3Bucket, fullKey: string, ours: NewObject, abortSignal: AbortSignal): Promise<HeadObjectCommandOutput | undefined> {
  const found = await headOf(bucket, fullKey, abortSignal);
  return found !== undefined && stateIn(found) !== ours.before ? found : undefined;
}

/** Tells an object from any later one under the same key; undefined if there is none. */
export async function stateOf(bucket: S3Bucket, fullKey: string, abortSignal: AbortSignal): Promise<string | undefined> {
  const found = await headOf(bucket, fullKey, abortSignal);
  return found && stateIn(found);
}

function stateIn({ ETag: etag, VersionId: version, LastModified: modified }: HeadObjectCommandOutput): string {
  return [etag, version, modified?.getTime()].join();
}

async function headOf(bucket: S3Bucket, fullKey: string, abortSignal: AbortSignal): Promise<HeadObjectCommandOutput | undefined> {
  try {
    return await bucket.client.send(new HeadObjectCommand({ Bucket: bucket.name, Key: fullKey }), { abortSignal });
  } catch (error) {
    if (httpStatusOf(error) !== 404) throw error;
    return undefined;
  }
}

/** All unfinished uploads whose key starts with `fullPrefix`. */
export async function* listUploads(bucket: S3Bucket, fullPrefix: string): AsyncGenerator<MultipartUpload & { Key: string; UploadId: string }, void, undefined> {
  let marker: { KeyMarker?: string; UploadIdMarker?: string } = {};
  for (;;) {
    const page = await bucket.client.send(new ListMultipartUploadsCommand({ Bucket: bucket.name, Prefix: fullPrefix, ...marker }));
    for (const upload of page.Uploads ?? []) {
      if (upload.Key !== undefined && upload.UploadId !== undefined) yield { ...upload, Key: upload.Key, UploadId: upload.UploadId };
    }
    if (page.IsTruncated !== true || page.NextKeyMarker === undefined) return;
    marker = { KeyMarker: page.NextKeyMarker, ...(page.NextUploadIdMarker !== undefined && { UploadIdMarker: page.NextUploadIdMarker }) };
  }
}
