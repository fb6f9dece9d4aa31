/**
 * Conditional writes of small objects, also where the server does not keep its word: Ceph 18 ignores If-None-Match in a
 * bucket with versions (which object lock requires) and never matches If-Match there. The order of an object's versions
 * then decides who was first, and whoever was not takes its version back.
 */
import {
  type DeleteMarkerEntry, DeleteObjectCommand, GetObjectCommand, ListObjectVersionsCommand, type ObjectVersion, PutObjectCommand, type PutObjectCommandInput,
  type PutObjectCommandOutput,
} from "@aws-sdk/client-s3";
import { randomInt } from "node:crypto";
import { setTimeout } from "node:timers/promises";

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

/** Races end within one exchange with the server each; whoever met as many of them gives way. */
const mostRaces = 20;

/**
 * Replaces the version that was read by writing after it and looking what lies between. As long as that version is
 * there under another one, the other belongs to somebody who has yet to find out that it lost and to take it back, or
 * who won and has yet to remove what it replaced: only the next look tells.
 */
async function replaceInOrder(bucket: S3Bucket, input: Input, etag: string): Promise<Written | undefined> {
  for (let race = 0; race < mostRaces; race += 1) {
    const { versions } = await historyOf(bucket, input.Key);
    const before = versions.find((version) => bareTag(version.ETag ?? "") === etag);
    // Elsewhere than in such a bucket the server's no was a true one.
    if (before === undefined || !hasVersions(before) || versions[0]?.IsLatest !== true) return undefined;
    if (before.IsLatest === true) {
      const written = await bucket.client.send(new PutObjectCommand(input));
      if (!hasVersions(written)) return undefined;
      if ((await predecessorOf(bucket, input.Key, written.VersionId)) === before.VersionId) return written;
      await takeBack(bucket, input.Key, written.VersionId);
    }
    await setTimeout(randomInt(10, 100));
  }
  return undefined;
}

/** The version that `version` took the place of; undefined if there was no object then. */
async function predecessorOf(bucket: S3Bucket, fullKey: string, version: string): Promise<string | undefined> {
  const { versions, deletions } = await historyOf(bucket, fullKey);
  const at = versions.findIndex(({ VersionId: id }) => id === version);
  const own = versions[at];
  const older = versions[at + 1];
  const time = (date: Date | undefined) => date?.getTime() ?? 0;
  const deleted = deletions.some(({ LastModified: when }) => time(when) >= time(older?.LastModified) && time(when) <= time(own?.LastModified));
  return deleted ? undefined : older?.VersionId;
}

/** The version that was there before all others; undefined if that is `latest`, or where something was deleted in between. */
export async function firstVersion(bucket: S3Bucket, fullKey: string, latest: Written): Promise<string | undefined> {
  if (!hasVersions(latest)) return undefined;
  const { versions, deletions } = await historyOf(bucket, fullKey);
  return versions.length > 1 && deletions.length === 0 ? versions.at(-1)?.VersionId : undefined;
}

/** What was written to a key and deleted there, newest first. */
async function historyOf(bucket: S3Bucket, fullKey: string): Promise<{ versions: ObjectVersion[]; deletions: DeleteMarkerEntry[] }> {
  const { Versions: versions = [], DeleteMarkers: deletions = [] } = await bucket.client.send(new ListObjectVersionsCommand({ Bucket: bucket.name, Prefix: fullKey }));
  // Keys that only begin alike come after.
  const own = ({ Key: key }: { Key?: string | undefined }) => key === fullKey;
  return { versions: versions.filter(own), deletions: deletions.filter(own) };
}

/**
 * Removes the versions that `written` took the place of, in a bucket that has versions. Those who compete for the same
 * place know each other by the ids of their versions, so that the loser of a race misses none of them.
 */
export async function forgetOlder(bucket: S3Bucket, fullKey: string, written: Written): Promise<void> {
  if (!hasVersions(written)) return;
  const { versions } = await historyOf(bucket, fullKey);
  const at = versions.findIndex(({ VersionId: id }) => id === written.VersionId);
  if (at < 0) return;
  for (const { VersionId: id } of versions.slice(at + 1)) await takeBack(bucket, fullKey, id);
}

/** Deletes the version, or the object where there are no versions. */
export async function takeBack(bucket: S3Bucket, fullKey: string, version: string | undefined): Promise<undefined> {
  await bucket.client.send(new DeleteObjectCommand({ Bucket: bucket.name, Key: fullKey, ...(version !== undefined && { VersionId: version }) }));
}
