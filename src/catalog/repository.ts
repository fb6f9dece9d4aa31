/** A repository: the marker that makes a location one, and the backups whose signed manifests are in it. */
import { randomUUID } from "node:crypto";
import { z } from "zod";

import { HoldfastError } from "../errors.ts";
import type { Ids } from "../ports.ts";
import type { Store } from "../store/store.ts";
import { foundSignature } from "./key-sidecar.ts";
import { backupFolder, backupId, backupKey, backupsFolder, databaseOfId, formatVersion, keyFile, manifestFile, markerKey, signatureSuffix, timelineFolder } from "./layout.ts";
import { type Manifest, parseManifest, serializeManifest } from "./manifest.ts";
import { readShredRecord, wasShredded } from "./shredded.ts";
import { type Signer, signerOf, type TrustedSigner } from "./signatures.ts";
import { describeWindow, isValidAt } from "./signer-window.ts";

const formatSchema = z.looseObject({ format: z.number() });
const markerSchema = z.object({ format: z.literal(formatVersion), id: z.uuid(), createdAt: z.string() });

export interface Repository {
  readonly store: Store;
  /** Made by `repository init`; names the repository wherever it is copied to. */
  readonly id: string;
  readonly trusted: readonly TrustedSigner[];
}

/**
 * Makes a location a repository.
 * @returns its id, and whether it was one already
 */
export async function initRepository(store: Store, now: Date): Promise<{ id: string; created: boolean }> {
  const id = randomUUID();
  const marker = { format: formatVersion, id, createdAt: now.toISOString() };
  const written = await store.put(markerKey, Buffer.from(`${JSON.stringify(marker, null, 2)}\n`), { ifAbsent: true });
  if (written !== undefined) return { id, created: true };
  return { id: (await openRepository(store, [])).id, created: false };
}

/**
 * Opens a location that `repository init` has made a repository.
 * @throws HoldfastError `not-found` if it is none, `integrity` if its marker is damaged or of a format that we do not know
 */
export async function openRepository(store: Store, trusted: readonly TrustedSigner[]): Promise<Repository> {
  const stored = await store.get(markerKey);
  if (stored === undefined) {
    throw new HoldfastError("not-found", `${store.url} is not a repository: it has no ${markerKey}`, {
      hints: ["Check the location, or make it a repository with `holdfast repository init`."],
    });
  }
  const marker = readMarker(stored.bytes, store.url);
  return { store, id: marker.id, trusted };
}

/** The format comes first: what else a newer marker says is not ours to judge. */
function readMarker(bytes: Buffer, url: string): z.infer<typeof markerSchema> {
  try {
    const json: unknown = JSON.parse(bytes.toString("utf8"));
    const { format } = formatSchema.parse(json);
    if (format === formatVersion) return markerSchema.parse(json);
    throw new HoldfastError("integrity", `${url} has repository format ${format}, but this holdfast knows format ${formatVersion}`, {
      hints: ["A newer holdfast may have made it: upgrade this one."],
      details: { part: markerKey, expected: formatVersion, found: format },
    });
  } catch (error) {
    if (error instanceof HoldfastError) throw error;
    throw new HoldfastError("integrity", `${markerKey} in ${url} is damaged: it is not the marker of a repository`, {
      hints: ["Put the marker back from a copy of the repository. The backups do not depend on it."],
      details: { part: markerKey },
      cause: error,
    });
  }
}

/** Databases that have something in the repository, in order of name. */
export async function databasesIn(store: Store): Promise<string[]> {
  const names: string[] = [];
  for await (const folder of store.listFolders("")) if (folder !== timelineFolder) names.push(folder);
  return names;
}

/** A backup as its manifest tells; `problem` instead when the manifest cannot be trusted. */
export type CatalogEntry = { readonly id: string; readonly database: string } & ({ readonly manifest: Manifest; readonly problem?: never } | { readonly manifest?: never; readonly problem: HoldfastError });

type UntrustedEntry = Extract<CatalogEntry, { readonly problem: HoldfastError }>;

/** How many manifests are fetched at once. */
const fetches = 16;

/**
 * The backups of a database, newest snapshot first. Folders without a manifest are unfinished or being removed: not listed.
 * A manifest that is unsigned, damaged or signed by a stranger is listed with its problem, and never counts.
 */
