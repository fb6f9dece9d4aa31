/** The versions that a bucket keeps of objects that were deleted or replaced. */
import { DeleteObjectCommand, GetBucketVersioningCommand, ListObjectVersionsCommand, type ListObjectVersionsCommandOutput } from "@aws-sdk/client-s3";

import type { Purged } from "./object-lock.ts";
import type { ListedVersion } from "./object-versions.ts";
import type { S3Bucket } from "./s3-bucket.ts";
import { httpStatusOf, serviceErrorName } from "./s3-errors.ts";

/** Undefined where the key may not ask. */
export async function keepsVersions(bucket: S3Bucket): Promise<boolean | undefined> {
  try {
    return (await bucket.client.send(new GetBucketVersioningCommand({ Bucket: bucket.name }))).Status === "Enabled";
  } catch (error) {
    if (httpStatusOf(error) === 501) return false;
    if (httpStatusOf(error) === 403) return undefined;
    throw error;
  }
}

/** Removes all versions whose keys begin so, and what hides a key after all of its versions. */
export async function purge(bucket: S3Bucket, fullPrefix: string): Promise<Purged> {
  const markers: { readonly key: string; readonly id: string | undefined }[] = [];
  const retained = new Set<string>();
  let versions = 0;
  for await (const page of versionPages(bucket, fullPrefix)) {
    for (const { Key: key = "", VersionId: id } of page.DeleteMarkers ?? []) markers.push({ key, id });
    for (const { Key: key = "", VersionId: id } of page.Versions ?? []) {
      if (await deleteVersion(bucket, key, id)) versions += 1;
      else retained.add(key);
    }
  }
  for (const { key, id } of markers) if (!retained.has(key)) await deleteVersion(bucket, key, id);
  return { versions, retained: [...retained].map((key) => key.slice(bucket.prefix.length)) };
}

/** @returns false where the store refuses because the version is retained */
async function deleteVersion(bucket: S3Bucket, fullKey: string, version: string | undefined): Promise<boolean> {
  try {
    await bucket.client.send(new DeleteObjectCommand({ Bucket: bucket.name, Key: fullKey, ...(version !== undefined && { VersionId: version }) }));
    return true;
  } catch (error) {
    if (serviceErrorName(error) === "AccessDenied" || serviceErrorName(error) === "InvalidRequest") return false;
    throw error;
  }
}

/** Everything that is still there of the keys that begin so, in order of key. */
export async function* listVersions(bucket: S3Bucket, fullPrefix: string): AsyncGenerator<ListedVersion> {
  for await (const { Versions: versions = [], DeleteMarkers: deletions = [] } of versionPages(bucket, fullPrefix)) {
    for (const [entries, deletion] of [[versions, false], [deletions, true]] as const) {
      for (const entry of entries) {
        const { Key: key = "", VersionId: id = "null", LastModified: modified = new Date(0), IsLatest: latest = false } = entry;
        yield { key: key.slice(bucket.prefix.length), id, deletion, latest, modified, bytes: "Size" in entry ? (entry.Size ?? 0) : 0 };
      }
    }
  }
}

async function* versionPages(bucket: S3Bucket, fullPrefix: string): AsyncGenerator<ListObjectVersionsCommandOutput> {
  let from: { KeyMarker?: string; VersionIdMarker?: string } | undefined = {};
  while (from !== undefined) {
    const page: ListObjectVersionsCommandOutput = await bucket.client.send(new ListObjectVersionsCommand({ Bucket: bucket.name, Prefix: fullPrefix, ...from }));
    yield page;
    const { NextKeyMarker: key, NextVersionIdMarker: version } = page;
    from = page.IsTruncated === true && key !== undefined ? { KeyMarker: key, ...(version !== undefined && { VersionIdMarker: version }) } : undefined;
  }
}
