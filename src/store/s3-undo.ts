/** Takes an upload back and proves that it is gone, within a time that a person who pressed Ctrl-C will wait. */
import { AbortMultipartUploadCommand, DeleteObjectCommand, HeadObjectCommand, ListMultipartUploadsCommand, ListPartsCommand, type MultipartUpload } from "@aws-sdk/client-s3";
import { setTimeout as sleep } from "node:timers/promises";

import { messageOf } from "../errors.ts";
import type { S3Bucket } from "./s3-bucket.ts";
import { httpStatusOf, serviceErrorName } from "./s3-errors.ts";

/** What a failed upload may have left in the store. */
export interface Leftover {
  /** A multipart upload was begun; without its id, because the answer never came, all of the key's uploads are meant. */
  readonly multipart: { readonly uploadId: string | undefined } | undefined;
  /** The whole object, if the last request was carried out and only its answer lost. */
  readonly object: { readonly etag: string; readonly versionId?: string | undefined; readonly since: Date } | undefined;
}

/** @returns undefined when all of it is proved gone, else why not */
export async function undoUpload(bucket: S3Bucket, fullKey: string, leftover: Leftover, withinMs: number): Promise<string | undefined> {
  const deadline = AbortSignal.timeout(withinMs);
  let why = "the store did not answer in time";
  for (let tries = 0; !deadline.aborted; tries++) {
    try {
      if (tries > 0) await sleep(Math.min(50 * 2 ** tries, 1000), undefined, { signal: deadline });
      if (leftover.multipart && !(await removeUploads(bucket, fullKey, leftover.multipart.uploadId, deadline))) why = "the store still shows it";
      else if (leftover.object && !(await removeObject(bucket, fullKey, leftover.object, deadline))) why = "the store shows a new object there, of another ETag";
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

async function partsLeft(bucket: S3Bucket, fullKey: string, ids: readonly string[], abortSignal: AbortSignal): Promise<boolean> {
  for (const id of ids) {
    try {
      await bucket.client.send(new ListPartsCommand({ Bucket: bucket.name, Key: fullKey, UploadId: id, MaxParts: 1 }), { abortSignal });
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

/** Deletes the object if it is exactly ours; an older one under the same key stays. @returns whether none of ours is left */
async function removeObject(bucket: S3Bucket, fullKey: string, { etag, versionId, since }: NonNullable<Leftover["object"]>, abortSignal: AbortSignal): Promise<boolean> {
  const target = { Bucket: bucket.name, Key: fullKey };
  try {
    const found = await bucket.client.send(new HeadObjectCommand(target), { abortSignal });
    if (found.ETag !== etag) return found.LastModified !== undefined && found.LastModified < since;
    const version = versionId ?? found.VersionId;
    await bucket.client.send(new DeleteObjectCommand({ ...target, ...(version !== undefined && { VersionId: version }) }), { abortSignal });
    return await removeObject(bucket, fullKey, { etag, versionId: undefined, since }, abortSignal);
  } catch (error) {
    if (httpStatusOf(error) !== 404) throw error;
    return true;
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