export async function listBackups(repository: Repository, database: string): Promise<CatalogEntry[]> {
  const ids: string[] = [];
  for await (const folder of repository.store.listFolders(backupsFolder(database))) ids.push(folder);
  const entries: CatalogEntry[] = [];
  const queue = ids.values();
  const worker = async (): Promise<void> => {
    for (const id of queue) {
      const entry = await readEntry(repository, database, id);
      if (entry) entries.push(entry);
    }
  };
  await Promise.all(Array.from({ length: fetches }, worker));
  return entries.sort((a, b) => recoveryPoint(b).localeCompare(recoveryPoint(a)) || b.id.localeCompare(a.id));
}

const recoveryPoint = (entry: CatalogEntry): string => entry.manifest?.snapshotAt ?? "";

async function readEntry(repository: Repository, database: string, id: string): Promise<CatalogEntry | undefined> {
  try {
    const manifest = await readManifest(repository, database, id);
    return manifest && { id, database, manifest };
  } catch (error) {
    if (error instanceof HoldfastError && error.code === "integrity") return { id, database, problem: error };
    throw error;
  }
}

/**
 * Reads and authenticates a manifest.
 * @returns undefined if there is none
 * @throws HoldfastError `integrity` when it is unsigned, changed, signed by a stranger, or lies about its own name
 */
export async function readManifest(repository: Repository, database: string, id: string): Promise<Manifest | undefined> {
  const key = backupKey(database, id, manifestFile);
  const [stored, signature] = await Promise.all([repository.store.get(key), repository.store.get(key + signatureSuffix)]);
  if (stored === undefined) return undefined;
  const signer = authenticate(stored.bytes, signature?.bytes, repository.trusted, key);
  const manifest = parseManifest(stored.bytes, key);
  requireInTime(signer, manifest, key);
  if (manifest.id !== id || manifest.database !== database) {
    throw new HoldfastError("integrity", `${key} says it is backup ${manifest.id} of ${manifest.database}: it was moved or copied`, {
      hints: ["Remove this folder; the backup is where it was made, if `holdfast backup list` still shows it there."],
      details: { part: manifestFile, expected: `${id} of ${database}`, found: `${manifest.id} of ${manifest.database}` },
    });
  }
  return manifest;
}

function authenticate(bytes: Buffer, signature: Buffer | undefined, trusted: readonly TrustedSigner[], key: string): TrustedSigner {
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
  const signer = signerOf(bytes, signature, trusted);
  if (signer) return signer;
  throw new HoldfastError("integrity", `${key} was changed, or a stranger signed it: expected ${expected}, found ${foundSignature(signature)}`, {
    hints: ["Do not restore from it. If the key of one of your backup hosts is missing among the trusted ones, add it to HOLDFAST_TRUSTED_SIGNERS."],
    details: { part: manifestFile, expected, found: foundSignature(signature) },
  });
}

/** A manifest is signed when its run has finished. Whoever holds a retired key can still date one back: see docs/keys.md. */
function requireInTime(signer: TrustedSigner, { finishedAt }: Manifest, key: string): void {
  if (isValidAt(signer, new Date(finishedAt))) return;
  throw new HoldfastError("integrity", `${key} is of ${finishedAt} and signed by ${signer.id}, which counted ${describeWindow(signer)} only`, {
    hints: ["Do not restore from it. If that host was late with its new key, correct the dates in HOLDFAST_TRUSTED_SIGNERS; else find out who used the retired one."],
    details: { part: manifestFile, signer: signer.id, expected: describeWindow(signer), found: finishedAt },
  });
}

/**
 * An id that nothing lies under yet. Call it while holding the database's lock, which keeps others from taking it too:
 * a run that wrote into the folder of another backup would ruin that one, and remove it when it failed.
 */
export async function freeBackupId(store: Store, database: string, at: Date, ids: Ids): Promise<string> {
  const tries = 10;
  for (let left = tries; left > 0; left -= 1) {
    const id = backupId(database, at, ids.suffix());
    if (await isEmpty(store, backupFolder(database, id))) return id;
  }
  throw new HoldfastError("store-failed", `${tries} ids of ${database} at ${at.toISOString()} were taken already`, { hints: ["Run the backup again."] });
}

async function isEmpty(store: Store, folder: string): Promise<boolean> {
  for await (const object of store.list(folder)) if (object.key.startsWith(folder)) return false;
  return true;
}

/** Publishes a backup: its signature first, its manifest last, and neither over what somebody else published under that id. */
export async function publishManifest(store: Store, manifest: Manifest, signer: Signer): Promise<void> {
  const bytes = serializeManifest(manifest);
  const key = backupKey(manifest.database, manifest.id, manifestFile);
  await putOnce(store, key + signatureSuffix, signer.sign(bytes));
  await putOnce(store, key, bytes);
}

