/** Whose word a manifest is: nothing in it is believed before its signature is checked. */
import { HoldfastError } from "../errors.ts";
import { backupKey, manifestFile } from "./layout.ts";
import { type Manifest, parseManifest } from "./manifest.ts";
import type { Repository } from "./repository.ts";
import { readSigned, type SignedBytes, type SignedKind, type SignedObject } from "./signed-object.ts";
import type { TrustedSigner } from "./signatures.ts";

/**
 * Reads and authenticates a manifest.
 * @returns undefined if there is none
 * @throws HoldfastError `integrity` when it is unsigned, changed, signed by a stranger, or lies about its own name
 */
export async function readManifest(repository: Repository, database: string, id: string): Promise<Manifest | undefined> {
  return (await readSignedManifest(repository, database, id))?.manifest;
}

/** A manifest with the exact bytes that were signed, and where they were read. */
export type SignedManifest = SignedBytes & Pick<SignedObject<Manifest>, "version" | "signatureVersion"> & { readonly manifest: Manifest };

/** As {@link readManifest}. */
export async function readSignedManifest(repository: Repository, database: string, id: string): Promise<SignedManifest | undefined> {
  const key = backupKey(database, id, manifestFile);
  const read = await readSigned(repository, key, kind);
  if (read === undefined) return undefined;
  const { content: manifest, ...signed } = read;
  if (manifest.id !== id || manifest.database !== database) {
    throw new HoldfastError("integrity", `${key} says it is backup ${manifest.id} of ${manifest.database}: it was moved or copied`, {
      hints: ["Remove this folder; the backup is where it was made, if `holdfast backup list` still shows it there."],
      details: { part: manifestFile, expected: `${id} of ${database}`, found: `${manifest.id} of ${manifest.database}` },
    });
  }
  return { ...signed, manifest };
}

/** A manifest is signed when its run has finished. Whoever holds a retired key can still date one back: see docs/keys.md. */
const kind: SignedKind<Manifest> = { noun: "manifest", warning: "Do not restore from it", parse: parseManifest, at: ({ finishedAt }) => new Date(finishedAt) };

/** Whose signature a manifest really carries, whatever it says itself; undefined if there is none. @throws HoldfastError as {@link readManifest} */
export async function manifestSigner(repository: Repository, database: string, id: string): Promise<TrustedSigner | undefined> {
  return (await readSigned(repository, backupKey(database, id, manifestFile), kind))?.signer;
}
