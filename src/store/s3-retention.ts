/**
 * Object Lock. Retention is set by a request of its own after the object is there, and read back: some servers take the
 * lock headers of an upload and drop them without a word.
 */
import { GetObjectLockConfigurationCommand, GetObjectRetentionCommand, type ObjectLockRetention, PutObjectRetentionCommand } from "@aws-sdk/client-s3";

import { HoldfastError } from "../errors.ts";
import type { ObjectLock } from "./options.ts";
import type { S3Bucket } from "./s3-bucket.ts";
import { httpStatusOf, serviceErrorName } from "./s3-errors.ts";

/** What lies in a database's `locks` folder is rewritten every half minute, and its index with every backup: they are never retained. */
export function isRetained(bucket: S3Bucket, fullKey: string): boolean {
  return !/^[^/]+\/(?:locks\/|index\.jsonl$)/.test(fullKey.slice(bucket.prefix.length));
}

const dayMs = 86_400_000;

/**
 * Protects the object and proves it.
 * @throws HoldfastError `store-failed` when the store does not show the retention afterwards; the SDK's errors
 */
export async function retain(bucket: S3Bucket, fullKey: string, lock: ObjectLock, versionId: string | undefined): Promise<void> {
  await retainUntil(bucket, fullKey, modeOf(lock), new Date(Date.now() + lock.days * dayMs), versionId);
}

function modeOf(lock: ObjectLock | undefined): "GOVERNANCE" | "COMPLIANCE" {
  return lock?.mode === "compliance" ? "COMPLIANCE" : "GOVERNANCE";
}

async function retainUntil(bucket: S3Bucket, fullKey: string, mode: "GOVERNANCE" | "COMPLIANCE", end: Date, versionId?: string): Promise<Date> {
  const target = { Bucket: bucket.name, Key: fullKey, ...(versionId !== undefined && { VersionId: versionId }) };
  // The store counts in whole seconds.
  const until = new Date(Math.ceil(end.getTime() / 1000) * 1000);
  const hints = ["Create the bucket with object lock enabled; it cannot be added to every store's buckets later."];
  try {
    await bucket.client.send(new PutObjectRetentionCommand({ ...target, Retention: { Mode: mode, RetainUntilDate: until } }));
  } catch (error) {
    const name = serviceErrorName(error);
    if (name !== "InvalidRequest" && name !== "InvalidBucketState" && name !== "ObjectLockConfigurationNotFoundError") throw error;
    throw new HoldfastError("store-failed", `bucket "${bucket.name}" has no object lock, so ${fullKey} cannot be retained`, { hints, cause: error });
  }
  const { Retention: shown } = await bucket.client.send(new GetObjectRetentionCommand(target));
  if (shown?.Mode !== mode || shown.RetainUntilDate === undefined || shown.RetainUntilDate.getTime() < until.getTime() - 1000) {
    const found = shown?.Mode === undefined ? "none" : `${shown.Mode} until ${shown.RetainUntilDate?.toISOString() ?? "no date"}`;
    throw new HoldfastError("store-failed", `the store shows another retention of ${fullKey} than was set: ${found} instead of ${mode} until ${until.toISOString()}`, { hints });
  }
  return shown.RetainUntilDate;
}

/** The retention of what lies there now; undefined if it has none, or nothing is there. */
export async function retentionOf(bucket: S3Bucket, fullKey: string): Promise<{ readonly mode: "GOVERNANCE" | "COMPLIANCE"; readonly until: Date } | undefined> {
  let found: ObjectLockRetention | undefined;
  try {
    ({ Retention: found } = await bucket.client.send(new GetObjectRetentionCommand({ Bucket: bucket.name, Key: fullKey })));
  } catch (error) {
    if (isWithoutRetention(error)) return undefined;
    throw error;
  }
  if (found?.Mode === undefined || found.RetainUntilDate === undefined) return undefined;
  return { mode: found.Mode, until: found.RetainUntilDate };
}

function isWithoutRetention(error: unknown): boolean {
  const name = serviceErrorName(error);
  return name === "NoSuchObjectLockConfiguration" || name === "ObjectLockConfigurationNotFoundError" || name === "InvalidRequest" || (httpStatusOf(error) === 404 && name !== "NoSuchBucket");
}

/** Retains the object at least until then. @returns until when it is retained now */
export async function extendRetention(bucket: S3Bucket, fullKey: string, until: Date): Promise<Date> {
  const found = await retentionOf(bucket, fullKey);
  if (found !== undefined && found.until >= until) return found.until;
  return retainUntil(bucket, fullKey, found?.mode ?? modeOf(bucket.options.objectLock), until);
}

/** Has the bucket object lock? */
export async function hasObjectLock(bucket: S3Bucket): Promise<boolean> {
  try {
    const { ObjectLockConfiguration: found } = await bucket.client.send(new GetObjectLockConfigurationCommand({ Bucket: bucket.name }));
    return found?.ObjectLockEnabled === "Enabled";
  } catch (error) {
    // A server that does not know the question has no object lock.
    if (httpStatusOf(error) === 501 || serviceErrorName(error) === "ObjectLockConfigurationNotFoundError" || (httpStatusOf(error) === 404 && serviceErrorName(error) !== "NoSuchBucket")) return false;
    throw error;
  }
}
