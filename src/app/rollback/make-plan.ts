/** The story of a plan: now is compared with a checkpoint, a way is chosen, and what it costs is said before anything is touched. */
import { chooseBackup } from "../../catalog/choice.ts";
import type { DatabaseConfig } from "../../config/config.ts";
import type { PlatformName, RollbackSettings } from "../../config/rollback-settings.ts";
import { HoldfastError } from "../../errors.ts";
import { runStep, type Step } from "../../ports.ts";
import type { Checkpoint } from "../../rollback/checkpoint/checkpoint.ts";
import { findTarget, listCheckpoints, type CheckpointRecord } from "../../rollback/checkpoint/records.ts";
import type { PreparedScript } from "../../rollback/migrations/down.ts";
import { type RollbackPlan, planSchema, type Strategy } from "../../rollback/plan/plan.ts";
import type { Platform } from "../../rollback/platform/platform.ts";
import { lastRehearsal } from "../../rollback/rehearsal/records.ts";
import { type Context, databaseNamed, openWorkplace, reachDatabase, type Workplace } from "../context.ts";
import { configuredPlatform, requireRollbackSettings } from "./configured-platform.ts";
import { estimateDowntime } from "./estimate-downtime.ts";
import { measurePlanLoss } from "./measure-plan-loss.ts";
import { chooseWay } from "./choose-way.ts";
import { readDown } from "./down-sql-step.ts";
import { preflightRollback } from "./preflight-rollback.ts";
import { type Present, readPresent } from "./present.ts";
import { rollbackSteps } from "./rollback-steps.ts";

export type { RollbackPlan };

export interface PlanOptions {
  readonly database?: string | undefined;
  /** A release, or the id of a checkpoint; by default the newest checkpoint's. */
  readonly to?: string | undefined;
  readonly platform?: PlatformName | undefined;
  readonly strategy?: Strategy | undefined;
  /** File with reviewed SQL, in place of what the migrations' folder has. */
  readonly downFile?: string | undefined;
  readonly acceptIncompatible?: string | undefined;
  readonly skipSafetyBackup?: string | undefined;
}

const steps: readonly Step[] = [
  { id: "plan-now", title: "look at what runs now" },
  { id: "plan-way", title: "compare with the checkpoint" },
  { id: "plan-preflight", title: "look at what could stand against it" },
];

/** Plans a rollback and changes nothing. @throws HoldfastError `refused` where no way is open, `not-found` without a checkpoint */
export async function planRollback(context: Context, options: PlanOptions): Promise<RollbackPlan> {
  const database = databaseNamed(context.config, options.database);
  const workplace = await openWorkplace(context);
  try {
    return await makePlan(context, workplace, database, options);
  } finally {
    await workplace.close();
  }
}

