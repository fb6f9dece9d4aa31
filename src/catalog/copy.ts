/** A backup on its way to another place, as it is: nothing is opened, and nothing is published that is not what was signed. */
import { HoldfastError, throwIfCancelled } from "../errors.ts";
import { newDigest } from "../pipeline/digest.ts";
import type { Store } from "../store/store.ts";
import { readSignedManifest } from "./authenticity.ts";
import { readSignedKey } from "./key-sidecar.ts";
import { backupFolder, backupKey, keyFile, keyRecordFile, manifestFile, signatureSuffix } from "./layout.ts";
import { type Manifest, type Part } from "./manifest.ts";
import type { Repository } from "./repository.ts";
import { putOnce, type SignedBytes } from "./signed-object.ts";

/** Bytes of the objects at the destination, by key. */
export type Sizes = ReadonlyMap<string, number>;

export interface CopyOptions {
  readonly signal: AbortSignal;
  /** Reads every part back whole, also those that were there before. */
  readonly verify: boolean;
  /** Called right before the manifest is published; that does not come to be if it throws. */
  readonly beforePublishing: () => Promise<void>;
  /** Bytes of the backup that were sent or read back so far. */
  readonly onBytes?: (bytes: number) => void;
}

/** What is wanted of a backup, with the exact bytes that were signed, and what the destination lacks of it. */
interface Gap {
  readonly manifest: Manifest;
  readonly signed: SignedBytes;
  readonly key: SignedBytes;
  /** Who can open it since its last rewrap; undefined if it never was. */
  readonly keyRecord: Buffer | undefined;
  /** Missing there, or of another size. */
  readonly parts: ReadonlySet<Part>;
  readonly keyDiffers: boolean;
  readonly signatureDiffers: boolean;
  readonly published: boolean;
}

export async function sizesBelow(store: Store, prefix: string): Promise<Sizes> {
  const sizes = new Map<string, number>();
  for await (const { key, bytes } of store.list(prefix)) sizes.set(key, bytes);
  return sizes;
}

/** Whether `destination` lacks anything of a backup, by sizes for the parts and by bytes for the rest; `sizes` are those of its folder at least. */
export async function isCopied(source: Repository, destination: Store, manifest: Manifest, sizes: Sizes): Promise<boolean> {
  if (!sizes.has(backupKey(manifest.database, manifest.id, manifestFile)) || lackingParts(manifest, sizes).size > 0) return false;
  const gap = await findGap(source, destination, manifest, sizes);
  return gap !== undefined && gap.published && !gap.keyDiffers && !gap.signatureDiffers;
}

/**
 * Copies what the destination lacks of a backup: parts, then the key, then the manifest. Parts that an earlier run sent
 * and did not publish are proved by their hash, not sent again.
 * @returns bytes sent, and whether anything was lacking; undefined if the backup is no longer in the source
 * @throws HoldfastError `integrity` if the source does not hold what was signed, or the destination something else under its name; what the stores throw
 */
export async function copyBackup(source: Repository, destination: Store, wanted: Manifest, options: CopyOptions): Promise<{ readonly sent: number; readonly changed: boolean } | undefined> {
  const gap = await findGap(source, destination, wanted, await sizesBelow(destination, backupFolder(wanted.database, wanted.id)));
  if (gap === undefined) return undefined;
  const { manifest } = gap;
  let sent = 0;
  let done = 0;
  for (const part of manifest.parts) {
    const onBytes = (bytes: number): void => { options.onBytes?.(done + bytes); };
    const there = !gap.parts.has(part) && ((gap.published && !options.verify) || (await isThere(destination, manifest, part, options.signal)));
    if (!there) {
      await sendPart(source.store, destination, manifest, part, options.signal, onBytes);
      sent += part.bytes;
      if (options.verify) await requireThere(destination, manifest, part, options.signal);
    }
    onBytes(part.bytes);
    done += part.bytes;
  }
  const at = (file: string): string => backupKey(manifest.database, manifest.id, file);
  if (gap.keyDiffers) {
    // It carries the coming signature: a copy that is killed here leaves a key that still fits one of the two.
    if (gap.keyRecord) await destination.put(at(keyRecordFile), gap.keyRecord);
    await destination.put(at(keyFile), gap.key.bytes);
    await destination.put(at(keyFile + signatureSuffix), gap.key.signature);
  }
  await options.beforePublishing();
  throwIfCancelled(options.signal);
  if (gap.signatureDiffers) await destination.put(at(manifestFile + signatureSuffix), gap.signed.signature);
  if (!gap.published) await putOnce(destination, at(manifestFile), gap.signed.bytes, "Another copy published something else under this id: find out which is right with `holdfast backup verify`.");
  return { sent, changed: sent > 0 || gap.keyDiffers || gap.signatureDiffers || !gap.published };
}

