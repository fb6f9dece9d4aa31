/** Removes what a check found to be garbage, and nothing else: under the lock of its database, and after another look. */
import { takeInventory } from "../../catalog/inventory.ts";
import { indexKey, keyFile, lockKey, manifestFile } from "../../catalog/layout.ts";
import { readIndex } from "../../catalog/backup-index.ts";
import { refreshIndex } from "../../catalog/summaries.ts";
import { HoldfastError, messageOf, throwIfCancelled } from "../../errors.ts";
import { acquireLock, type Lock } from "../../lock/lease.ts";
import { findDeadLocks, findStaleProbes, judgeUnpublished, type History, type Patience } from "./check-garbage.ts";
import type { Store, StoredObject } from "../../store/store.ts";
import { configuredSigner, type Context, type Workplace } from "../context.ts";
import { purgeHidden, purgeVersions } from "./check-hidden.ts";
import { guardOf } from "../guard.ts";
import type { Finding } from "./findings.ts";
import { recorded } from "../record.ts";

export interface RepairOptions {
  readonly patience: Patience;
  readonly history: History;
  readonly lockWaitMs: number;
}

/** @returns the findings, each piece of garbage with what became of it */
export async function repair(context: Context, workplace: Workplace, findings: readonly Finding[], options: RepairOptions): Promise<Finding[]> {
  const repaired: Finding[] = [];
  for (const database of [...new Set(findings.map((finding) => finding.database))]) {
    repaired.push(...(await repairOne(context, workplace, database, findings.filter((finding) => finding.database === database), options)));
  }
  return repaired;
}

const isRepairable = ({ severity, kind }: Finding): boolean => severity === "garbage" || kind === "outdated-index";

async function repairOne(context: Context, workplace: Workplace, database: string | undefined, findings: readonly Finding[], options: RepairOptions): Promise<Finding[]> {
  const others = findings.filter((finding) => !isRepairable(finding));
  const garbage = findings.filter(isRepairable);
  if (garbage.length === 0) return others;
  let lock: Lock | undefined;
  try {
    if (database !== undefined) lock = await lockOf(context, workplace, lockKey(database, "backup"), options.lockWaitMs);
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code !== "lock-held") throw error;
    return [...others, ...garbage.map((finding) => ({ ...finding, repaired: false, unrepaired: error.message }))];
  }
  try {
    const outcomes: Finding[] = [];
    for (const finding of garbage) outcomes.push(await repairFinding(context, workplace, finding, options, lock));
    return [...others, ...outcomes];
  } finally {
    await lock?.release();
  }
}

async function lockOf(context: Context, { repository }: Workplace, key: string, waitMs: number): Promise<Lock> {
  const { actor, clock, signal } = context;
  return acquireLock(repository.store, key, { action: "repository check", actor, clock, signal, waitMs, guard: guardOf(context, repository) });
}

async function repairFinding(context: Context, workplace: Workplace, finding: Finding, options: RepairOptions, lock: Lock | undefined): Promise<Finding> {
  throwIfCancelled(context.signal);
  const { database, backup, key } = finding;
  const subject = { ...(database !== undefined && { database }), ...(backup === undefined ? { target: key } : { backup }) };
  try {
    const unrepaired = await recorded(context, workplace, { action: "repository repair", subject, reason: `${finding.kind}: ${finding.detail}` }, async () => {
      await lock?.assertHeld();
      return remove(context, workplace, finding, options, lock);
    });
    return unrepaired === undefined ? { ...finding, repaired: true } : { ...finding, repaired: false, unrepaired };
  } catch (error) {
    if (error instanceof HoldfastError && (error.code === "store-failed" || error.code === "lock-held")) return { ...finding, repaired: false, unrepaired: messageOf(error) };
    throw error;
  }
}

