/** The steps that move the database: a copy beside, the safety backup, the swap. What they make has names that follow from the rollback's id. */
import { createHash } from "node:crypto";

import { chooseBackup } from "../../catalog/choice.ts";
import { listSummaries } from "../../catalog/summaries.ts";
import type { DatabaseConfig } from "../../config/config.ts";
import { HoldfastError, messageOf } from "../../errors.ts";
import { abandonedCopies, besideMark, databaseExists, dropDatabase, suffixed } from "../../postgres/databases.ts";
import { openAdminSession } from "../../postgres/server.ts";
import { type Session, SqlError } from "../../postgres/session.ts";
import { isApplied } from "../../rollback/migrations/down.ts";
import type { RollbackPlan } from "../../rollback/plan/plan.ts";
import type { RollbackStep, StepFacts } from "../../rollback/step.ts";
import { createBackup } from "../backup/create-backup.ts";
import { holdBackup } from "../backup/hold-backup.ts";
import { type Context, reachTarget, type Target, type Workplace } from "../context.ts";
import { restoreBackup } from "../restore/restore-backup.ts";
import { exchange, keptName } from "../restore/swap-database.ts";
import { readPresentDatabase } from "./present.ts";
import { withinStep } from "./step-reporter.ts";

/** One rollback on its way. */
export interface RollbackWork {
  readonly context: Context;
  readonly workplace: Workplace;
  readonly database: DatabaseConfig;
  /** Of the rollback. */
  readonly id: string;
  readonly plan: RollbackPlan;
  /** Milliseconds that clients get to finish before their connections are ended for the swap. */
  readonly drainMs: number;
}

export const safetyLabel = "safety";

/** Backup of the state that is rolled back from. A backup that was killed was never published, so it is made anew. */
export function safetyBackupStep({ context, workplace, database, id }: RollbackWork): RollbackStep {
  const stepId = "safety-backup";
  const reason = `the state that ${id} rolls back from`;
  const find = async (): Promise<string | undefined> => {
    const { entries } = await listSummaries(workplace.repository, database.name);
    return entries.find(({ summary }) => summary?.label === safetyLabel && summary.reason === reason)?.id;
  };
  return {
    id: stepId,
    title: "back up the state that is left, before the database moves",
    isDone: async () => (await find()) !== undefined,
    perform: async ({ signal }) => {
      const made = await createBackup(withinStep(context, stepId, signal), { database: database.name, label: safetyLabel, reason, lockWaitMs: lockPatienceMs });
      await holdSafety(withinStep(context, stepId, signal), made.manifest.id, reason);
      return { backup: made.manifest.id, bytes: made.bytes };
    },
  };
}

/** Whoever misses rows asks in the weeks after; until then no retention removes them. A hold that fails is no reason to stop. */
async function holdSafety(context: Context, id: string, reason: string): Promise<void> {
  const until = new Date(context.clock.now().getTime() + safetyHoldMs);
  await holdBackup(context, { id, reason, until }).catch((error: unknown) => {
    context.reporter.emit({ type: "note", level: "warn", message: `the safety backup ${id} could not be held: ${messageOf(error)}` });
  });
}

const safetyHoldMs = 30 * 86_400_000;

/** A run that was killed while it backed up leaves its lock for one lease. */
const lockPatienceMs = 150_000;

/** The name that the checkpoint's data get beside the live database. */
export function besideName(live: string, rollback: string): string {
  return suffixed(live, `_holdfast_back_${createHash("sha256").update(rollback).digest("hex").slice(0, 12)}`);
}

