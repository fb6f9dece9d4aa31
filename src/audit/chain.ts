/**
 * The chain in the repository: `timeline/<year>/<sequence>.json`, each object naming the SHA-256 of the one before.
 *
 * The chain is its own lock. The next key follows from the head alone, never from the writer's clock, so that two
 * writers always compete for one key and the conditional put has one winner. That is why a year is left by an entry
 * that closes it (action `close-year`, subject `next`) inside the old folder, before anything is written to the new one.
 */
import { createHash } from "node:crypto";

import type { Signer } from "../catalog/signatures.ts";
import { HoldfastError } from "../errors.ts";
import type { Store, StoredObject } from "../store/store.ts";
import { type Draft, type TimelineEntry, decode, encode, largestObject, sha256 } from "./entry.ts";

export const closeYear = "close-year";
const root = "timeline/";
const lastSequence = 9_999_999_999;
const mostAttempts = 24;
const longestPause = 1_000;

/** What reading a chain needs of a store. */
export type ChainStore = Pick<Store, "list" | "listFolders" | "get">;

/** A place in the chain. `sequence` 0 is before the first entry. */
export interface Position {
  readonly year: number;
  readonly sequence: number;
}

/** An object at a place of the chain, as a listing shows it. */
export interface ChainObject extends Position {
  readonly key: string;
  readonly bytes: number;
}

interface Head extends Position {
  readonly sha256: string | null;
  /** The folder of the next entry; undefined while the timeline is empty. */
  readonly nextYear: number | undefined;
}

/** An entry where it stands, with its exact bytes. */
export interface Recorded {
  readonly key: string;
  readonly bytes: Buffer;
  readonly entry: TimelineEntry;
}

export interface AppendOptions {
  readonly signer: Signer | undefined;
  readonly now: Date;
  /** Whether the entry is only now brought after its time. */
  readonly late: boolean;
  readonly closing: (next: string) => Draft;
  /**
   * Called with the head before anything is put. Answers the place after which the entry may already stand, from an
   * earlier attempt or another process, or undefined if nothing is left to do.
   */
  readonly anchor: (head: Position) => Promise<Position | undefined>;
  /** Waits so many milliseconds between two attempts. */
  readonly pause: (milliseconds: number) => Promise<void>;
  /** From 0 to below 1, the jitter of those waits. */
  readonly random: () => number;
}

export function keyOf({ year, sequence }: Position): string {
  return `${root}${String(year).padStart(4, "0")}/${String(sequence).padStart(10, "0")}.json`;
}

/** The place that a key names, or undefined if it is not the key of an entry. */
export function positionOf(key: string): Position | undefined {
  const [, year, digits] = /^timeline\/(\d{4})\/(\d{10})\.json$/.exec(key) ?? [];
  const sequence = Number(digits);
  return year === undefined || sequence === 0 ? undefined : { year: Number(year), sequence };
}

/** Everything under the timeline's folder, by key: the chain's objects, and those that do not belong there. */
export async function listChain(store: ChainStore): Promise<{ objects: ChainObject[]; foreign: StoredObject[] }> {
  const objects: ChainObject[] = [];
  const foreign: StoredObject[] = [];
  for await (const { key, bytes, modified } of store.list(root)) {
    const position = positionOf(key);
    if (position === undefined) foreign.push({ key, bytes, modified });
    else objects.push({ key, bytes, ...position });
  }
  return { objects, foreign };
}

/** The years that have a folder, in order. */
export async function listYears(store: ChainStore): Promise<number[]> {
  const years: number[] = [];
  for await (const name of store.listFolders(root)) if (/^\d{4}$/.test(name)) years.push(Number(name));
  return years.sort((a, b) => a - b);
}

/** The entries' objects in a year's folder, in order. One listing: a thousand keys a request on S3. */
export async function listYear(store: ChainStore, year: number): Promise<ChainObject[]> {
  const objects: ChainObject[] = [];
  for await (const { key, bytes } of store.list(`${root}${String(year).padStart(4, "0")}/`)) {
    const position = positionOf(key);
    if (position !== undefined) objects.push({ key, bytes, ...position });
  }
  return objects;
}

