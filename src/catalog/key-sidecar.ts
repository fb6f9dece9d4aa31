/**
 * A backup's key sidecar: `key.age`, what signs it, and who can open it now.
 *
 * A rewrap replaces `key.age` and `key.age.sig`, two objects that no store replaces as one. So `key.json` goes first and
 * carries the coming signature too: `key.age` fits one of the two at every moment. docs/decisions/0040.
 */
import { createHash } from "node:crypto";
import { z } from "zod";

import { HoldfastError } from "../errors.ts";
import type { Store, StoredBytes } from "../store/store.ts";
import { backupKey, formatVersion, keyFile, keyRecordFile, signatureSuffix } from "./layout.ts";
import type { Manifest } from "./manifest.ts";
import type { Repository } from "./repository.ts";
import { readShredRecord, type ShredRecord } from "./shredded.ts";
import { foundSignature, type SignedBytes } from "./signed-object.ts";
import { openRecord, sealRecord } from "./signed-record.ts";
import { type Signer, signerOf, type TrustedSigner } from "./signatures.ts";
import { describeWindow } from "./signer-window.ts";

const recordShape = z.strictObject({
  kind: z.literal("key"),
  format: z.literal(formatVersion),
  /** Of the backup. */
  id: z.string(),
  database: z.string(),
  /** The backup's one-off recipient, as its manifest names it. */
  recipient: z.string(),
  /** To whom the `key.age` of that digest is encrypted. */
  keyRecipients: z.array(z.string()).min(1),
  keySha256: z.string().regex(/^[0-9a-f]{64}$/),
  rewrappedAt: z.iso.datetime({ precision: 3 }),
});

/** Who can open a backup since its last rewrap. */
export type KeyRecord = z.infer<typeof recordShape>;

/** Whose identity opens a backup's sidecar. */
export interface KeyHolders {
  readonly recipients: readonly string[];
  /**
   * `manifest`: never rewrapped. `record`: as the last rewrap left it. `unfinished`: `key.json` speaks of another
   * `key.age`, since a rewrap was cut short or an older one was put back; the recipients are then of the record.
   */
  readonly source: "manifest" | "record" | "unfinished";
}

type Backup = Pick<Manifest, "database" | "id">;

/** What `key.age.sig` signs: the sidecar together with the one-off recipient that its backup's manifest names. */
function signatureInput(recipient: string, sidecar: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`${recipient}\n`), sidecar]);
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** The sidecar of a backup that is not published yet. */
export async function writeKeySidecar(store: Store, backup: Backup, recipient: string, sidecar: Buffer, signer: Signer): Promise<void> {
  const key = backupKey(backup.database, backup.id, keyFile);
  await store.put(key, sidecar);
  await store.put(key + signatureSuffix, signer.sign(signatureInput(recipient, sidecar)));
}

/**
 * Replaces the sidecar of a published backup, under its database's lock; killed anywhere in it, the old or the new one is
 * there and proves itself.
 */
export async function replaceKeySidecar(repository: Repository, manifest: Manifest, change: { sidecar: Buffer; keyRecipients: readonly string[]; at: Date }, signer: Signer): Promise<void> {
  const { sidecar, keyRecipients, at } = change;
  const { id, database, encryption: { recipient } } = manifest;
  const { store } = repository;
  const signature = signer.sign(signatureInput(recipient, sidecar));
  const record: KeyRecord = { kind: "key", format: formatVersion, id, database, recipient, keyRecipients: [...keyRecipients], keySha256: sha256(sidecar), rewrappedAt: at.toISOString() };
  const key = (file: string): string => backupKey(database, id, file);
  await settleKeySidecar(repository, manifest);
  await store.put(key(keyRecordFile), sealRecord(record, signer, { keySignature: signature.toString("base64") }));
  await store.put(key(keyFile), sidecar);
  await store.put(key(keyFile + signatureSuffix), signature);
}

/**
 * A rewrap that was killed may have left the signature of `key.age` in `key.json` alone: puts it in its own place.
 * @returns whether there was anything to do
 */
export async function settleKeySidecar(repository: Repository, manifest: Manifest): Promise<boolean> {
  const { store } = repository;
  const key = backupKey(manifest.database, manifest.id, keyFile);
  const [sidecar, signature, next] = await Promise.all([store.get(key), store.get(key + signatureSuffix), coming(store, manifest)]);
  if (sidecar === undefined || next === undefined || signature?.bytes.equals(next) === true) return false;
  if (!signedBy(repository, manifest, sidecar, next)) return false;
  await store.put(key + signatureSuffix, next);
  return true;
}

/** A rewrap may pass between our two reads: then the next look fits. */
const looks = 3;

/**
 * Reads the key sidecar of a backup and checks that it is this backup's own, without any identity.
 * @throws HoldfastError `integrity` when it is missing, damaged, or belongs to another backup
 */
