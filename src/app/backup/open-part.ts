/** Parts of a published backup on their way in: authenticated, decrypted, decompressed. */
import { backupKey } from "../../catalog/layout.ts";
import { type Manifest, type Part, partNamed } from "../../catalog/manifest.ts";
import { keyHoldersOf, readKeySidecar } from "../../catalog/key-sidecar.ts";
import type { Repository } from "../../catalog/repository.ts";
import { HoldfastError, messageOf } from "../../errors.ts";
import { parseIdentityFile, recipientOf } from "../../pipeline/age-keys.ts";
import { openBytes } from "../../pipeline/encrypt.ts";
import { unpack } from "../../pipeline/pack.ts";

/**
 * Opens a backup's one-off identity with one of ours.
 * @throws HoldfastError `cannot-decrypt` if none of ours fits, `integrity` if the sidecar is not this backup's
 */
export async function openBackupKey(repository: Repository, manifest: Manifest, identities: readonly string[]): Promise<string> {
  const sidecar = await readKeySidecar(repository, manifest);
  const opened = await openBytes(sidecar, identities).catch(async (error: unknown) => {
    if (!(error instanceof HoldfastError) || error.code !== "cannot-decrypt") throw error;
    const { recipients, source } = await keyHoldersOf(repository, manifest, sidecar).catch(() => ({ recipients: manifest.encryption.keyRecipients, source: "manifest" as const }));
    throw new HoldfastError("cannot-decrypt", `none of the ${identities.length} identities at hand opens backup ${manifest.id}`, {
      hints: [`${source === "manifest" ? "When it was made" : "At its last rewrap"}, it was encrypted to ${recipients.join(", ")}: use the identity of one of these.`],
      cause: error,
    });
  });
  return identityIn(opened, manifest);
}

/** The one-off identity in an opened sidecar. @throws HoldfastError `integrity` if it is another backup's */
export async function identityIn(opened: Buffer, manifest: Manifest): Promise<string> {
  const [identity] = parseIdentityFile(opened.toString("utf8"), "key.age");
  if (identity === undefined || (await recipientOf(identity)) !== manifest.encryption.recipient) {
    throw new HoldfastError("integrity", `key.age of ${manifest.id} holds the key of another backup`);
  }
  return identity;
}

/** The plain bytes of a part; ends with an `integrity` error if the stored object is not the one that was signed. */
export async function openPart(repository: Repository, manifest: Manifest, name: string, identity: string, options: { signal?: AbortSignal; onBytes?: (plain: number) => void } = {}): Promise<AsyncIterable<Buffer>> {
  const part = partNamed(manifest, name);
  const source = await readStored(repository, manifest, part, options.signal);
  return namingThePart(part, unpack(source, { identities: [identity], expected: { bytes: part.bytes, sha256: part.sha256 }, ...options }));
}

/** A small part whole, as text. */
export async function openTextPart(repository: Repository, manifest: Manifest, name: string, identity: string, signal?: AbortSignal): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of await openPart(repository, manifest, name, identity, signal ? { signal } : {})) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}

/** The stored bytes of a part. @throws HoldfastError `integrity` if it is missing */
export async function readStored(repository: Repository, manifest: Manifest, part: Part, signal?: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
  const key = backupKey(manifest.database, manifest.id, part.file);
  try {
    return await repository.store.read(key, signal);
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code !== "not-found") throw error;
    throw new HoldfastError("integrity", `part ${part.name} of ${manifest.id} is missing: ${key}`, { cause: error, details: { part: part.name, expected: `${part.bytes} bytes`, found: "missing" } });
  }
}

const changed = ["Restore another backup: `holdfast backup list` shows them, `holdfast backup verify --all` tells which are whole. Keep this one's folder until it is known who changed it."];

async function* namingThePart(part: Part, source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield* source;
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    // The key was proved to be the one that the parts are encrypted to: a part that it does not open was changed.
    if (error.code === "cannot-decrypt") throw new HoldfastError("integrity", `part ${part.name}: its header does not fit the key of the backup`, { hints: changed, details: { part: part.name }, cause: error });
    if (error.code !== "integrity") throw error;
    throw new HoldfastError("integrity", `part ${part.name}: ${messageOf(error)}`, { hints: error.hints.length > 0 ? error.hints : changed, details: { ...error.details, part: part.name }, cause: error });
  }
}