/** As {@link planRollback}, inside of a story that has the repository open. */
export async function makePlan(context: Context, workplace: Workplace, database: DatabaseConfig, options: PlanOptions): Promise<RollbackPlan> {
  const { reporter } = context;
  const settings = requireRollbackSettings(database);
  reporter.emit({ type: "plan", steps });
  const record = findTarget(await listCheckpoints(workplace.repository, database.name), options.to, ({ id, problem }) => {
    reporter.emit({ type: "note", level: "warn", message: `checkpoint ${id} is newer, but does not count: ${problem.message}` });
  });
  const { checkpoint, sha256 } = record;
  const platform = configuredPlatform(database, options.platform ?? checkpoint.state.platform);
  const { server, present } = await runStep(reporter, "plan-now", async () => {
    const reached = await reachDatabase(context, database);
    return { server: reached, present: await readPresent(context, settings, platform, reached) };
  }, ({ present: { release } }) => release ?? "the release does not say itself");
  const manifest = await chooseBackup(workplace.repository, database.name, { id: checkpoint.backup.id });
  const { findings, ...way } = await runStep(reporter, "plan-way", () => chooseWay(settings, checkpoint, manifest, present, options), ({ strategy }) => strategy);
  requireChange(record, present, options);
  const found = await lastRehearsal(workplace.repository, database.name, checkpoint.id);
  const rehearsed = found === undefined ? null : { id: found.id, at: found.finishedAt, verdict: found.verdict };
  const skipSafetyBackup = way.strategy === "images-only" ? null : (options.skipSafetyBackup ?? null);
  const looked = await runStep(reporter, "plan-preflight", () =>
    preflightRollback(context, { workplace, database: database.name, url: database.url, server, platform, settings, checkpoint, manifest, present, way, rehearsed }),
  (all) => `${all.filter(({ outcome }) => outcome === "ok").length} of ${all.length} are well`);
  const draft: RollbackPlan = {
    format: 1,
    kind: "holdfast-rollback-plan",
    madeAt: context.clock.now().toISOString(),
    database: database.name,
    to: checkpoint.running,
    checkpoint: { id: checkpoint.id, sha256, takenAt: checkpoint.takenAt, backup: checkpoint.backup.id, snapshotAt: checkpoint.backup.snapshotAt },
    ...way,
    now: { release: present.release, state: present.state, ledgers: present.ledgers, health: present.health },
    target: { state: checkpoint.state, ledgers: checkpoint.ledgers, schemaFingerprint: checkpoint.schemaFingerprint },
    acceptIncompatible: options.acceptIncompatible ?? null,
    skipSafetyBackup,
    loss: await measurePlanLoss(context, server, manifest, way.strategy, present.ledgers, await readableScripts(way, settings, checkpoint, present)),
    stops: await estimateDowntime(context, workplace.repository, database.name, { strategy: way.strategy, now: present.state, safetyBackup: skipSafetyBackup === null, maintenance: settings.maintenance !== undefined, rehearsal: found }),
    rehearsed,
    preflight: [...looked, ...findings],
    steps: [],
    confirm: platform.confirmName,
  };
  return { ...draft, steps: titlesOf(context, workplace, database, draft, platform) };
}

/** What stands in the way of reading them, the preflight tells. */
async function readableScripts({ strategy, migrations }: Pick<RollbackPlan, "strategy" | "migrations">, settings: RollbackSettings, { state, ledgers, schemaFingerprint }: Checkpoint, present: Present): Promise<readonly PreparedScript[] | undefined> {
  if (strategy !== "down-sql") return undefined;
  const { release, health } = present;
  const read = readDown({ migrations, now: { release, state: present.state, ledgers: present.ledgers, health }, target: { state, ledgers, schemaFingerprint } }, settings);
  return read.then(({ scripts }) => scripts, (error: unknown) => {
    if (error instanceof HoldfastError && error.code !== "cancelled") return undefined;
    throw error;
  });
}

/** The steps as they would be; their names do not depend on the id that the rollback will get. */
function titlesOf(context: Context, workplace: Workplace, database: DatabaseConfig, plan: RollbackPlan, platform: Platform): RollbackPlan["steps"] {
  const made = rollbackSteps({ context, workplace, database, id: "rollback-to-be", plan, drainMs: 0 }, requireRollbackSettings(database), platform);
  return made.map(({ id, title }) => ({ id, title }));
}

/** Whoever asks to go where he is has the wrong release, or the wrong place. */
function requireChange({ checkpoint }: CheckpointRecord, { state, ledgers }: Present, { strategy }: PlanOptions): void {
  // A release may be a configuration alone, which a rollback brings back as well.
  const runs = (of: typeof state): string => JSON.stringify(of.workloads.map(({ kind, name, configSha256, images }) => [kind, name, configSha256, images.map(({ id }) => id)]).toSorted());
  const ledger = (of: typeof ledgers): string => JSON.stringify(of.map(({ table, sha256 }) => [table, sha256]));
  if (strategy !== undefined || runs(state) !== runs(checkpoint.state) || ledger(ledgers) !== ledger(checkpoint.ledgers)) return;
  const same = [...(state.workloads.length === 0 ? [] : ["the same images and configuration"]), ...(ledgers.length === 0 ? [] : ["the same migration ledger"])].join(", and ");
  throw new HoldfastError("refused", same === "" ? `nothing tells what is now from what was at checkpoint ${checkpoint.id}: the schema is the same, and neither images nor a migration ledger are known` : `what runs now is what ran at checkpoint ${checkpoint.id}: ${same}`, {
    hints: ["Choose an earlier release with --to; `holdfast checkpoint list` shows what there is.", "To bring back the data alone, say --strategy restore-and-swap."],
  });
}

/** Reads a plan back; undefined if the text is none. */
export function parsePlan(text: string): RollbackPlan | undefined {
  try {
    return planSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