/** Equal bytes that are there already are ours: a request whose answer was lost is sent again. */
async function putOnce(store: Store, key: string, bytes: Buffer): Promise<void> {
  if ((await store.put(key, bytes, { ifAbsent: true })) !== undefined) return;
  if ((await store.get(key))?.bytes.equals(bytes) === true) return;
  throw new HoldfastError("integrity", `${key} exists already`, { hints: ["Another backup took the same id; run the backup again."] });
}

const exampleTime = new Date("2026-11-21T02:00:00Z");

/** Which backup is meant: an id, or the newest one (`latest`), or the newest not after an instant. */
export type BackupChoice = { readonly id: string } | { readonly latest: true } | { readonly asOf: Date };

/**
 * Finds the backup that is meant among those whose manifests can be trusted.
 * @param onUntrusted - hears of each that would be newer than the one that is found
 * @throws HoldfastError `usage` if what was named is no id, `not-found` if there is none, `integrity` if the one that was named cannot be trusted
 */
export async function chooseBackup(repository: Repository, database: string, choice: BackupChoice, onUntrusted: (entry: UntrustedEntry) => void = () => undefined): Promise<Manifest> {
  if ("id" in choice) {
    const owner = databaseOfId(choice.id);
    if (owner === undefined) {
      throw new HoldfastError("usage", `${JSON.stringify(choice.id)} is not the id of a backup, which is like ${backupId(database, exampleTime, "7f3a")}`, { hints: ["`holdfast backup list` shows the ids that there are."] });
    }
    const manifest = await readManifest(repository, owner, choice.id);
    if (manifest) return manifest;
    const shredded = await readShredRecord(repository, owner, choice.id);
    if (shredded) throw wasShredded(shredded);
    throw new HoldfastError("not-found", `no backup ${choice.id} in ${repository.store.url}`, { hints: ["`holdfast backup list` shows what there is."] });
  }
  const entries = await listBackups(repository, database);
  const good = entries.flatMap((entry) => entry.manifest ?? []);
  const found = "asOf" in choice ? good.find((manifest) => new Date(manifest.snapshotAt) <= choice.asOf) : good[0];
  if (found) {
    for (const entry of entries) if (entry.problem && entry.id > found.id) onUntrusted(entry);
    return found;
  }
  const oldest = good.at(-1);
  const untrusted = entries.length - good.length;
  throw new HoldfastError("not-found", "asOf" in choice && oldest ? `no backup of ${database} as old as ${choice.asOf.toISOString()}` : `no backup of ${database} in ${repository.store.url}`, {
    hints: [
      ...(untrusted > 0 ? [`${untrusted} ${untrusted === 1 ? "backup is" : "backups are"} there but cannot be trusted; \`holdfast backup list\` says why.`] : []),
      oldest ? `The oldest is ${oldest.id}, of ${oldest.snapshotAt}.` : `Make one with \`holdfast backup --database ${database}\`.`,
    ],
  });
}

/** Removes a backup that was never published, or unpublishes one: the manifest goes first, so no ruin is ever listed. */
export async function removeBackup(store: Store, database: string, id: string): Promise<void> {
  const folder = backupFolder(database, id);
  const manifest = folder + manifestFile;
  await store.delete(manifest);
  await store.abortUploads(folder);
  for await (const object of store.list(folder)) await store.delete(object.key);
}

/**
 * Removes what earlier runs left of backups that nobody can ever open: uploads that were not completed, and parts
 * without a manifest whose key was never stored, so that it died with its run. To be called under the database's lock.
 * A folder with a key is left alone: its manifest may have been lost by mistake.
 * @returns the ids of the backups that it removed objects of
 */
export async function removeUnfinished(store: Store, database: string): Promise<string[]> {
  const above = backupsFolder(database);
  await store.abortUploads(above);
  const folders = new Map<string, string[]>();
  for await (const { key } of store.list(above)) {
    const [id = "", ...rest] = key.slice(above.length).split("/");
    if (databaseOfId(id) === database) folders.set(id, [...(folders.get(id) ?? []), rest.join("/")]);
  }
  const removed: string[] = [];
  for (const [id, files] of folders) {
    if (files.some((file) => file.startsWith(manifestFile) || file.startsWith(keyFile))) continue;
    for (const file of files) await store.delete(backupKey(database, id, file));
    removed.push(id);
  }
  return removed;
}