export async function readKeySidecar(repository: Repository, manifest: Manifest): Promise<Buffer> {
  return (await readSignedKey(repository, manifest)).bytes;
}

/** As {@link readKeySidecar}, with its signature. */
export async function readSignedKey(repository: Repository, manifest: Manifest): Promise<SignedBytes> {
  const key = backupKey(manifest.database, manifest.id, keyFile);
  for (let look = 1; ; look += 1) {
    const [stored, signature] = await Promise.all([repository.store.get(key), repository.store.get(key + signatureSuffix)]);
    if (stored === undefined) throw missing(key, await readShredRecord(repository, manifest.database, manifest.id));
    const signed = signedBy(repository, manifest, stored, signature?.bytes) ?? signedBy(repository, manifest, stored, await coming(repository.store, manifest));
    if (signed) {
      requireNotRetired(signed.signer, manifest, key);
      return signed;
    }
    if (look === looks) throw unsigned(repository.trusted, manifest, key, signature?.bytes);
  }
}

function signedBy({ trusted }: Repository, manifest: Manifest, sidecar: StoredBytes, signature: Buffer | undefined): SignedBytes | undefined {
  const signer = signature && signerOf(signatureInput(manifest.encryption.recipient, sidecar.bytes), signature, trusted);
  return signature && signer && { bytes: sidecar.bytes, signature, signer };
}

/** The signature that a rewrap in progress has announced. It needs no proof of its own: it fits the sidecar or it does not. */
async function coming(store: Store, { database, id }: Backup): Promise<Buffer | undefined> {
  const stored = await store.get(backupKey(database, id, keyRecordFile));
  const signature = stored && /^ {2}"keySignature": "([A-Za-z0-9+/=]+)"$/m.exec(stored.bytes.toString("utf8"))?.[1];
  return signature === undefined ? undefined : Buffer.from(signature, "base64");
}

/** `key.age.sig` states no time and may be of any rewrap: a key that was retired before the backup was made cannot have signed one. */
function requireNotRetired(signer: TrustedSigner, manifest: Manifest, key: string): void {
  if (signer.validUntil === undefined || signer.validUntil > new Date(manifest.finishedAt)) return;
  throw new HoldfastError("integrity", `${key} is signed by ${signer.id}, which counted ${describeWindow(signer)} only, but the backup is of ${manifest.finishedAt}`, {
    hints: ["Do not count on this backup. Put key.age and its signature back from a copy of the repository, if there is one."],
    details: { part: keyFile, signer: signer.id },
  });
}

/**
 * Whose identity opens the sidecar, as far as signed records tell.
 * @throws HoldfastError `integrity` if `key.json` is damaged, of another backup, or signed by a stranger or out of its time
 */
export async function keyHoldersOf(repository: Repository, manifest: Manifest, sidecar: Uint8Array): Promise<KeyHolders> {
  const key = backupKey(manifest.database, manifest.id, keyRecordFile);
  const stored = await repository.store.get(key);
  if (stored === undefined) return { recipients: manifest.encryption.keyRecipients, source: "manifest" };
  const { record } = openRecord(stored.bytes, recordShape, repository.trusted, key, ({ rewrappedAt }) => rewrappedAt);
  if (record.id !== manifest.id || record.database !== manifest.database || record.recipient !== manifest.encryption.recipient) {
    throw new HoldfastError("integrity", `${key} is of backup ${record.id}: it was moved or copied`, { hints: ["Run `holdfast keys rewrap` to write it anew, once it is known who wrote this one."], details: { key } });
  }
  return { recipients: record.keyRecipients, source: record.keySha256 === sha256(sidecar) ? "record" : "unfinished" };
}

function missing(key: string, shredded: ShredRecord | undefined): HoldfastError {
  const why = shredded === undefined ? "the backup was shredded, or somebody removed it" : `the backup was shredded on ${shredded.shreddedAt} by ${shredded.shreddedBy.user} on ${shredded.shreddedBy.host}`;
  return new HoldfastError("integrity", `${key} is missing: ${why}`, {
    hints: [shredded === undefined ? "Without it nobody can open the backup. Put it back from a copy of the repository, if there is one." : "Nobody can open it any more. Choose another backup: `holdfast backup list` shows what there is."],
    details: { part: keyFile, expected: "present", found: "missing" },
  });
}

function unsigned(trusted: readonly TrustedSigner[], manifest: Manifest, key: string, signature: Buffer | undefined): HoldfastError {
  const expected = `a signature of it for ${manifest.encryption.recipient} by ${trusted.map((signer) => signer.id).join(" or ")}`;
  const found = signature === undefined ? `no ${keyFile}${signatureSuffix}` : foundSignature(signature);
  return new HoldfastError("integrity", `${key} is damaged, unsigned, or belongs to another backup: expected ${expected}, found ${found}`, {
    hints: ["Do not count on this backup. Put key.age and its signature back from a copy of the repository, if there is one."],
    details: { part: keyFile, expected, found },
  });
}
