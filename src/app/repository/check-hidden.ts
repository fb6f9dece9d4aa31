/** What a bucket with versions keeps of backups that are not listed any more; docs/decisions/0021 says what of it is ours to remove. */
import { type HiddenBackup, hiddenBackups } from "../../catalog/hidden.ts";
import { isInForce, readHold } from "../../catalog/holds.ts";
import { backupFolder } from "../../catalog/layout.ts";
import type { Repository } from "../../catalog/repository.ts";
import { HoldfastError } from "../../errors.ts";
import { isLockingStore, type LockingStore } from "../../store/object-lock.ts";
import { isVersionedStore } from "../../store/object-versions.ts";
import type { Store } from "../../store/store.ts";
import { counted } from "../../text/format.ts";
import type { History, Patience } from "./check-garbage.ts";
import type { Finding } from "./findings.ts";

/** A bucket that keeps versions, and whether it can lock them: then what a prune has removed was meant to go for good. */
interface Keeping {
  readonly store: LockingStore;
  readonly locks: boolean;
}

async function keeping(store: Store): Promise<Keeping | undefined> {
  if (!isLockingStore(store) || !isVersionedStore(store)) return undefined;
  const locks = await store.hasObjectLock();
  return locks || (await store.keepsVersions()) === true ? { store, locks } : undefined;
}

/** Looking at versions needs rights of its own: without them the rest of the check still counts. */
export async function findHidden(repository: Repository, database: string, history: History, patience: Patience): Promise<Finding[]> {
  try {
    return await lookForHidden(repository, database, history, patience);
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code !== "store-failed") throw error;
    return [{ kind: "unproved", severity: "note", key: `${database}/backups/`, database, detail: `versions that no listing shows were not looked for: ${error.message}` }];
  }
}

async function lookForHidden(repository: Repository, database: string, history: History, patience: Patience): Promise<Finding[]> {
  const kept = await keeping(repository.store);
  if (kept === undefined) return [];
  const findings: Finding[] = [];
  const net: HiddenBackup[] = [];
  for (const hidden of await hiddenBackups(kept.store, database)) {
    const wrongly = await hiddenWrongly(repository, database, hidden, history, patience);
    if (wrongly !== undefined) findings.push(wrongly);
    else if (kept.locks) findings.push(...(await judgeHidden(kept.store, database, hidden, patience)));
    else net.push(hidden);
  }
  if (net.length === 0) return findings;
  const [versions, bytes] = [net.reduce((sum, each) => sum + each.versions, 0), net.reduce((sum, each) => sum + each.bytes, 0)];
  const detail = `the bucket keeps ${counted(versions, "version")}, ${bytes} bytes, of ${counted(net.length, "backup")} that are not listed any more; a lifecycle rule for noncurrent versions frees them`;
  return [...findings, { kind: "hidden-versions", severity: "note", key: `${database}/backups/`, database, detail }];
}

/** Whoever holds our credentials can hide a backup, locked or not. Only what was meant to go, or never was one, is nobody's loss. */
async function hiddenWrongly(repository: Repository, database: string, { id, published, modified }: HiddenBackup, { removed }: History, { now }: Patience): Promise<Finding | undefined> {
  const found = { kind: "hidden-backup" as const, key: backupFolder(database, id), database, backup: id, age: ageOf(modified, now) };
  const back = "its versions are there: without the delete markers it is back";
  if (published && removed.has(id) && isInForce((await readHold(repository, id)).hold, now)) return { ...found, severity: "damage", detail: `this backup is held, but delete markers hide it; ${back}` };
  if (!published || removed.has(id)) return undefined;
  // A copy has not heard of everything that was done to its backups.
  return { ...found, severity: repository.copyOf === undefined ? "damage" : "note", detail: `delete markers hide this backup, and nothing says that it was removed; ${back}` };
}

const ageOf = (date: Date, now: Date): number => Math.max(0, Math.round((now.getTime() - date.getTime()) / 1000));

/** Of a bucket with object lock. @returns nothing for what is young, as a run may still be at it */
async function judgeHidden(store: LockingStore, database: string, { id, keys, versions, bytes, modified }: HiddenBackup, { now, graceMs }: Patience): Promise<Finding[]> {
  if (now.getTime() - modified.getTime() < graceMs) return [];
  const found = { kind: "hidden-versions" as const, key: backupFolder(database, id), database, backup: id, age: ageOf(modified, now) };
  const what = versions === 0 ? `delete markers of ${counted(keys.length, "object")}` : `${counted(versions, "version")}, ${bytes} bytes`;
  const until = await lockedUntil(store, keys, now);
  if (until !== undefined) return [{ ...found, severity: "note", detail: `${what} of a backup that is not listed any more, under ${until}` }];
  return [{ ...found, severity: "garbage", detail: `${what} of a backup that is not listed any more: a prune or a repair that was killed, or whose object lock had not ended` }];
}

async function lockedUntil(store: Store, keys: readonly string[], now: Date): Promise<string | undefined> {
  if (!isVersionedStore(store)) return undefined;
  let last: Date | undefined;
  for (const key of keys) {
    for (const { lockedUntil: end, legalHold } of await store.versionsOf(key)) {
      if (legalHold) return "a legal hold of the store";
      if (end !== undefined && end > now && (last === undefined || end > last)) last = end;
    }
  }
  return last && `object lock until ${last.toISOString()}`;
}

/** Removes them for good, after another look. @returns why they were left, if they were */
export async function purgeHidden(repository: Repository, database: string, id: string, history: History, patience: Patience, assertHeld: () => Promise<void>): Promise<string | undefined> {
  const kept = await keeping(repository.store);
  const [hidden] = await hiddenBackups(repository.store, database, id);
  if (kept?.locks !== true || hidden === undefined) return hidden === undefined ? undefined : "the bucket has no object lock any more";
  const [again] = (await hiddenWrongly(repository, database, hidden, history, patience)) ? [] : await judgeHidden(kept.store, database, hidden, patience);
  if (again?.severity !== "garbage") return "it is not what it was when it was found";
  await assertHeld();
  return purgeVersions(kept.store, database, id);
}

/** What lay in a folder that was emptied; nothing where versions are the operator's own. @returns why some were left */
export async function purgeVersions(store: Store, database: string, id: string): Promise<string | undefined> {
  const kept = await keeping(store);
  if (kept?.locks !== true) return undefined;
  const { retained } = await kept.store.purge(backupFolder(database, id));
  return retained.length === 0 ? undefined : `the store refused to delete the versions of ${counted(retained.length, "object")}: they are under its lock`;
}
