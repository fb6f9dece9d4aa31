/** Whose word a manifest is: nothing in it is believed before its signature is checked. */
import { HoldfastError } from "../errors.ts";
import { backupKey, manifestFile, signatureSuffix } from "./layout.ts";
import { type Manifest, parseManifest } from "./manifest.ts";
import type { Repository } from "./repository.ts";
import { signerOf, type TrustedSigner } from "./signatures.ts";

/** A file of a backup and its signature, as they lie in the repository. */
export interface SignedBytes {
  readonly bytes: Buffer;
  readonly signature: Buffer;
}

/**
 * Reads and authenticates a manifest.
 * @returns undefined if there is none
 * @throws HoldfastError `integrity` when it is unsigned, changed, signed by a stranger, or lies about its own name
 */
export async function readManifest(repository: Repository, database: string, id: string): Promise<Manifest | undefined> {
  return (await readSignedManifest(repository, database, id))?.manifest;
}

/** As {@link readManifest}, with the exact bytes that were signed. */
export async function readSignedManifest(repository: Repository, database: string, id: string): Promise<(SignedBytes & { readonly manifest: Manifest }) | undefined> {
  const key = backupKey(database, id, manifestFile);
  const [stored, signature] = await Promise.all([repository.store.get(key), repository.store.get(key + signatureSuffix)]);
  if (stored === undefined) return undefined;
  const proof = authenticate(stored.bytes, signature?.bytes, repository.trusted, key);
  const manifest = parseManifest(stored.bytes, key);
  if (manifest.id !== id || manifest.database !== database) {
    throw new HoldfastError("integrity", `${key} says it is backup ${manifest.id} of ${manifest.database}: it was moved or copied`, {
      hints: ["Remove this folder; the backup is where it was made, if `holdfast backup list` still shows it there."],
      details: { part: manifestFile, expected: `${id} of ${database}`, found: `${manifest.id} of ${manifest.database}` },
    });
  }
  return { manifest, bytes: stored.bytes, signature: proof };
}

/** @returns the signature that holds */
function authenticate(bytes: Buffer, signature: Buffer | undefined, trusted: readonly TrustedSigner[], key: string): Buffer {
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
  if (signerOf(bytes, signature, trusted) === undefined) {
    throw new HoldfastError("integrity", `${key} was changed, or a stranger signed it: expected ${expected}, found ${foundSignature(signature)}`, {
      hints: ["Do not restore from it. If the key of one of your backup hosts is missing among the trusted ones, add it to HOLDFAST_TRUSTED_SIGNERS."],
      details: { part: manifestFile, expected, found: foundSignature(signature) },
    });
  }
  return signature;
}

/** What stands in the place of a signature that does not hold, for a message. */
export function foundSignature(signature: Buffer): string {
  return signature.byteLength === 64 ? "one that does not fit" : `${signature.byteLength} bytes that are no signature`;
}
