/** The story of a prune: what the policy lets go is removed, manifest first, each looked at once more just before. */
import { readManifest } from "../../catalog/authenticity.ts";
import { isInForce, readHold } from "../../catalog/holds.ts";
import { storedBytes } from "../../catalog/manifest.ts";
import { lockedUntil, purgeBackup, removeBackup } from "../../catalog/removal.ts";
import type { DatabaseConfig } from "../../config/config.ts";
import { HoldfastError, throwIfCancelled } from "../../errors.ts";
import type { Lock } from "../../lock/lease.ts";
import { runStep } from "../../ports.ts";
import type { RetainedBackup } from "../../retention/backup.ts";
import { type Decision, type Decisions, decide } from "../../retention/decide.ts";
import type { RetentionPolicy } from "../../retention/policy.ts";
import { isLockingStore, type LockingStore } from "../../store/object-lock.ts";
import { cancellationSaying, patienceAfter } from "../cancellation.ts";
import { configuredSigner, type Context, databaseNamed, openWorkplace, type Workplace } from "../context.ts";
import { lockDatabase } from "../lock-database.ts";
import { openFor, recordedIfFailed } from "../record.ts";
import { refreshBackupIndex } from "./refresh-index.ts";
import { gatherFacts, type RetentionFacts } from "./retention-facts.ts";

export interface PruneOptions {
  readonly database?: string | undefined;
  /** Decides and changes nothing; takes no lock and leaves no entry. */
  readonly dryRun: boolean;
  readonly reason?: string | undefined;
  /** Milliseconds to wait for locks that another run holds. */
  readonly lockWaitMs?: number | undefined;
}

export interface PrunedBackup {
  readonly id: string;
  readonly label: string | null;
  readonly snapshotAt: Date;
  /** As stored; null where no manifest tells. */
  readonly bytes: number | null;
  readonly reasons: readonly string[];
}

export interface PruneResult {
  readonly database: string;
  readonly dryRun: boolean;
  readonly keep: readonly PrunedBackup[];
  readonly remove: readonly PrunedBackup[];
  /** Of those to be removed, the ids of what is gone. */
  readonly removed: readonly string[];
  /** Of those to be removed, what was left after all, because something had changed. */
  readonly spared: readonly { readonly id: string; readonly why: string }[];
}

const steps = [{ id: "decide", title: "decide what stays" }, { id: "remove", title: "remove backups" }] as const;

/**
 * Prunes a database's backups by its configured retention.
 * @throws HoldfastError `configuration` where none is configured, `refused` for a policy that would leave nothing that counts,
 * `lock-held`; what was removed before a failure stays removed, each whole
 */
export async function pruneBackups(context: Context, options: PruneOptions): Promise<PruneResult> {
  const database = databaseNamed(context.config, options.database);
  const policy = policyOf(database);
  if (options.dryRun) return tryOut(context, database.name, policy);
  const action = { action: "prune", subject: { database: database.name }, reason: options.reason };
  const workplace = await openFor(context, action);
  const removed: string[] = [];
  try {
    return await recordedIfFailed(context, workplace, action, () =>
      underLocks(context, workplace, database.name, options.lockWaitMs ?? 0, async (locks) => {
        context.reporter.emit({ type: "plan", steps });
        const locking = await lockingStore(workplace);
        const facts = await runStep(context.reporter, "decide", () => decideThere(context, workplace, database.name, policy, locking), ({ decisions }) => `${decisions.keep.length} stay, ${decisions.remove.length} go`);
        const { keep, remove } = shown(facts.decisions, facts);
        await tell(context, workplace, database.name, { keep, remove }, options.reason);
        const spared: { id: string; why: string }[] = [];
        if (remove.length === 0) context.reporter.emit({ type: "step-skipped", step: "remove", why: "nothing goes" });
        else {
          await runStep(context.reporter, "remove", async () => {
            for (const backup of remove) {
              throwIfCancelled(context.signal);
              for (const lock of locks) await lock.assertHeld();
              const why = await whyToSpare(context, workplace, database.name, backup.id, locking);
              if (why === undefined) {
                await removeOne(context, workplace, database.name, backup, locking);
                removed.push(backup.id);
              } else {
                spared.push({ id: backup.id, why });
                context.reporter.emit({ type: "note", level: "warn", message: `${backup.id} stays: ${why}` });
              }
            }
            const signer = removed.length === 0 ? undefined : await configuredSigner(context.config);
            if (signer) await refreshBackupIndex(context, workplace, database.name, signer);
          }, () => `${removed.length} backups, ${remove.reduce((sum, { id, bytes }) => sum + (removed.includes(id) ? (bytes ?? 0) : 0), 0)} bytes`);
          if (locking === undefined) await warnOfVersions(context, workplace);
        }
        return { database: database.name, dryRun: false, keep, remove, removed, spared };
      }),
    );
  } catch (error) {
    throw cancellationSaying(error, removed.length === 0 ? "nothing was removed" : `${removed.join(", ")} had been removed`);
  } finally {
    await workplace.close();
  }
}

async function tryOut(context: Context, database: string, policy: RetentionPolicy): Promise<PruneResult> {
  const workplace = await openWorkplace(context);
  try {
    const facts = await decideThere(context, workplace, database, policy, await lockingStore(workplace));
    return { database, dryRun: true, ...shown(facts.decisions, facts), removed: [], spared: [] };
  } finally {
    await workplace.close();
  }
}

/** @throws HoldfastError `configuration`: without a policy nothing is ever removed */
function policyOf({ name, retention }: DatabaseConfig): RetentionPolicy {
  if (retention === undefined) {
    throw new HoldfastError("configuration", `no retention is configured for ${name}, so nothing is ever removed`, {
      hints: [`Say what to keep under databases.${name}.retention in holdfast.yaml, as \`daily: 14\`, then look at it with \`holdfast backup prune --dry-run\`.`],
    });
  }
  return { ...retention, labels: new Map(Object.entries(retention.labels)) };
}

