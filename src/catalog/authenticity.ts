/** Whose word a manifest is: nothing in it is believed before its signature is checked. */
import { HoldfastError } from "../errors.ts";
import type { StoredBytes } from "../store/store.ts";
import { backupKey, manifestFile, signatureSuffix } from "./layout.ts";
import { type Manifest, parseManifest } from "./manifest.ts";
import type { Repository } from "./repository.ts";
import { signerOf, type TrustedSigner } from "./signatures.ts";

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
  const [stored, signature] = await Promise.all([repository.store.get(key), repository.store.get(key + signatureSuffix)]);
  if (stored === undefined) return undefined;
  requireSignature(stored.bytes, signature, repository.trusted, key);
  const manifest = parseManifest(stored.bytes, key);
  if (manifest.id !== id || manifest.database !== database) {
    throw new HoldfastError("integrity", `${key} says it is backup ${manifest.id} of ${manifest.database}: it was moved or copied`, {
      hints: ["Remove this folder; the backup is where it was made, if `holdfast backup list` still shows it there."],
      details: { part: manifestFile, expected: `${id} of ${database}`, found: `${manifest.id} of ${manifest.database}` },
    });
  }
  return { manifest, version: stored.version, signatureVersion: signature.version };
}

function requireSignature(bytes: Buffer, signature: StoredBytes | undefined, trusted: readonly TrustedSigner[], key: string): asserts signature is StoredBytes {
  if (trusted.length === 0) {
    throw new HoldfastError("configuration", "no trusted signer is configured, so no manifest can be trusted", {
      hints: ["Set HOLDFAST_TRUSTED_SIGNERS to the public signing key, as PEM or the name of its file."],
    });
  }
  const expected = `a signature by ${trusted.map((signer) => signer.id).join(" or ")}`;
  if (signature === undefined) {
    throw new HoldfastError("integrity", `${key} is not signed: expected ${expected}, found no ${manifestFile}${signatureSuffix}`, {
      hints: ["Do not restore from it: whoever can write to the repository could have put it there."],
      details: { part: manifestFile, expected, found: "no signature" },
    });
  }
  if (signerOf(bytes, signature.bytes, trusted) === undefined) {
    throw new HoldfastError("integrity", `${key} was changed, or a stranger signed it: expected ${expected}, found ${foundSignature(signature.bytes)}`, {
      hints: ["Do not restore from it. If the key of one of your backup hosts is missing among the trusted ones, add it to HOLDFAST_TRUSTED_SIGNERS."],
      details: { part: manifestFile, expected, found: foundSignature(signature.bytes) },
    });
  }
}

/** What stands in the place of a signature that does not hold, for a message. */
export function foundSignature(signature: Buffer): string {
  return signature.byteLength === 64 ? "one that does not fit" : `${signature.byteLength} bytes that are no signature`;
}