/** Finds the last entry by listing the newest year's folder only. */
async function findHead(store: Store): Promise<Head> {
  for (const year of (await listYears(store)).reverse()) {
    const last = (await listYear(store, year)).at(-1);
    if (last !== undefined) return await headAt(store, last);
  }
  return { year: 0, sequence: 0, sha256: null, nextYear: undefined };
}

/** A head that is no entry of ours is chained over like any other: verifying names it, appending goes on. */
async function headAt(store: Store, { key, year, sequence, bytes }: ChainObject): Promise<Head> {
  if (bytes > largestObject) {
    const hash = createHash("sha256");
    for await (const chunk of await store.read(key)) hash.update(chunk as Buffer);
    return { year, sequence, sha256: hash.digest("hex"), nextYear: year };
  }
  // What is chained on must stay: not the entry of a host that is about to learn that it was second.
  const object = await store.get(key, { first: true });
  if (object === undefined) throw new HoldfastError("store-failed", `the timeline's last entry ${key} was removed while it was read`);
  return { year, sequence, sha256: sha256(object.bytes), nextYear: closedFor(decode(object.bytes)?.entry, year) ?? year };
}

/** The year that `entry`, standing in the folder of `year`, opens by closing its own; undefined if it closes none. */
export function closedFor(entry: TimelineEntry | undefined, year: number): number | undefined {
  const next = entry?.action === closeYear ? entry.subject["next"] : undefined;
  return next !== undefined && /^\d{4}$/.test(next) && Number(next) > year ? Number(next) : undefined;
}

/** The entry with this id after a place of the chain, if it stands there. */
async function findEntry(store: Store, id: string, after: Position): Promise<Recorded | undefined> {
  for (const year of await listYears(store)) {
    if (year < after.year) continue;
    for (const { key, sequence, bytes } of await listYear(store, year)) {
      if (sequence <= after.sequence || bytes > largestObject) continue;
      const object = await store.get(key);
      const entry = object && decode(object.bytes)?.entry;
      if (object !== undefined && entry?.id === id && entry.sequence === sequence) return { key, bytes: object.bytes, entry };
    }
  }
  return undefined;
}

/**
 * Appends an entry exactly once, whoever else writes, and also if an earlier attempt succeeded without our knowing.
 * @returns what was written, the closing of a year first; empty if `anchor` found nothing left to do
 * @throws HoldfastError what the store throws, and `store-failed` when other writers were faster every time
 */
export async function append(store: Store, waiting: Draft, options: AppendOptions): Promise<Recorded[]> {
  const written: Recorded[] = [];
  const recordedAt = options.late ? options.now.toISOString() : null;
  const year = Number((recordedAt ?? waiting.at).slice(0, 4));
  let searched: Position | undefined;
  for (let attempt = 0; attempt < mostAttempts; attempt += 1) {
    if (attempt > 0) await options.pause(options.random() * Math.min(longestPause, 20 * 2 ** attempt));
    const head = await findHead(store);
    searched ??= await options.anchor(head);
    if (searched === undefined) return written;
    if (searched.sequence < head.sequence) {
      const found = await findEntry(store, waiting.id, searched);
      if (found !== undefined) return [...written, found];
    }
    searched = head;
    if (head.sequence === lastSequence) throw new HoldfastError("store-failed", `the timeline is full: its last entry has sequence ${lastSequence}`);

    const nextYear = head.nextYear ?? year;
    const closes = nextYear < year;
    const entry = { ...(closes ? options.closing(String(year)) : waiting), recordedAt: closes ? null : recordedAt, sequence: head.sequence + 1, previous: head.sha256 };
    const key = keyOf({ year: nextYear, sequence: entry.sequence });
    const bytes = encode(entry, options.signer);
    const won = (await store.put(key, bytes, { ifAbsent: true })) !== undefined;
    if (won) written.push({ key, bytes, entry });
    if (won && !closes) return written;
    // Having closed a year is progress, not a lost race.
    if (won) attempt = -1;
  }
  throw new HoldfastError("store-failed", `the timeline is busy: other writers were faster ${mostAttempts} times`);
}
