/**
 * Holds: a backup that somebody needs is not removed until the hold ends or is released. All that was ever said about
 * one backup stands in one object, `<database>/holds/<id>.json`, each record signed and chained to the one before; a
 * release is a record too. What cannot be trusted there keeps the backup held: only a trusted release lets it go.
 */
import { z } from "zod";

import { HoldfastError } from "../errors.ts";
import { databaseOfId, holdKey } from "./layout.ts";
import type { Repository } from "./repository.ts";
import type { Signer } from "./signatures.ts";
import { continueChain, type Continued } from "./chain-copy.ts";
import { appendToChain, type Chain, readChain } from "./signed-chain.ts";

const recordSchema = z.strictObject({
  format: z.literal(1),
  kind: z.enum(["hold", "release"]),
  backup: z.string(),
  reason: z.string(),
  /** When the hold ends by itself; null until it is released, and in a release. */
  until: z.iso.datetime().nullable(),
  by: z.strictObject({ user: z.string(), host: z.string(), operator: z.string().nullable() }),
  at: z.iso.datetime(),
  /** SHA-256 (hexadecimal) of the text of the record before; null in the first. */
  previous: z.string().nullable(),
});

export type HoldRecord = z.infer<typeof recordSchema>;

export interface Hold {
  readonly reason: string;
  /** Null: until it is released. */
  readonly until: Date | null;
}

export interface HoldState {
  /** The hold that stands, whether or not its time is over; null if there is none, or it was released. */
  readonly hold: Hold | null;
  /** What was said, oldest first, as far as it can be trusted. */
  readonly records: readonly HoldRecord[];
  /** How many records cannot be. */
  readonly untrusted: number;
}

/** Is the hold in force at that time? */
export function isInForce(hold: Hold | null, at: Date): hold is Hold {
  return hold !== null && (hold.until === null || hold.until > at);
}

/** What is said about a backup's being held. @throws what the store throws; whatever is wrong with the records holds it */
export async function readHold(repository: Repository, id: string): Promise<HoldState> {
  return stateOf(id, (await readChain(repository, holdKey(ownerOf(id), id), recordSchema)) ?? []);
}

/** The holds of a database's backups, by id. */
export async function readHolds(repository: Repository, database: string): Promise<Map<string, HoldState>> {
  const states = new Map<string, HoldState>();
  const folder = holdKey(database, "").replace(/\.json$/, "");
  for await (const { key } of repository.store.list(folder)) {
    const id = key.slice(folder.length).replace(/\.json$/, "");
    if (databaseOfId(id) === database) states.set(id, await readHold(repository, id));
  }
  return states;
}

function stateOf(id: string, chain: Chain<HoldRecord>): HoldState {
  let hold: Hold | null = null;
  const records: HoldRecord[] = [];
  for (const record of chain) {
    if (record?.backup !== id) hold = { reason: "a record of its hold cannot be trusted", until: null };
    else {
      records.push(record);
      hold = record.kind === "release" ? null : { reason: record.reason, until: record.until === null ? null : new Date(record.until) };
    }
  }
  return { hold, records, untrusted: chain.length - records.length };
}

/**
 * Adds a record to what is said about a backup.
 * @param allow - sees the state that the record will follow; throws where it must not
 */
export async function appendHoldRecord(repository: Repository, signer: Signer, record: Omit<HoldRecord, "format" | "previous">, allow: (state: HoldState) => void): Promise<HoldState> {
  const chain = await appendToChain(repository, holdKey(ownerOf(record.backup), record.backup), signer, recordSchema, (before) => {
    allow(stateOf(record.backup, before ?? []));
    return { format: 1 as const, ...record };
  });
  return stateOf(record.backup, chain);
}

/** What became of a hold at a copy. */
export interface CopiedHold extends Continued {
  /** The holds that stand at the source and, now, at the copy. */
  readonly source: Hold | null;
  readonly copy: Hold | null;
}

/**
 * Brings a copy what is said about a backup at the source, as far as that weakens no hold that stands at the copy: a
 * release, or an earlier end, has to be said there as well.
 * @returns undefined if nothing is said at the source
 * @throws HoldfastError `integrity` if a record of either cannot be trusted; what the stores throw
 */
export async function copyHold(source: Repository, copy: Repository, id: string, now: Date): Promise<CopiedHold | undefined> {
  const admits = (chain: Chain<HoldRecord>, before: Chain<HoldRecord>): boolean => isAsStrong(stateOf(id, chain).hold, stateOf(id, before).hold, now);
  const continued = await continueChain(source, copy, holdKey(ownerOf(id), id), { shape: recordSchema, belongs: ({ backup }) => backup === id, admits });
  if (continued === undefined) return undefined;
  return { ...continued, source: stateOf(id, continued.chains.source).hold, copy: stateOf(id, continued.chains.copy).hold };
}

/** Whether a hold lasts as long as another one at least, of what of both is still in force. */
export function isAsStrong(hold: Hold | null, as: Hold | null, now: Date): boolean {
  const end = (one: Hold | null): number => (isInForce(one, now) ? (one.until?.getTime() ?? Infinity) : -Infinity);
  return end(hold) >= end(as);
}

function ownerOf(id: string): string {
  const database = databaseOfId(id);
  if (database === undefined) throw new HoldfastError("usage", `${JSON.stringify(id)} is not the id of a backup`, { hints: ["`holdfast backup list` shows the ids that there are."] });
  return database;
}
