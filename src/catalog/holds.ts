/**
 * Holds: a backup that somebody needs is not removed until the hold ends or is released. All that was ever said about
 * one backup stands in one object, `<database>/holds/<id>.json`, each record signed and chained to the one before; a
 * release is a record too. What cannot be trusted there keeps the backup held: only a trusted release lets it go.
 */
import { createHash } from "node:crypto";
import { z } from "zod";

import { HoldfastError } from "../errors.ts";
import { databaseOfId, holdKey } from "./layout.ts";
import type { Repository } from "./repository.ts";
import { type Signer, signerOf, type TrustedSigner } from "./signatures.ts";
import { isValidAt } from "./signer-window.ts";

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

/** A record's exact text is what its signature covers. Both are null around what was found there and is no record. */
const envelope = z.object({ record: z.string(), signer: z.string().nullable(), signature: z.base64().nullable() });
const documentSchema = z.object({ format: z.literal(1), records: z.array(envelope) });
type Envelope = z.infer<typeof envelope>;

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
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

/** Is the hold in force at that time? */
export function isInForce(hold: Hold | null, at: Date): hold is Hold {
  return hold !== null && (hold.until === null || hold.until > at);
}

/** What is said about a backup's being held. @throws what the store throws; whatever is wrong with the records holds it */
export async function readHold({ store, trusted }: Repository, id: string): Promise<HoldState> {
  const stored = await store.get(holdKey(ownerOf(id), id));
  return stored === undefined ? { hold: null, records: [] } : stateOf(id, envelopesIn(stored.bytes), trusted);
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

function stateOf(id: string, envelopes: readonly Envelope[], trusted: readonly TrustedSigner[]): HoldState {
  let hold: Hold | null = null;
  let previous: string | null = null;
  const records: HoldRecord[] = [];
  for (const each of envelopes) {
    const record = trustedRecord(each, trusted);
    if (record?.backup !== id || record.previous !== previous) hold = { reason: "a record of its hold cannot be trusted", until: null };
    else {
      records.push(record);
      hold = record.kind === "release" ? null : { reason: record.reason, until: record.until === null ? null : new Date(record.until) };
    }
    previous = sha256(each.record);
  }
  return { hold, records };
}

function trustedRecord({ record, signature }: Envelope, trusted: readonly TrustedSigner[]): HoldRecord | undefined {
  const signer = signature === null ? undefined : signerOf(Buffer.from(record), Buffer.from(signature, "base64"), trusted);
  if (signer === undefined) return undefined;
  try {
    const { data } = recordSchema.safeParse(JSON.parse(record));
    return data !== undefined && isValidAt(signer, new Date(data.at)) ? data : undefined;
  } catch {
    return undefined;
  }
}

/** What is no document of ours stays as the first record, which nobody has signed. */
function envelopesIn(bytes: Buffer): Envelope[] {
  const text = bytes.toString("utf8");
  const foreign = [{ record: text, signer: null, signature: null }];
  try {
    return documentSchema.safeParse(JSON.parse(text)).data?.records ?? foreign;
  } catch {
    return foreign;
  }
}

const mostRaces = 20;

/**
 * Adds a record to what is said about a backup.
 * @param allow - sees the state that the record will follow; throws where it must not
 */
export async function appendHoldRecord(repository: Repository, signer: Signer, record: Omit<HoldRecord, "format" | "previous">, allow: (state: HoldState) => void): Promise<HoldState> {
  const { store, trusted } = repository;
  const key = holdKey(ownerOf(record.backup), record.backup);
  for (let race = 0; race < mostRaces; race += 1) {
    const stored = await store.get(key);
    const envelopes = stored === undefined ? [] : envelopesIn(stored.bytes);
    allow(stateOf(record.backup, envelopes, trusted));
    const last = envelopes.at(-1);
    const text = JSON.stringify(recordSchema.parse({ format: 1, ...record, previous: last === undefined ? null : sha256(last.record) }));
    const added: Envelope[] = [...envelopes, { record: text, signer: signer.id, signature: signer.sign(Buffer.from(text)).toString("base64") }];
    const bytes = Buffer.from(`${JSON.stringify({ format: 1, records: added }, null, 2)}\n`);
    const written = await store.put(key, bytes, stored === undefined ? { ifAbsent: true } : { ifVersion: stored.version });
    if (written !== undefined) return stateOf(record.backup, added, trusted);
  }
  throw new HoldfastError("store-failed", `${key} cannot be written: ${mostRaces} conditional puts in a row were refused`, { hints: ["Run `holdfast doctor` to see whether the repository's storage honours conditional puts."] });
}

function ownerOf(id: string): string {
  const database = databaseOfId(id);
  if (database === undefined) throw new HoldfastError("usage", `${JSON.stringify(id)} is not the id of a backup`, { hints: ["`holdfast backup list` shows the ids that there are."] });
  return database;
}
