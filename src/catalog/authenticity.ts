/** Whose word a manifest is: nothing in it is believed before its signature is checked. */
import { HoldfastError } from "../errors.ts";
import { backupKey, manifestFile } from "./layout.ts";
import { type Manifest, parseManifest } from "./manifest.ts";
import type { Repository } from "./repository.ts";
import { readSigned } from "./signed-object.ts";

/**
 * Reads and authenticates a manifest.
 * @returns undefined if there is none
 * @throws HoldfastError `integrity` when it is unsigned, changed, signed by a stranger, or lies about its own name
 */
export async function readManifest(repository: Repository, database: string, id: string): Promise<Manifest | undefined> {
  return (await readManifestVersions(repository, database, id))?.manifest;
}

/** A manifest with the versions of the two objects that it was read from. */
export interface ManifestVersions {
  readonly manifest: Manifest;
  readonly version: string;
  readonly signatureVersion: string;
}

/** As {@link readManifest}. */
export async function readManifestVersions(repository: Repository, database: string, id: string): Promise<ManifestVersions | undefined> {
  const key = backupKey(database, id, manifestFile);
  const signed = await readSigned(repository, key, { noun: "manifest", warning: "Do not restore from it" });
  if (signed === undefined) return undefined;
  const manifest = parseManifest(signed.bytes, key);
  if (manifest.id !== id || manifest.database !== database) {
    throw new HoldfastError("integrity", `${key} says it is backup ${manifest.id} of ${manifest.database}: it was moved or copied`, {
      hints: ["Remove this folder; the backup is where it was made, if `holdfast backup list` still shows it there."],
      details: { part: manifestFile, expected: `${id} of ${database}`, found: `${manifest.id} of ${manifest.database}` },
    });
  }
  return { manifest, version: signed.version, signatureVersion: signed.signatureVersion };
}
