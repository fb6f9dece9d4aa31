/** Every version of one object. A bucket without versions shows one, whose id is `null`. */
import { DeleteObjectCommand, HeadObjectCommand, ListObjectVersionsCommand, type ListObjectVersionsCommandOutput } from "@aws-sdk/client-s3";

import { HoldfastError } from "../errors.ts";
import type { ObjectVersion } from "./object-versions.ts";
import type { S3Bucket } from "./s3-bucket.ts";

/** Versions and deletion marks of exactly `fullKey`, newest first, without what protects them. */
async function listVersions({ client, name }: S3Bucket, fullKey: string): Promise<Omit<ObjectVersion, "legalHold">[]> {
  const found: Omit<ObjectVersion, "legalHold">[] = [];
  let marker: { KeyMarker?: string; VersionIdMarker?: string } | undefined = {};
  while (marker) {
    const page: ListObjectVersionsCommandOutput = await client.send(new ListObjectVersionsCommand({ Bucket: name, Prefix: fullKey, ...marker }));
    const { Versions: versions = [], DeleteMarkers: deletions = [] } = page;
    for (const [entries, deletion] of [[versions, false], [deletions, true]] as const) {
      for (const { Key: key, VersionId: id, LastModified: modified, IsLatest: latest } of entries) {
        if (key === fullKey) found.push({ id: id ?? "null", deletion, latest: latest === true, modified: modified ?? new Date(0) });
      }
    }
    // Keys that only begin alike come after.
    const more = page.IsTruncated === true && page.NextKeyMarker === fullKey;
    marker = more ? { KeyMarker: fullKey, ...(page.NextVersionIdMarker !== undefined && { VersionIdMarker: page.NextVersionIdMarker }) } : undefined;
  }
  return found.sort((a, b) => Number(b.latest) - Number(a.latest) || b.modified.getTime() - a.modified.getTime());
}

export async function versionsOf(bucket: S3Bucket, fullKey: string): Promise<ObjectVersion[]> {
  const versions = await listVersions(bucket, fullKey);
  return Promise.all(
    versions.map(async (version) => {
      if (version.deletion) return { ...version, legalHold: false };
      const head = await bucket.client.send(new HeadObjectCommand({ Bucket: bucket.name, Key: fullKey, VersionId: version.id }));
      const until = head.ObjectLockRetainUntilDate;
      return { ...version, legalHold: head.ObjectLockLegalHoldStatus === "ON", ...(until && { lockedUntil: until }) };
    }),
  );
}

/** A writer that was faster than we brings another version: look again until none is shown, but not for ever. */
const rounds = 10;

export async function deleteVersions(bucket: S3Bucket, fullKey: string): Promise<number> {
  let removed = 0;
  for (let round = 0; round < rounds; round += 1) {
    const versions = await listVersions(bucket, fullKey);
    if (versions.length === 0) return removed;
    for (const { id, deletion } of versions) {
      await bucket.client.send(new DeleteObjectCommand({ Bucket: bucket.name, Key: fullKey, VersionId: id }));
      if (!deletion) removed += 1;
    }
  }
  throw new HoldfastError("store-failed", `the store still shows versions of ${fullKey} after they were deleted`, { hints: ["Look for another program that writes there, then run the command again."] });
}
