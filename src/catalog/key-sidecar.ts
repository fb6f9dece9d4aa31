/** The key sidecar of a backup: its one-off identity, encrypted to the recipients, with a signature of its own. */
import { HoldfastError } from "../errors.ts";
import type { Store } from "../store/store.ts";
import { backupKey, keyFile, signatureSuffix } from "./layout.ts";
import type { Manifest } from "./manifest.ts";
import type { Repository } from "./repository.ts";
import { type Signer, signerOf } from "./signatures.ts";
import { foundSignature } from "./signed-object.ts";

/** What `key.age.sig` signs: the sidecar together with the one-off recipient that its backup's manifest names. */
function keySignatureInput(recipient: string, sidecar: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`${recipient}\n`), sidecar]);
}

export async function writeKeySidecar(store: Store, backup: { database: string; id: string }, recipient: string, sidecar: Buffer, signer: Signer): Promise<void> {
  const key = backupKey(backup.database, backup.id, keyFile);
  await store.put(key, sidecar);
  await store.put(key + signatureSuffix, signer.sign(keySignatureInput(recipient, sidecar)));
}

/**
 * Reads the key sidecar of a backup and checks that it is this backup's own, without any identity.
 * @throws HoldfastError `integrity` when it is missing, damaged, or belongs to another backup
 */
export async function readKeySidecar(repository: Repository, manifest: Manifest): Promise<Buffer> {
  const key = backupKey(manifest.database, manifest.id, keyFile);
  const [stored, signature] = await Promise.all([repository.store.get(key), repository.store.get(key + signatureSuffix)]);
  if (stored === undefined) {
    throw new HoldfastError("integrity", `${key} is missing: the backup was shredded, or somebody removed it`, {
      hints: ["Without it nobody can open the backup. Put it back from a copy of the repository, if there is one."],
      details: { part: keyFile, expected: "present", found: "missing" },
    });
  }
  if (signature === undefined || signerOf(keySignatureInput(manifest.encryption.recipient, stored.bytes), signature.bytes, repository.trusted) === undefined) {
    const expected = `a signature of it for ${manifest.encryption.recipient} by ${repository.trusted.map((signer) => signer.id).join(" or ")}`;
    const found = signature === undefined ? `no ${keyFile}${signatureSuffix}` : foundSignature(signature.bytes);
    throw new HoldfastError("integrity", `${key} is damaged, unsigned, or belongs to another backup: expected ${expected}, found ${found}`, {
      hints: ["Do not count on this backup. Put key.age and its signature back from a copy of the repository, if there is one."],
      details: { part: keyFile, expected, found },
    });
  }
  return stored.bytes;
}