/** @returns why it was left, if it was */
async function remove(context: Context, workplace: Workplace, finding: Finding, options: RepairOptions, lock: Lock | undefined): Promise<string | undefined> {
  switch (finding.kind) {
    case "unfinished-backup":
    case "orphaned-key":
    case "orphaned-signature":
      return removeFolder(workplace, finding, options, lock);
    case "hidden-versions":
      return purgeHidden(workplace.repository, finding.database ?? "", finding.backup ?? "", options.history, options.patience, async () => { await lock?.assertHeld(); });
    case "stale-upload":
      return abortStale(workplace, finding, options);
    case "expired-lock":
    case "unreadable-lock":
      return takeOver(context, workplace, finding, options);
    case "stale-probe":
      return removeProbe(workplace, finding, options);
    case "unusable-index":
    case "outdated-index":
      return rebuildIndex(context, workplace, finding);
    default:
      return "it is not known how to repair it";
  }
}

const changed = "it is not what it was when it was found";

/** The key goes first: what a kill leaves then is garbage still. */
async function removeFolder({ repository: { store } }: Workplace, { key: folder, database = "", backup = "" }: Finding, { patience, history }: RepairOptions, lock: Lock | undefined): Promise<string | undefined> {
  const now = await filesOf(store, folder, database, backup);
  if (now.size === 0) return undefined;
  if (judgeUnpublished(database, backup, now, history, patience)?.severity !== "garbage") return changed;
  for (const file of [...now.keys()].sort((a, b) => Number(b === keyFile) - Number(a === keyFile))) {
    // A manifest that somebody put back in this moment makes the rest a backup again.
    if ((await store.head(folder + manifestFile)) !== undefined) return changed;
    await lock?.assertHeld();
    await store.delete(folder + file);
  }
  if ((await filesOf(store, folder, database, backup)).size > 0) return "the store still shows it after it was removed";
  // What is locked stays, hidden, and is found as such.
  await purgeVersions(store, database, backup);
  return undefined;
}

async function filesOf(store: Store, folder: string, database: string, backup: string): Promise<Map<string, StoredObject>> {
  return (await takeInventory(store, folder)).databases.get(database)?.backups.get(backup) ?? new Map<string, StoredObject>();
}

async function abortStale({ repository: { store } }: Workplace, { key }: Finding, { patience }: RepairOptions): Promise<string | undefined> {
  const young: string[] = [];
  for await (const upload of store.unfinishedUploads(key)) if (patience.now.getTime() - upload.startedAt.getTime() < patience.graceMs) young.push(upload.key);
  if (young.length > 0) return `a younger upload of ${young.join(", ")} is under way`;
  await store.abortUploads(key);
  for await (const upload of store.unfinishedUploads(key)) if (upload.key === key) return "the store still shows it after it was aborted";
  return undefined;
}

/** As any run does that finds a dead one's lock, so that its count goes on; given back at once. */
async function takeOver(context: Context, workplace: Workplace, finding: Finding, { patience, lockWaitMs }: RepairOptions): Promise<string | undefined> {
  const { store } = workplace.repository;
  const modified = (await store.head(finding.key))?.modified;
  if (modified === undefined) return undefined;
  const object = { key: finding.key, bytes: 0, modified };
  const dead = async (): Promise<boolean> => (await findDeadLocks(store, finding.database ?? "", { locks: [object] }, patience)).length > 0;
  // The database's own lock was taken over to get here.
  if (!(await dead())) return undefined;
  await (await lockOf(context, workplace, finding.key, lockWaitMs)).release();
  return (await dead()) ? "it could not be given back" : undefined;
}

async function removeProbe({ repository: { store } }: Workplace, { key }: Finding, { patience }: RepairOptions): Promise<string | undefined> {
  const object = await store.head(key);
  if (object === undefined) return undefined;
  const [again] = findStaleProbes({ probes: [object] }, patience);
  if (again === undefined) return changed;
  await store.delete(key);
  return undefined;
}

/** Without a signing key the cache is thrown away: a listing then reads the manifests. */
async function rebuildIndex(context: Context, { repository }: Workplace, { database = "", kind }: Finding): Promise<string | undefined> {
  const signer = await configuredSigner(context.config);
  if (signer === undefined && kind === "outdated-index") return "this host has no signing key";
  if (kind === "unusable-index") await repository.store.delete(indexKey(database));
  if (signer !== undefined) await refreshIndex(repository, database, signer);
  return (await readIndex(repository, database)).problem;
}
