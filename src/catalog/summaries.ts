/**
 * The backups of a database in one listing. The store's listing says which there are, and which objects they are made
 * of now; manifests are fetched only where the index does not know exactly these objects.
 */
import { HoldfastError } from "../errors.ts";
import { compareKeys } from "../store/keys.ts";
import type { StoredObject } from "../store/store.ts";
import { readSignedManifest } from "./authenticity.ts";
import { type BackupIndex, type IndexLine, readIndex, writeIndex } from "./backup-index.ts";
import { backupsFolder, manifestFile, signatureSuffix } from "./layout.ts";
import type { Repository } from "./repository.ts";
import type { Signer } from "./signatures.ts";
import { type BackupSummary, summaryOf } from "./summary.ts";

/** A backup as its manifest tells in short; `problem` instead when the manifest cannot be trusted. */
export type SummaryEntry = { readonly id: string; readonly database: string } & ({ readonly summary: BackupSummary; readonly problem?: never } | { readonly summary?: never; readonly problem: HoldfastError });

export interface BackupListing {
  /** Newest snapshot first, those that cannot be trusted last. */
  readonly entries: readonly SummaryEntry[];
  /** How many manifests had to be fetched. */
  readonly fetched: number;
  /** Why the index that lies there was not used, as a clause. */
  readonly indexProblem: string | undefined;
}

/** How many manifests are fetched at once. */
const fetches = 16;
/** How many parts of the listing are asked for at once, and how many backups are worth one. */
const ranges = 8;
const smallestRange = 100;

/** As `listBackups` of listing.ts, with the same result for every index, none and every lie, only sooner with a true one. */
export async function listSummaries(repository: Repository, database: string): Promise<BackupListing> {
  const { entries, fetched, index } = await survey(repository, database);
  return { entries, fetched, indexProblem: index.problem };
}

/**
 * Brings the index up to date; to be called by a host that signs, after it has published or removed a backup.
 * @returns whether it was written; false if it was true already, or somebody else wrote it meanwhile
 */
export async function refreshIndex(repository: Repository, database: string, signer: Signer): Promise<boolean> {
  const { lines, fetched, index } = await survey(repository, database);
  const same = index.problem === undefined && fetched === 0 && index.lines.size === lines.length;
  if (same && !("ifAbsent" in index.replaces)) return false;
  return writeIndex(repository, database, lines, index.replaces, signer);
}

interface Survey {
  readonly entries: SummaryEntry[];
  /** Of those that can be trusted and whose objects the store can tell from others. */
  readonly lines: IndexLine[];
  readonly fetched: number;
  readonly index: BackupIndex;
}

async function survey(repository: Repository, database: string): Promise<Survey> {
  const index = await readIndex(repository, database);
  const found = await listManifests(repository, database, index);
  const entries: SummaryEntry[] = [];
  const lines: IndexLine[] = [];
  const unknown: [string, Listed][] = [];
  for (const [id, listed] of found) {
    const line = index.lines.get(id);
    if (line !== undefined && line.manifest === listed.manifest?.tag && line.signature === listed.signature?.tag) {
      entries.push({ id, database, summary: line.summary });
      lines.push(line);
    } else if (listed.manifest !== undefined) unknown.push([id, listed]);
  }
  const fetched = unknown.length;
  const queue = unknown.values();
  const worker = async (): Promise<void> => {
    for (const [id, listed] of queue) {
      const { entry, line } = await fetchEntry(repository, database, id, listed);
      if (entry) entries.push(entry);
      if (line) lines.push(line);
    }
  };
  await Promise.all(Array.from({ length: fetches }, worker));
  return { entries: entries.sort(newestFirst), lines: lines.sort((a, b) => compareKeys(a.summary.id, b.summary.id)), fetched, index };
}

const recoveryPoint = (entry: SummaryEntry): string => entry.summary?.snapshotAt ?? "";

function newestFirst(a: SummaryEntry, b: SummaryEntry): number {
  return compareKeys(recoveryPoint(b), recoveryPoint(a)) || compareKeys(b.id, a.id);
}

const decisive: ReadonlySet<string> = new Set([manifestFile, manifestFile + signatureSuffix]);

/** The two objects that decide about a backup, as far as they are there. */
interface Listed {
  manifest?: StoredObject;
  signature?: StoredObject;
}

/** Lists every object below the database's backups, in ranges that the index suggests: a poor suggestion costs time only. */
async function listManifests({ store }: Repository, database: string, index: BackupIndex): Promise<Map<string, Listed>> {
  const above = backupsFolder(database);
  const found = new Map<string, Listed>();
  const range = async (after: string | undefined, until: string | undefined): Promise<void> => {
    for await (const object of store.list(above, { after, named: decisive })) {
      if (until !== undefined && compareKeys(object.key, until) > 0) return;
      const [id = "", file, ...deeper] = object.key.slice(above.length).split("/");
      if (file === undefined || deeper.length > 0) continue;
      const listed = found.get(id) ?? {};
      if (file === manifestFile) listed.manifest = object;
      else listed.signature = object;
      found.set(id, listed);
    }
  };
  const boundaries = boundariesOf([...index.lines.keys()]).map((id) => `${above}${id}`);
  await Promise.all([undefined, ...boundaries].map((after, at) => range(after, boundaries[at])));
  return found;
}

function boundariesOf(ids: readonly string[]): string[] {
  const count = Math.min(ranges, Math.floor(ids.length / smallestRange));
  const sorted = [...new Set(ids)].sort(compareKeys);
  return Array.from({ length: Math.max(0, count - 1) }, (_, at) => sorted[Math.floor(((at + 1) * sorted.length) / count)] ?? "").filter((id) => id !== "");
}

async function fetchEntry(repository: Repository, database: string, id: string, listed: Listed): Promise<{ readonly entry?: SummaryEntry; readonly line?: IndexLine }> {
  try {
    const read = await readSignedManifest(repository, database, id);
    if (read === undefined) return {};
    const summary = summaryOf(read.manifest);
    const entry = { id, database, summary };
    const [manifest, signature] = await Promise.all([sameTag(repository, listed.manifest, read.version), sameTag(repository, listed.signature, read.signatureVersion)]);
    return manifest === undefined || signature === undefined ? { entry } : { entry, line: { manifest, signature, signer: read.signer.id, summary } };
  } catch (error) {
    if (error instanceof HoldfastError && error.code === "integrity") return { entry: { id, database, problem: error } };
    throw error;
  }
}

/** The tag that stands for the bytes that were read: what was listed before might have been replaced before it was read. */
async function sameTag({ store }: Repository, listed: StoredObject | undefined, version: string): Promise<string | undefined> {
  if (listed?.tag === undefined || listed.tag === version) return listed?.tag;
  return (await store.head(listed.key))?.tag === listed.tag ? listed.tag : undefined;
}