/** The checkpoint's backup, restored beside and proved. The copy has its name only once it is proved. */
export function restoreBesideStep({ context, database, id, plan }: RollbackWork): RollbackStep {
  const stepId = "restore-beside";
  return {
    id: stepId,
    title: `restore ${plan.checkpoint.backup} beside the live database, and prove it`,
    // The name alone is anybody's: what bears it must have the checkpoint's schema and ledger.
    isDone: async ({ signal }) => {
      const { server, admin, name } = await openTarget(context, database);
      const beside = besideName(name, id);
      if (!(await databaseExists(admin, beside).finally(() => admin.close()))) return false;
      const found = await readPresentDatabase(server, signal, beside);
      return found.schema.fingerprint === plan.target.schemaFingerprint && isApplied(found.ledgers, plan.target.ledgers);
    },
    perform: async ({ signal }) => {
      const { admin, name } = await openTarget(context, database);
      const beside = besideName(name, id);
      await dropHalfCopies(admin, beside).finally(() => admin.close());
      const restored = await restoreBackup(withinStep(context, stepId, signal), {
        database: database.name, choice: { id: plan.checkpoint.backup }, into: beside, swap: false, dryRun: false,
        tables: [], mode: "all", jobs: 1, noOwner: false, roleMap: new Map(), createRoles: true, drainMs: 0, reason: id,
      });
      return { beside, tables: restored.tables, rows: restored.rows };
    },
    undo: async () => {
      const { admin, name } = await openTarget(context, database);
      const beside = besideName(name, id);
      try {
        await dropHalfCopies(admin, beside);
        await dropDatabase(admin, beside);
      } catch (error) {
        if (!(error instanceof SqlError)) throw error;
        throw new HoldfastError("rollback-failed", `the copy ${beside} could not be dropped: ${error.message}`, { hints: ["Nothing else depends on it: let the server drop it, or drop it by hand."], cause: error });
      } finally {
        await admin.close();
      }
      return { dropped: beside };
    },
  };
}

/** What a restore of ours that was killed has left: a name that is made of ours, which may have been cut on the way. */
async function dropHalfCopies(admin: Session, beside: string): Promise<void> {
  for (const name of await abandonedCopies(admin)) if (name === suffixed(beside, name.slice(name.lastIndexOf(besideMark)))) await dropDatabase(admin, name);
}

/** Live and copy change names in one transaction; the live one is kept. */
export function swapStep({ context, database, id, drainMs }: RollbackWork): RollbackStep {
  const namesOf = (live: string, facts: StepFacts | undefined): { live: string; beside: string; aside: string } => ({
    live, beside: besideName(live, id), aside: typeof facts?.["kept"] === "string" ? facts["kept"] : keptName(context, live),
  });
  return {
    id: "swap",
    title: "put the copy in the place of the live database, which is kept",
    isDone: async ({ facts }) => {
      const { admin, name } = await openTarget(context, database);
      const { beside, aside } = namesOf(name, facts.get("swap"));
      try {
        return (await databaseExists(admin, aside)) && !(await databaseExists(admin, beside));
      } finally {
        await admin.close();
      }
    },
    perform: async (run) => {
      const { server, name } = await reachTarget(context, database);
      const names = namesOf(name, run.facts.get("swap"));
      await run.begin({ kept: names.aside });
      await exchange({ ...context, signal: run.signal }, server, { ...names, drainMs });
      return { kept: names.aside };
    },
    // What was live for a while may hold rows that nothing else has: it is set aside, as by an undo of a restore, and not dropped.
    undo: async (run) => {
      const { server, name } = await reachTarget(context, database);
      const facts = run.facts.get("swap");
      const { live, aside } = namesOf(name, facts);
      const setAside = typeof facts?.["setAside"] === "string" ? facts["setAside"] : keptName(context, live);
      const admin = await openAdminSession(server, run.signal, name);
      try {
        if (await databaseExists(admin, aside)) {
          await run.begin({ setAside });
          await exchange({ ...context, signal: run.signal }, server, { live, beside: aside, aside: setAside, drainMs });
        }
        return (await databaseExists(admin, setAside)) ? { live, setAside } : { live };
      } finally {
        await admin.close();
      }
    },
  };
}

async function openTarget(context: Context, database: DatabaseConfig): Promise<Target & { readonly admin: Session }> {
  const target = await reachTarget(context, database);
  return { ...target, admin: await openAdminSession(target.server, context.signal, target.name) };
}

/** Whether the backup of the plan is still one that can be trusted. @throws HoldfastError `not-found`, `integrity` */
export async function requireBackup({ workplace }: Pick<RollbackWork, "workplace">, database: string, id: string): Promise<void> {
  const manifest = await chooseBackup(workplace.repository, database, { id });
  if (manifest.partial) throw new HoldfastError("refused", `${id} holds only a part of the database, so it cannot take its place`, { hints: ["Roll back by images or down-SQL, or restore by hand."] });
}
