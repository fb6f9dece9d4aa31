/**
 * Conditional writes of small objects, also where the server does not keep its word: Ceph 18 ignores If-None-Match in a
 * bucket with versions (which object lock requires) and never matches If-Match there. The order of an object's versions
 * then decides who was first, and whoever was not takes its version back.
 */
import { DeleteObjectCommand, GetObjectCommand, HeadObjectCommand, ListObjectVersionsCommand, PutObjectCommand, type PutObjectCommandInput, type PutObjectCommandOutput } from "@aws-sdk/client-s3";

import type { S3Bucket } from "./s3-bucket.ts";
import { httpStatusOf, serviceErrorName, triesOf } from "./s3-errors.ts";
import type { PutCondition } from "./store.ts";

type Input = PutObjectCommandInput & { readonly Key: string; readonly Body: Uint8Array };
type Written = Pick<PutObjectCommandOutput, "ETag" | "VersionId">;

/** @returns undefined if the condition did not hold */
export async function putIf(bucket: S3Bucket, input: Input, condition: PutCondition): Promise<Written | undefined> {
  const header = "ifAbsent" in condition ? { IfNoneMatch: "*" } : { IfMatch: condition.ifVersion };
  let written: Written;
  try {
    written = await bucket.client.send(new PutObjectCommand({ ...input, ...header }));
  } catch (error) {
    if (!isLost(error)) throw error;
    // A first try may have been carried out and its answer lost; then the second met our own object.
    const own = triesOf(error) > 1 ? await findOwn(bucket, input) : undefined;
    if (own) return own;
    return "ifVersion" in condition ? replaceInOrder(bucket, input, condition.ifVersion) : undefined;
  }
  if ("ifVersion" in condition || !hasVersions(written)) return written;
  return (await predecessorOf(bucket, input.Key, written.VersionId)) === undefined ? written : takeBack(bucket, input.Key, written.VersionId);
}

/** The bare ETag: some servers compare If-Match with it and never match a quoted one; none minds the missing quotes. */
export function bareTag(etag: string): string {
  return etag.replaceAll('"', "");
}

/** Was somebody else first? If-Match over a key that is gone answers 404, a race in progress 409. */
function isLost(error: unknown): boolean {
  const status = httpStatusOf(error);
  return status === 412 || status === 409 || (status === 404 && serviceErrorName(error) !== "NoSuchBucket");
}

async function findOwn(bucket: S3Bucket, { Key: key, Body: bytes }: Input): Promise<Written | undefined> {
  const { Body: body, ...found } = await bucket.client.send(new GetObjectCommand({ Bucket: bucket.name, Key: key }));
  const present = await body?.transformToByteArray();
  return present !== undefined && Buffer.from(present).equals(bytes) ? found : undefined;
}

function hasVersions<T extends Written>(written: T): written is T & { VersionId: string } {
  return written.VersionId !== undefined && written.VersionId !== "null";
}

/** Replaces the version that was read by writing after it and looking what lies between. */
async function replaceInOrder(bucket: S3Bucket, input: Input, etag: string): Promise<Written | undefined> {
  const present = await bucket.client.send(new HeadObjectCommand({ Bucket: bucket.name, Key: input.Key })).catch((error: unknown) => {
    if (httpStatusOf(error) === 404) return undefined;
    throw error;
  });
  // Elsewhere than in such a bucket the server's no was a true one.
  if (present === undefined || !hasVersions(present) || bareTag(present.ETag ?? "") !== etag) return undefined;
  const written = await bucket.client.send(new PutObjectCommand(input));
  if (!hasVersions(written)) return undefined;
  return (await predecessorOf(bucket, input.Key, written.VersionId)) === present.VersionId ? written : takeBack(bucket, input.Key, written.VersionId);
}

/** The version that `version` took the place of; undefined if there was no object then. */
async function predecessorOf(bucket: S3Bucket, fullKey: string, version: string): Promise<string | undefined> {
  const listing = await bucket.client.send(new ListObjectVersionsCommand({ Bucket: bucket.name, Prefix: fullKey }));
  // Newest first; keys that only begin alike come after.
  const versions = (listing.Versions ?? []).filter(({ Key: key }) => key === fullKey);
  const at = versions.findIndex(({ VersionId: id }) => id === version);
  const own = versions[at];
  const older = versions[at + 1];
  const time = (date: Date | undefined) => date?.getTime() ?? 0;
  const deleted = listing.DeleteMarkers?.some(
    ({ Key: key, LastModified: when }) => key === fullKey && time(when) >= time(older?.LastModified) && time(when) <= time(own?.LastModified),
  );
  return deleted === true ? undefined : older?.VersionId;
}

/**
 * Removes the versions that `written` took the place of, in a bucket that has versions. Those who compete for the same
 * place know each other by the ids of their versions, so that the loser of a race misses none of them.
 */
export async function forgetOlder(bucket: S3Bucket, fullKey: string, written: Written): Promise<void> {
  if (!hasVersions(written)) return;
  const { Versions: versions = [] } = await bucket.client.send(new ListObjectVersionsCommand({ Bucket: bucket.name, Prefix: fullKey }));
  const own = versions.filter(({ Key: key }) => key === fullKey);
  const at = own.findIndex(({ VersionId: id }) => id === written.VersionId);
  if (at < 0) return;
  for (const { VersionId: id } of own.slice(at + 1)) await takeBack(bucket, fullKey, id);
}

/** Deletes the version, or the object where there are no versions. */
export async function takeBack(bucket: S3Bucket, fullKey: string, version: string | undefined): Promise<undefined> {
  await bucket.client.send(new DeleteObjectCommand({ Bucket: bucket.name, Key: fullKey, ...(version !== undefined && { VersionId: version }) }));
}