async function findGap(source: Repository, destination: Store, wanted: Manifest, sizes: Sizes): Promise<Gap | undefined> {
  const { database, id } = wanted;
  const signed = await readSignedManifest(source, database, id);
  if (signed === undefined) return undefined;
  const { manifest } = signed;
  const key = await readSignedKey(source, manifest);
  const read = async (file: string): Promise<Buffer | undefined> => {
    const at = backupKey(database, id, file);
    return sizes.has(at) ? (await destination.get(at))?.bytes : undefined;
  };
  const there = await read(manifestFile);
  if (there !== undefined && !there.equals(signed.bytes)) {
    throw new HoldfastError("integrity", `${destination.url} holds another ${manifestFile} of ${id} than ${source.store.url}`, {
      hints: [`Find out which of them was changed with \`holdfast backup verify ${id}\` at both places, and remove the wrong one's folder.`],
      details: { part: manifestFile },
    });
  }
  const [signature, sidecar, sidecarSignature, record] = await Promise.all([read(manifestFile + signatureSuffix), read(keyFile), read(keyFile + signatureSuffix), read(keyRecordFile)]);
  const keyRecord = (await source.store.get(backupKey(database, id, keyRecordFile)))?.bytes;
  return {
    manifest,
    signed,
    key,
    keyRecord,
    parts: lackingParts(manifest, sizes),
    keyDiffers: sidecar?.equals(key.bytes) !== true || sidecarSignature?.equals(key.signature) !== true || (keyRecord !== undefined && record?.equals(keyRecord) !== true),
    signatureDiffers: signature?.equals(signed.signature) !== true,
    published: there !== undefined,
  };
}

function lackingParts(manifest: Manifest, sizes: Sizes): Set<Part> {
  return new Set(manifest.parts.filter((part) => sizes.get(backupKey(manifest.database, manifest.id, part.file)) !== part.bytes));
}

/** Streams a part over. What does not turn out to be the one that was signed has not come to be when this rejects. */
async function sendPart(source: Store, destination: Store, manifest: Manifest, part: Part, signal: AbortSignal, onBytes: (bytes: number) => void): Promise<void> {
  const key = backupKey(manifest.database, manifest.id, part.file);
  const bytes = await source.read(key, signal).catch((error: unknown) => {
    if (error instanceof HoldfastError && error.code === "not-found") throw wrong(source, manifest, part, "missing");
    throw error;
  });
  try {
    const stored = await destination.write(key, proved(source, manifest, part, bytes as AsyncIterable<Buffer>), { estimate: part.bytes, signal, onProgress: onBytes });
    if (stored !== part.bytes) throw new HoldfastError("store-failed", `${key}: ${part.bytes} bytes were sent, but ${destination.url} holds ${stored}`);
  } finally {
    // A store that failed before it asked for the first byte has ended nothing.
    bytes.destroy();
  }
}

/** Passes on what was signed, and ends with an error where the store would complete the object if it is not. */
async function* proved(store: Store, manifest: Manifest, part: Part, bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, undefined> {
  const digest = newDigest();
  yield* digest.through(bytes);
  if (digest.bytes !== part.bytes) throw wrong(store, manifest, part, `${digest.bytes} bytes long, not ${part.bytes}`);
  if (digest.sha256 !== part.sha256) throw wrong(store, manifest, part, `changed: its SHA-256 is ${digest.sha256}, but the manifest says ${part.sha256}`);
}

function wrong(store: Store, { id }: Manifest, { name }: Part, how: string): HoldfastError {
  return new HoldfastError("integrity", `${id}: part ${name} in ${store.url} is ${how}`, {
    hints: [`Run \`holdfast backup verify ${id}\`, and do not count on this backup where it fails.`],
    details: { backup: id, part: name },
  });
}

async function isThere(store: Store, manifest: Manifest, part: Part, signal: AbortSignal): Promise<boolean> {
  const digest = newDigest();
  const bytes = digest.through((await store.read(backupKey(manifest.database, manifest.id, part.file), signal)) as AsyncIterable<Buffer>);
  while ((await bytes.next()).done !== true);
  return digest.sha256 === part.sha256;
}

async function requireThere(store: Store, manifest: Manifest, part: Part, signal: AbortSignal): Promise<void> {
  if (!(await isThere(store, manifest, part, signal))) throw wrong(store, manifest, part, "not what was sent there");
}

