/** What nobody can ever use: left by runs that were killed, or by a store that did not answer. */
import { backupFolder, lockKey, manifestFile } from "../../catalog/layout.ts";
import type { DatabaseInventory, Inventory } from "../../catalog/inventory.ts";
import { placeOf } from "../../catalog/places.ts";
import { unpublishedKind, type UnpublishedKind, youngest } from "../../catalog/unpublished.ts";
import { describe, readLock } from "../../lock/record.ts";
import type { Store, StoredObject } from "../../store/store.ts";
import type { Finding } from "./findings.ts";

/** From when on something is old. All times are the store's where it has a clock. */
export interface Patience {
  readonly now: Date;
  readonly graceMs: number;
}

/** Which backups were published once, and of which the removal was begun. */
export interface History {
  readonly published: ReadonlySet<string>;
  readonly removed: ReadonlySet<string>;
}

const details: Record<UnpublishedKind, string> = {
  "unfinished-backup": "parts without a manifest: a run that was killed, or a backup that was being removed",
  "orphaned-key": "a key that opens nothing: neither manifest nor parts are there",
  "orphaned-signature": "signatures of what is not there",
  "lost-manifest": "this backup was published, and nothing says that it was removed, but its manifest is gone; its parts and its key are there",
};

const ageOf = (date: Date, { now }: Patience): number => Math.max(0, Math.round((now.getTime() - date.getTime()) / 1000));
const isOld = (date: Date, { now, graceMs }: Patience): boolean => now.getTime() - date.getTime() >= graceMs;

/** Folders without a manifest. A run that holds the lock is still writing what is younger than its hold. */
export async function findUnpublished(store: Store, database: string, { backups }: Pick<DatabaseInventory, "backups">, history: History, patience: Patience): Promise<Finding[]> {
  const unpublished = [...backups].filter(([, files]) => !files.has(manifestFile));
  if (unpublished.length === 0) return [];
  const holder = await liveHolder(store, lockKey(database, "backup"), patience.now);
  return unpublished.flatMap(([id, files]) => judgeUnpublished(database, id, files, history, patience, holder) ?? []);
}

/** @param holder - who holds the database's lock, unless it is us */
export function judgeUnpublished(database: string, id: string, files: ReadonlyMap<string, StoredObject>, history: History, patience: Patience, holder?: Holder): Finding | undefined {
  if (files.has(manifestFile)) return undefined;
  const kind = unpublishedKind(files.keys(), { published: history.published.has(id), removed: history.removed.has(id) });
  const last = youngest(files.values());
  const found = { key: backupFolder(database, id), database, backup: id, age: ageOf(last, patience) };
  if (kind === "lost-manifest") return { ...found, kind, severity: "damage", detail: details[kind] };
  // A store's times may be whole seconds.
  if (holder !== undefined && last.getTime() + 1_000 > holder.since.getTime()) return { ...found, kind: "being-written", severity: "note", detail: `written now by ${holder.description}` };
  return isOld(last, patience) ? { ...found, kind, severity: "garbage", detail: details[kind] } : undefined;
}

interface Holder {
  readonly since: Date;
  /** "backup on db1 …" */
  readonly description: string;
}

async function liveHolder(store: Store, key: string, now: Date): Promise<Holder | undefined> {
  const record = (await readLock(store, key))?.record;
  if (record?.released !== null || Date.parse(record.expires) <= now.getTime()) return undefined;
  return { since: new Date(record.since), description: describe(record) };
}

/** Leases that ran out long ago, and what is no lock. One that was given back stays: its count goes on in it. */
export async function findDeadLocks(store: Store, database: string, { locks }: Pick<DatabaseInventory, "locks">, patience: Patience): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { key, modified } of locks) {
    const found = await readLock(store, key);
    if (found === undefined) continue;
    const { record } = found;
    if (record?.released != null) continue;
    const end = record === undefined ? modified : new Date(record.expires);
    if (!isOld(end, patience)) continue;
    const detail = record === undefined ? "this is no lock" : `the lease of ${describe(record)} ran out at ${record.expires}`;
    findings.push({ kind: record === undefined ? "unreadable-lock" : "expired-lock", severity: "garbage", key, database, detail, age: ageOf(end, patience) });
  }
  return findings;
}

/** Uploads that nobody finished; in a folder store, temporary files that a killed run left. */
export async function findStaleUploads(store: Store, database: string | undefined, patience: Patience): Promise<Finding[]> {
  const oldest = new Map<string, Date>();
  for await (const { key, startedAt } of store.unfinishedUploads(database === undefined ? "" : `${database}/`)) {
    const known = oldest.get(key);
    if (isOld(startedAt, patience) && (known === undefined || startedAt < known)) oldest.set(key, startedAt);
  }
  return [...oldest].map(([key, startedAt]): Finding => {
    const place = placeOf(key);
    const found = { key, ...(place && "database" in place && { database: place.database }), age: ageOf(startedAt, patience) };
    if (place === undefined) return { ...found, kind: "foreign-object", severity: "damage", detail: "an upload of what no holdfast puts there was begun and not finished" };
    return { ...found, kind: "stale-upload", severity: "garbage", detail: `an upload was begun at ${startedAt.toISOString()} and neither finished nor aborted` };
  });
}

export function findStaleProbes({ probes }: Pick<Inventory, "probes">, patience: Patience): Finding[] {
  return probes.filter(({ modified }) => isOld(modified, patience)).map(({ key, modified }) => ({ kind: "stale-probe", severity: "garbage", key, detail: "left by an examination of the storage", age: ageOf(modified, patience) }));
}
