/** The stories of a hold: a backup that somebody needs stays until it is released, and who said so can be read. */
import { appendHoldRecord, type Hold, isInForce } from "../../catalog/holds.ts";
import { readManifest } from "../../catalog/authenticity.ts";
import { backupFolder, databaseOfId } from "../../catalog/layout.ts";
import type { Signer } from "../../catalog/signatures.ts";
import { HoldfastError } from "../../errors.ts";
import { isLockingStore } from "../../store/object-lock.ts";
import { configuredSigner, type Context, type Workplace } from "../context.ts";
import { lockDatabase } from "../lock-database.ts";
import { inWorkplace } from "../record.ts";

export interface HoldOptions {
  readonly id: string;
  readonly reason: string;
  /** Without it the hold stands until it is released. */
  readonly until?: Date | undefined;
  /** Milliseconds to wait for a prune that is removing. */
  readonly lockWaitMs?: number | undefined;
}

export interface HoldResult {
  readonly id: string;
  readonly database: string;
  /** Null once it is released. */
  readonly hold: Hold | null;
  /** Until when all of its objects are under object lock now; null if they are not. */
  readonly lockedUntil: Date | null;
}

/**
 * Holds a backup, and extends the object lock of its objects where they have one and the hold is longer.
 * @throws HoldfastError `not-found` if there is no such backup, `refused` for a hold that ends before one that is in force
 */
export async function holdBackup(context: Context, { id, reason, until, lockWaitMs = 0 }: HoldOptions): Promise<HoldResult> {
  const now = context.clock.now();
  if (until !== undefined && until <= now) {
    throw new HoldfastError("usage", `the hold would end at ${until.toISOString()}, which is past`, { hints: ["Give a later --until, or none to hold it until it is released."] });
  }
  return writing(context, { action: "backup hold", id, reason, until, lockWaitMs }, async (workplace, database, signer) => {
    // Under the lock of those who remove: a backup that is read now is there when the hold stands.
    if ((await readManifest(workplace.repository, database, id)) === undefined) {
      throw new HoldfastError("not-found", `no backup ${id} in ${workplace.repository.store.url}`, { hints: ["`holdfast backup list` shows what there is."] });
    }
    const { hold } = await appendHoldRecord(workplace.repository, signer, { kind: "hold", backup: id, reason, until: until?.toISOString() ?? null, by: byOf(context), at: now.toISOString() }, ({ hold: before }) => {
      if (!isInForce(before, now) || until === undefined || (before.until !== null && before.until <= until)) return;
      throw new HoldfastError("refused", `${id} is held already, ${endOf(before)}, and this hold would end at ${until.toISOString()}`, {
        hints: [`Give a later --until, or end the hold first: holdfast backup release ${id} --reason TEXT.`],
      });
    });
    return { id, database, hold, lockedUntil: await extendLocks(context, workplace, database, id, until) };
  });
}

/** Ends a hold by saying so. @throws HoldfastError `not-found` if none is in force */
export async function releaseBackup(context: Context, { id, reason, lockWaitMs = 0 }: Omit<HoldOptions, "until">): Promise<HoldResult> {
  const now = context.clock.now();
  return writing(context, { action: "backup release", id, reason, lockWaitMs }, async (workplace, database, signer) => {
    const { hold } = await appendHoldRecord(workplace.repository, signer, { kind: "release", backup: id, reason, until: null, by: byOf(context), at: now.toISOString() }, ({ hold: before }) => {
      if (!isInForce(before, now)) throw new HoldfastError("not-found", `no hold on ${id} is in force`, { hints: ["`holdfast backup prune --dry-run` shows which backups are held, and why."] });
    });
    return { id, database, hold, lockedUntil: null };
  });
}

const endOf = ({ until }: Hold): string => (until === null ? "until it is released" : `until ${until.toISOString()}`);

const byOf = ({ actor: { user, host, operator } }: Context): { user: string; host: string; operator: string | null } => ({ user, host, operator });

interface Writing {
  readonly action: string;
  readonly id: string;
  readonly reason: string;
  readonly until?: Date | undefined;
  readonly lockWaitMs: number;
}

async function writing(context: Context, { action, id, reason, until, lockWaitMs }: Writing, work: (workplace: Workplace, database: string, signer: Signer) => Promise<HoldResult>): Promise<HoldResult> {
  const database = databaseOfId(id);
  if (database === undefined) throw new HoldfastError("usage", `${JSON.stringify(id)} is not the id of a backup`, { hints: ["Name one id; `holdfast backup list` shows them."] });
  if (reason.trim() === "") throw new HoldfastError("usage", "the reason is empty, but must say why", { hints: ["Give it with --reason."] });
  const deed = { action, subject: { database, backup: id, until: until?.toISOString() }, reason };
  return inWorkplace(context, deed, async (workplace) => {
    const signer = await configuredSigner(context.config);
    if (signer === undefined) throw new HoldfastError("configuration", "no signing key is configured, and an unsigned record would not be believed", { hints: ["Name it with HOLDFAST_SIGNING_KEY_FILE, or hold the backup on a host that has one."] });
    const lock = await lockDatabase(context, workplace.repository, database, "prune", { action, waitMs: lockWaitMs });
    try {
      return await work(workplace, database, signer);
    } finally {
      await lock.release();
    }
  });
}

/** What the store itself enforces must not end before the hold does. */
async function extendLocks({ reporter }: Context, { repository: { store } }: Workplace, database: string, id: string, until: Date | undefined): Promise<Date | null> {
  if (!isLockingStore(store) || !(await store.hasObjectLock())) return null;
  const ends: Date[] = [];
  for await (const { key } of store.list(backupFolder(database, id))) {
    const end = await store.retainedUntil(key);
    if (end === undefined && store.objectLock === undefined) return null;
    if (until === undefined) ends.push(end ?? new Date(0));
    else ends.push(await store.extendRetention(key, until));
  }
  const earliest = new Date(Math.min(...ends.map((end) => end.getTime())));
  if (until === undefined) reporter.emit({ type: "note", level: "warn", message: `the object lock of ${id} ends at ${earliest.toISOString()} and is not extended, since the hold has no end: until it is released, prune keeps the backup, but the store does not` });
  return earliest;
}