/** The lock of those who write backups, and the one of those who hold them: neither may happen in the middle of this. */
async function underLocks<T>(context: Context, { repository }: Workplace, database: string, waitMs: number, work: (locks: readonly Lock[]) => Promise<T>): Promise<T> {
  const patience = patienceAfter(context.signal);
  const locks: Lock[] = [];
  try {
    for (const name of ["backup", "prune"]) {
      const lock = await lockDatabase(context, repository, database, name, { action: "prune", waitMs });
      locks.push(lock);
      if (lock.tookOver !== null) context.reporter.emit({ type: "note", level: "warn", message: lock.tookOver });
    }
    return await work(locks);
  } finally {
    for (const lock of locks) await patience(lock.release());
  }
}

/** An object lock only ever keeps: it is asked for only where the backup would go otherwise. */
async function decideThere({ clock }: Context, workplace: Workplace, database: string, policy: RetentionPolicy, locking: LockingStore | undefined): Promise<RetentionFacts & { decisions: Decisions }> {
  const now = clock.now();
  const facts = await gatherFacts(workplace, database, now);
  const first = decide(facts.backups, policy, now, facts);
  if (first.remove.length === 0 || locking === undefined) return { ...facts, decisions: first };
  const locked = new Map<string, Date | null>();
  for (const { backup } of first.remove) locked.set(backup.id, (await lockedUntil(locking, database, backup.id)) ?? null);
  const backups = facts.backups.map((backup): RetainedBackup => ({ ...backup, locked: locked.get(backup.id) ?? null }));
  return { ...facts, backups, decisions: decide(backups, policy, now, facts) };
}

/** The store, if its bucket has object lock. */
async function lockingStore({ repository: { store } }: Workplace): Promise<LockingStore | undefined> {
  return isLockingStore(store) && (await store.hasObjectLock()) ? store : undefined;
}

function shown({ keep, remove }: Decisions, { entries }: RetentionFacts): { keep: PrunedBackup[]; remove: PrunedBackup[] } {
  const row = ({ backup, reasons }: Decision): PrunedBackup => {
    const summary = entries.get(backup.id)?.summary;
    return { id: backup.id, label: backup.label, snapshotAt: backup.snapshotAt, bytes: summary === undefined ? null : storedBytes(summary), reasons };
  };
  return { keep: keep.map(row), remove: remove.map(row) };
}

/** The timeline hears of the decision before anything goes: a run that is killed has told what it was about to do. */
async function tell({ reporter }: Context, { timeline }: Workplace, database: string, { keep, remove }: { keep: readonly PrunedBackup[]; remove: readonly PrunedBackup[] }, reason: string | undefined): Promise<void> {
  const line = (verb: string) => ({ id, reasons }: PrunedBackup): string => `${verb} ${id} (${reasons.join("; ")})`;
  const message = [...remove.map(line("remove")), ...keep.map(line("keep"))].join(", ");
  const whereabouts = await timeline.record({ action: "prune", subject: { database, keep: String(keep.length), remove: String(remove.length) }, reason, outcome: "ok", message, seconds: 0 });
  if (whereabouts === "repository") return;
  reporter.emit({ type: "note", level: "warn", message: "the timeline in the repository could not be reached; the entry is kept on this host and added next time" });
}

/** What has come since the decision; undefined if nothing. */
async function whyToSpare({ clock }: Context, workplace: Workplace, database: string, id: string, locking: LockingStore | undefined): Promise<string | undefined> {
  const { repository } = workplace;
  const { hold } = await readHold(repository, id);
  if (isInForce(hold, clock.now())) return `it is held now: ${hold.reason}`;
  const manifest = await readManifest(repository, database, id).catch((error: unknown) => {
    if (error instanceof HoldfastError && error.code === "integrity") return error;
    throw error;
  });
  if (manifest === undefined) return "it is gone already";
  if (manifest instanceof HoldfastError) return `its manifest cannot be trusted any more: ${manifest.message}`;
  const end = locking && (await lockedUntil(locking, database, id));
  return end !== undefined && end > clock.now() ? `it is under object lock until ${end.toISOString()}` : undefined;
}

async function removeOne({ clock, reporter }: Context, workplace: Workplace, database: string, { id, reasons }: PrunedBackup, locking: LockingStore | undefined): Promise<void> {
  const started = clock.now();
  if (locking === undefined) await removeBackup(workplace.repository.store, database, id);
  else {
    const { retained } = await purgeBackup(locking, database, id);
    if (retained.length > 0) reporter.emit({ type: "note", level: "warn", message: `the store keeps versions of ${retained.length} objects of ${id}: it refused to delete them for good` });
  }
  reporter.emit({ type: "note", level: "info", message: `removed ${id}: ${reasons.join("; ")}` });
  const seconds = (clock.now().getTime() - started.getTime()) / 1000;
  await workplace.timeline.record({ action: "remove backup", subject: { database, backup: id }, reason: reasons.join("; "), outcome: "ok", seconds });
}

/** Where a bucket has versions but no object lock, they are the operator's own safety net: they are not ours to remove. */
async function warnOfVersions({ reporter }: Context, { repository: { store } }: Workplace): Promise<void> {
  if (!isLockingStore(store) || (await store.keepsVersions()) !== true) return;
  reporter.emit({ type: "note", level: "warn", message: "the bucket keeps versions: what was removed is hidden by delete markers, and frees space when a lifecycle rule removes noncurrent versions" });
}
