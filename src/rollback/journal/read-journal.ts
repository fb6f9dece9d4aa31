/** Reading a journal back: from this host's disk, from the repository, and the longer of the two. */
import { databaseOfRecordId, rollbackKey, runbookKey } from "../../catalog/layout.ts";
import type { Repository } from "../../catalog/repository.ts";
import { HoldfastError } from "../../errors.ts";
import { type Found, type Link, longer, prove } from "./chain.ts";
import { type JournalLines, journalPath, readJournalFile } from "./journal-file.ts";
import type { JournalEntry } from "./journal.ts";

export interface JournalPlace {
  /** This host's folder for state; undefined: the repository alone is asked. */
  readonly stateDir?: string | undefined;
  readonly repository: Repository;
  readonly database: string;
  readonly id: string;
}

export interface FoundJournal {
  readonly entries: readonly JournalEntry[];
  /** How many entries this host has, and how many the repository; null where the repository could not be read. */
  readonly onDisk: number;
  readonly inRepository: number | null;
}

/** The same with what a writer goes on from. */
export interface ProvenJournal {
  readonly links: readonly Link[];
  readonly file: JournalLines;
  readonly onDisk: number;
  readonly inRepository: number | null;
  /** Why the repository could not be read. */
  readonly unreachable: Error | undefined;
}

const nothing: JournalLines = { lines: [], bytes: 0, torn: 0 };

/** A runbook's execution has a journal as a rollback has, in a folder of its own kind. */
const isRunbook = (database: string, id: string): boolean => databaseOfRecordId("runbook", id) === database;
const isRunOf = (database: string, id: string): boolean => databaseOfRecordId("rollback", id) === database || isRunbook(database, id);
const journalKey = (database: string, id: string, file: string): string => (isRunbook(database, id) ? runbookKey : rollbackKey)(database, id, `journal/${file}`);
export const entryKey = (database: string, id: string, sequence: number): string => journalKey(database, id, `${String(sequence).padStart(4, "0")}.json`);

/**
 * What a rollback's journal says, also while it is being written.
 * @returns no entries where there is no journal
 * @throws HoldfastError `integrity` if it cannot be trusted, or its two copies part; what the store throws where nothing is on this host
 */
export async function readJournal(place: JournalPlace): Promise<FoundJournal> {
  const { links, onDisk, inRepository, unreachable } = await proveJournal(place);
  if (unreachable !== undefined && links.length === 0) throw unreachable;
  return { entries: links.map(({ entry }) => entry), onDisk, inRepository };
}

/** As {@link readJournal}; a repository that cannot be read is told, not thrown. */
export async function proveJournal(place: JournalPlace): Promise<ProvenJournal> {
  const { stateDir, repository: { trusted }, database, id } = place;
  if (!isRunOf(database, id)) {
    throw new HoldfastError("usage", `${JSON.stringify(id)} is not the id of a rollback of ${database}, which is like rollback-${database}-20261121T020000Z-7f3a`, { hints: ["`holdfast rollback list` shows the ids that there are."] });
  }
  const path = stateDir === undefined ? undefined : journalPath(stateDir, id);
  const file = path === undefined ? nothing : await readJournalFile(path);
  const disk = prove(file.lines.map((line, index) => ({ bytes: Buffer.from(line), place: `${path ?? ""} line ${index + 1}` })), id, trusted);
  let unreachable: Error | undefined;
  const objects = await readObjects(place).catch((error: unknown) => {
    if (error instanceof HoldfastError && error.code === "integrity") throw error;
    unreachable = error instanceof Error ? error : new Error(String(error));
  });
  const stored = objects && prove(objects, id, trusted);
  return { links: stored === undefined ? disk : longer(disk, stored, path ?? ""), file, onDisk: disk.length, inRepository: stored?.length ?? null, unreachable };
}

async function readObjects({ repository: { store }, database, id }: JournalPlace): Promise<Found[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(journalKey(database, id, ""))) keys.push(key);
  const found: Found[] = [];
  for (const key of keys) {
    const stored = await store.get(key, { first: true });
    if (stored !== undefined) found.push({ bytes: stored.bytes, place: key });
  }
  return found;
}
