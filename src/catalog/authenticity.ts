/** Whose word a manifest is: nothing in it is believed before its signature is checked. */
import { HoldfastError } from "../errors.ts";
import { backupKey, manifestFile } from "./layout.ts";
import { type Manifest, parseManifest } from "./manifest.ts";
import type { Repository } from "./repository.ts";
import { readSigned, type SignedObject } from "./signed-object.ts";
import type { TrustedSigner } from "./signatures.ts";
import { describeWindow, isValidAt } from "./signer-window.ts";

/**
 * Reads and authenticates a manifest.
 * @returns undefined if there is none
 * @throws HoldfastError `integrity` when it is unsigned, changed, signed by a stranger, or lies about its own name
 */
export async function readManifest(repository: Repository, database: string, id: string): Promise<Manifest | undefined> {
  return (await readSignedManifest(repository, database, id))?.manifest;
}

/** A manifest with the exact bytes that were signed, and where they were read. */
export type SignedManifest = SignedObject & { readonly manifest: Manifest };

/** As {@link readManifest}. */
export async function readSignedManifest(repository: Repository, database: string, id: string): Promise<SignedManifest | undefined> {
  const key = backupKey(database, id, manifestFile);
  const signed = await readSigned(repository, key, kind);
  if (signed === undefined) return undefined;
  const manifest = parseManifest(signed.bytes, key);
  requireInTime(signed.signer, manifest, key);
  if (manifest.id !== id || manifest.database !== database) {
    throw new HoldfastError("integrity", `${key} says it is backup ${manifest.id} of ${manifest.database}: it was moved or copied`, {
      hints: ["Remove this folder; the backup is where it was made, if `holdfast backup list` still shows it there."],
      details: { part: manifestFile, expected: `${id} of ${database}`, found: `${manifest.id} of ${manifest.database}` },
    });
  }
  return { ...signed, manifest };
}

const kind = { noun: "manifest", warning: "Do not restore from it" };

/** Whose signature a manifest really carries, whatever it says itself; undefined if there is none. @throws HoldfastError as {@link readManifest} */
export async function manifestSigner(repository: Repository, database: string, id: string): Promise<TrustedSigner | undefined> {
  return (await readSigned(repository, backupKey(database, id, manifestFile), kind))?.signer;
}

/** A manifest is signed when its run has finished. Whoever holds a retired key can still date one back: see docs/keys.md. */
function requireInTime(signer: TrustedSigner, { finishedAt }: Manifest, key: string): void {
  if (isValidAt(signer, new Date(finishedAt))) return;
  throw new HoldfastError("integrity", `${key} is of ${finishedAt} and signed by ${signer.id}, which counted ${describeWindow(signer)} only`, {
    hints: ["Do not restore from it. If that host was late with its new key, correct the dates in HOLDFAST_TRUSTED_SIGNERS; else find out who used the retired one."],
    details: { part: manifestFile, signer: signer.id, expected: describeWindow(signer), found: finishedAt },
  });
}
