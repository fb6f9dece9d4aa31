/** What drills have left in the repository, and what of it can be trusted. */
import { ahead } from "../../audit/select.ts";
import { begunFile, drillKey, drillsFolder, evidenceFile, partsOfDrillId } from "../../catalog/layout.ts";
import { belongsTo, type Repository } from "../../catalog/repository.ts";
import type { SignedKind } from "../../catalog/signed-object.ts";
import { HoldfastError } from "../../errors.ts";
import type { Store } from "../../store/store.ts";
import { type Begun, isRunning, type Observer, parseBegun } from "./begun.ts";
import { type CertificationRecord, readCertifications } from "./certification.ts";
import { type Evidence, parseEvidence } from "./evidence.ts";
import { type DrillPlace, readSignedFile, type SignedFile, untrue } from "./signed-file.ts";

export interface ProvenDrill {
  readonly evidence: Evidence;
  /** The exact bytes that were signed, and their SHA-256. */
  readonly bytes: Buffer;
  readonly sha256: string;
  readonly certifications: readonly CertificationRecord[];
}

interface UnprovenDrill {
  readonly begun: Begun;
  /** False if it ended without a verdict: it was killed, or could not publish. */
  readonly running: boolean;
}

interface UntrustedDrill {
  readonly problem: HoldfastError;
}

type Absent<T> = { readonly [K in keyof T]?: never };

/** A drill as its folder tells: with evidence, or begun and without, or with what cannot be trusted. */
export type DrillRecord = DrillPlace & {
  /** Names in its folder. */
  readonly files: readonly string[];
} & ((ProvenDrill & Absent<UnprovenDrill> & Absent<UntrustedDrill>) | (UnprovenDrill & Absent<ProvenDrill> & Absent<UntrustedDrill>) | (UntrustedDrill & Absent<ProvenDrill> & Absent<UnprovenDrill>));

const kind: SignedKind<Evidence> = { noun: "evidence", warning: "Do not show it to anybody as proof", parse: parseEvidence, at: ({ finishedAt }) => new Date(finishedAt) };

/**
 * Reads and authenticates the evidence of a drill.
 * @returns undefined if there is none
 * @throws HoldfastError `integrity` when it is unsigned, changed, signed by a stranger or by a key that did not count then, or another drill's
 */
export async function readEvidence(repository: Repository, { database, id }: DrillPlace): Promise<SignedFile<Evidence> | undefined> {
  const read = await readSignedFile(repository, { database, id }, evidenceFile, kind);
  if (read === undefined) return undefined;
  const { content: evidence } = read;
  const [expected, found] = [`drill ${id} of ${database} in repository ${repository.id}`, `drill ${evidence.id} of ${evidence.database} in repository ${evidence.repository.id}`];
  if (evidence.id !== id || evidence.database !== database || !belongsTo(repository, evidence.repository.id)) throw untrue("misplaced", `${drillKey(database, id, evidenceFile)} is that of ${found}: it was moved or copied`, { part: evidenceFile, expected, found });
  return read;
}

/**
 * The drills of a database, the one that was begun last first.
 * What is not signed by a trusted key is listed with its problem, and never counts.
 */
export async function listDrills(repository: Repository, database: string, observer: Observer): Promise<DrillRecord[]> {
  const folders = [...(await foldersOf(repository.store, database))].sort(([a], [b]) => startOf(b) - startOf(a) || b.localeCompare(a));
  const records: DrillRecord[] = [];
  for await (const record of ahead(folders, ([id, files]) => readRecord(repository, { database, id }, files, observer))) records.push(record);
  return records;
}

const startOf = (id: string): number => partsOfDrillId(id)?.at.getTime() ?? -Infinity;

/** The record of one drill; undefined if the repository has nothing of it. */
export async function readDrill(repository: Repository, place: DrillPlace, observer: Observer): Promise<DrillRecord | undefined> {
  const files = (await foldersOf(repository.store, place.database, `${place.id}/`)).get(place.id);
  return files && (await readRecord(repository, place, files, observer));
}

/** Names of the objects in each drill's folder: one listing for all. */
async function foldersOf(store: Store, database: string, below = ""): Promise<Map<string, string[]>> {
  const above = drillsFolder(database);
  const folders = new Map<string, string[]>();
  for await (const { key } of store.list(above + below)) {
    const [id = "", ...rest] = key.slice(above.length).split("/");
    folders.set(id, [...(folders.get(id) ?? []), rest.join("/")]);
  }
  return folders;
}

async function readRecord(repository: Repository, place: DrillPlace, files: readonly string[], observer: Observer): Promise<DrillRecord> {
  const { database, id } = place;
  try {
    if (partsOfDrillId(id)?.database !== database) throw untrue("garbage", `${drillsFolder(database)}${id} is not named like a drill of ${database}`, { part: id });
    const read = await readEvidence(repository, place);
    if (read !== undefined) {
      const { content: evidence, bytes, sha256 } = read;
      return { ...place, files, evidence, bytes, sha256, certifications: await readCertifications(repository, { ...place, sha256 }, files) };
    }
    return { ...place, files, ...(await readBegun(repository.store, place, files, observer)) };
  } catch (error) {
    if (error instanceof HoldfastError && error.code === "integrity") return { ...place, files, problem: error };
    throw error;
  }
}

/** A drill without evidence. Only evidence that was there can have been certified. */
async function readBegun(store: Store, { database, id }: DrillPlace, files: readonly string[], observer: Observer): Promise<UnprovenDrill> {
  const folder = `${drillsFolder(database)}${id}`;
  if (files.some((file) => file.startsWith("certification-"))) throw untrue("removed", `${folder} was certified, but its evidence is missing`, { part: evidenceFile });
  const stored = await store.get(drillKey(database, id, begunFile));
  const begun = stored && parseBegun(stored.bytes, database, id);
  if (begun === undefined) throw untrue("removed", `${folder} has neither evidence nor ${stored === undefined ? "" : "a readable "}${begunFile}`, { part: evidenceFile });
  return { begun, running: await isRunning(begun, observer) };
}
