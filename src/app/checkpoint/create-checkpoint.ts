/**
 * The story of a checkpoint: what runs and what the database is, before a deploy, bound to a backup of exactly that, and
 * signed. It looks, takes the backup, and looks again: what moved meanwhile makes a checkpoint that nobody could go back to.
 */
import { isDeepStrictEqual } from "node:util";

import { checkpointKey } from "../../catalog/layout.ts";
import type { DatabaseConfig } from "../../config/config.ts";
import type { PlatformName } from "../../config/rollback-settings.ts";
import { HoldfastError, throwIfCancelled } from "../../errors.ts";
import { runStep } from "../../ports.ts";
import { isPartial } from "../../postgres/dump.ts";
import type { Server } from "../../postgres/server.ts";
import type { Checkpoint } from "../../rollback/checkpoint/checkpoint.ts";
import { freeSecond } from "../../rollback/checkpoint/free-second.ts";
import { checkpointId, checkRelease } from "../../rollback/checkpoint/names.ts";
import { type CheckpointRecord, listCheckpoints, listDeployed, publishCheckpoint, readCheckpoint } from "../../rollback/checkpoint/records.ts";
import type { Health } from "../../rollback/health/health.ts";
import { checkHealth } from "../../rollback/health/probe.ts";
import { ledgerState } from "../../rollback/migrations/ledgers.ts";
import type { Platform, PlatformState } from "../../rollback/platform/platform.ts";
import { filterOf } from "../backup/dump-filter.ts";
import { cancellationSaying, patienceAfter } from "../cancellation.ts";
import { type Context, databaseNamed, reachDatabase, requireSigner, type Workplace } from "../context.ts";
import { lockDatabase } from "../lock-database.ts";
import { inWorkplace } from "../record.ts";
import { configuredPlatform, requireRollbackSettings } from "../rollback/configured-platform.ts";
import { databaseServiceHint, databaseServices } from "../rollback/database-service.ts";
import { manifestSha256 } from "./bound-backup.ts";
import { type ComingSource, lastRecordOf, requireComing } from "./coming-migrations.ts";
import { type DatabaseState, readDatabaseState } from "../database-state.ts";
import { ledgerDifference } from "./ledger-difference.ts";
import { type ChosenBackup, preDeployBackup, readBackup, requireThere, unlikeNow } from "./pre-deploy-backup.ts";
import { releaseOldPins } from "./release-pins.ts";
import { whatRuns } from "./what-runs.ts";

export interface CreateCheckpointOptions {
  readonly database?: string | undefined;
  /** The release that is about to be deployed. */
  readonly release: string;
  /** The release that runs, where the operator says it. */
  readonly running?: string | undefined;
  readonly platform?: PlatformName | undefined;
  /** In place of the configured one. */
  readonly runsOn?: Platform | undefined;
  /** Milliseconds: a backup not older than that is good enough, if nothing moved since. */
  readonly reuseWithinMs?: number | undefined;
  readonly coming: ComingSource;
  readonly reason?: string | undefined;
  readonly lockWaitMs?: number | undefined;
}

export interface CreatedCheckpoint extends CheckpointRecord {
  readonly warnings: readonly string[];
  /** Ids of old checkpoints whose images are not kept from being pruned any more. */
  readonly released: readonly string[];
}

const lookStep = { id: "look", title: "look at the database and what runs" } as const;
const laterSteps = [
  { id: "look-again", title: "look again" },
  { id: "pin", title: "keep the images from being pruned" },
  { id: "sign", title: "sign and publish the checkpoint" },
] as const;

/**
 * Takes a checkpoint.
 * @throws HoldfastError `refused` if migrations of the coming release are applied already, if it runs already, or if anything
 * moved while the backup was taken; what `createBackup` throws. Whatever happens, no checkpoint is published then
 */
export async function createCheckpoint(context: Context, options: CreateCheckpointOptions): Promise<CreatedCheckpoint> {
  const database = databaseNamed(context.config, options.database);
  const release = checkRelease(options.release, "--release");
  const action = { action: "checkpoint create", subject: { database: database.name, release }, reason: options.reason };
  try {
    return await inWorkplace(context, action, async (workplace, subject) => {
      requireRollbackSettings(database);
      await requireSigner(context.config, "checkpoint", context.clock.now());
      const platform = options.runsOn ?? configuredPlatform(database, options.platform);
      context.reporter.emit({ type: "plan", steps: [lookStep] });
      const server = await reachDatabase(context, database);
      const before = await runStep(context.reporter, lookStep.id, () => look(context, workplace, database, { server, platform, options }), ({ running }) => `${running} runs`);
      for (const message of before.warnings) context.reporter.emit({ type: "note", level: "warn", message });
      const { reuseWithinMs, reason, lockWaitMs } = options;
      const backup = await preDeployBackup(context, workplace, { database: database.name, release, reuseWithinMs, reason, lockWaitMs }, before.state);
      subject.backup = backup.signed.manifest.id;
      context.reporter.emit({ type: "plan", steps: laterSteps });
      const record = await conclude(context, workplace, database, { server, platform, options, before, backup });
      subject["checkpoint"] = record.id;
      subject["running"] = before.running;
      const released = await releaseOldPins(context, workplace, database.name, platform);
      return { ...record, warnings: before.warnings, released };
    });
  } catch (error) {
    throw cancellationSaying(error, "no checkpoint was published");
  }
}

interface Surroundings {
  readonly server: Server;
  readonly platform: Platform;
  readonly options: CreateCheckpointOptions;
}

interface Seen {
  readonly state: DatabaseState;
  readonly runs: PlatformState;
  readonly health: Health | null;
  readonly running: string;
  readonly pending: readonly string[] | null;
  readonly warnings: readonly string[];
}

/** Everything before the backup: one that would come too late is not taken. */
async function look(context: Context, { repository }: Workplace, database: DatabaseConfig, { server, platform, options }: Surroundings): Promise<Seen> {
  const { signal, clock } = context;
  const state = await readDatabaseState(server, signal);
  const runs = await platform.capture(signal);
  requireSomething(runs);
  requireDatabaseApart(runs, database);
  const doubts = await doubtsAbout(platform, runs, signal);
  const settings = requireRollbackSettings(database).health;
  const health = settings === undefined ? null : await checkHealth(settings, { clock, signal });
  const [checkpoints, deployed] = await Promise.all([listCheckpoints(repository, database.name), listDeployed(repository, database.name)]);
  const { running, warnings } = whatRuns(options.release, { said: options.running, health, deployed, configured: database.appVersion });
  const pending = await requireComing(options.coming, state.ledgers, lastRecordOf(running, checkpoints, deployed));
  return {
    state, runs, health, running, pending,
    warnings: [
      ...(pending === null ? ["nobody tells which migrations the coming release brings: name them with --migrations, --migration or --no-migrations, so that `checkpoint verify` can look for them"] : []),
      ...warnings,
      ...runs.workloads.flatMap(({ name, replicas }) => (replicas === 0 ? [`nothing runs of ${name}: a rollback to this checkpoint would come back to that`] : [])),
      ...doubts,
      ...(health === null ? ["no health check is configured, so how the application was is not recorded"] : []),
      ...(health?.healthy === false ? [`the application is not healthy now (${health.detail}): a rollback to this checkpoint would come back to that`] : []),
      ...state.ledgers.flatMap(({ table, failed }) => (failed > 0 ? [`the ledger ${table} has ${failed} migrations that were not finished, or were rolled back`] : [])),
      ...(isPartial(filterOf(database)) ? ["the backups of this database are partial: what is left out cannot be brought back"] : []),
    ],
  };
}

/** A wrong name of a project looks like one that is down. A rollback to nothing would change nothing, and be done. */
function requireSomething({ address, workloads }: PlatformState): void {
  if (workloads.length === 0 || workloads.some(({ replicas }) => replicas > 0)) return;
  const place = Object.entries(address).map(([name, value]) => `${name} ${value}`).join(", ");
  throw new HoldfastError("configuration", `nothing runs of ${workloads.map(({ name }) => name).join(", ")} (${place}), so there is nothing to go back to`, {
    hints: ["Look whether the rollback's configuration names the place where the application runs.", "If it is stopped on purpose, take the checkpoint while it runs: a checkpoint records what runs."],
  });
}

/** What of a rollback's preflight is about what is recorded, rather than about the moment of the rollback. */
const ofTheRecord: ReadonlySet<string> = new Set(["stopped", "directory", "configuration"]);

/** What a rollback to this would be told, while it can still be mended. Of a cluster, `doctor` asks. */
async function doubtsAbout(platform: Platform, runs: PlatformState, signal: AbortSignal): Promise<string[]> {
  if (platform.kind !== "compose") return [];
  const found = await platform.preflight(runs, runs, signal);
  return found.flatMap(({ id, outcome, detail }) => (outcome === "blocked" ? [`as things are now, a rollback to this checkpoint would be refused: ${detail}`] : ofTheRecord.has(id) ? [detail] : []));
}

/** Said before the deploy, since after it only a checkpoint of other services would help. */
function requireDatabaseApart(runs: PlatformState, database: DatabaseConfig): void {
  const names = databaseServices(runs, database);
  if (names.length > 0) throw new HoldfastError("configuration", `the database is reached through a service of the release: ${names.join(", ")}`, { hints: [databaseServiceHint] });
}

interface Binding extends Surroundings {
  readonly before: Seen;
  readonly backup: ChosenBackup;
}

/** Everything after the backup. A prune is kept out until the checkpoint stands: from then on it protects the backup. */
async function conclude(context: Context, workplace: Workplace, database: DatabaseConfig, binding: Binding): Promise<CheckpointRecord> {
  const { reporter, signal, clock } = context;
  const { repository } = workplace;
  const patience = patienceAfter(signal);
  const lock = await lockDatabase(context, repository, database.name, "prune", { action: "checkpoint create", waitMs: binding.options.lockWaitMs });
  let pinned: PlatformState | undefined;
  try {
    const after = await runStep(reporter, "look-again", () => lookAgain(context, workplace, binding));
    const takenAt = await freeSecond(repository, (at) => checkpointKey(database.name, checkpointId(binding.options.release, at)), { clock, signal });
    const id = checkpointId(binding.options.release, takenAt);
    pinned = await runStep(reporter, "pin", () => binding.platform.pin(binding.before.runs, id, signal), ({ workloads }) => `${workloads.flatMap(({ images }) => images).filter((image) => image.pinned !== null).length} images`);
    const state = pinned;
    return await runStep(reporter, "sign", async () => {
      const signer = await requireSigner(context.config, "checkpoint", takenAt);
      const checkpoint = checkpointOf(context, database, { ...binding, after, state, id, takenAt, signer: signer.id });
      await lock.assertHeld();
      throwIfCancelled(signal);
      await publishCheckpoint(repository, checkpoint, signer);
      return readCheckpoint(repository, database.name, id);
    }, (record) => record.id);
  } catch (error) {
    const tags = (pinned?.workloads ?? []).flatMap(({ images }) => images.flatMap((image) => image.pinned ?? []));
    if (tags.length > 0) reporter.emit({ type: "note", level: "warn", message: `no checkpoint was published, but its images were pinned already, which is harmless: ${tags.join(", ")}` });
    throw error;
  } finally {
    await patience(lock.release());
  }
}

/** @throws HoldfastError `refused` unless the database, what runs and the backup are all of one moment */
async function lookAgain({ signal }: Context, { repository }: Workplace, { server, platform, before, backup }: Binding): Promise<DatabaseState> {
  const { manifest } = await readBackup(repository, backup.signed.manifest.database, backup.signed.manifest.id);
  if (backup.reused) await requireThere(repository, { manifest });
  const after = await readDatabaseState(server, signal);
  const moved = ledgerDifference(before.state.ledgers, after.ledgers);
  if (moved !== undefined) throw movedMeanwhile(`${moved} while the backup was taken`);
  const unlike = unlikeNow({ manifest }, after);
  if (unlike !== undefined) throw movedMeanwhile(`backup ${manifest.id} is not of what the database is now: ${unlike}`);
  if (!isDeepStrictEqual(essenceOf(before.runs), essenceOf(await platform.capture(signal)))) throw movedMeanwhile("what runs changed while the backup was taken");
  return after;
}

/** What a deploy changes; replicas come and go by themselves, and what is mounted an application may write itself. */
function essenceOf({ address, workloads, settings }: PlatformState): unknown {
  return { address, settings: settings.filter(({ kind }) => kind !== "mounted"), workloads: workloads.map(({ kind, name, images, configSha256 }) => ({ kind, name, configSha256, images: images.map(({ container, id }) => ({ container, id })) })) };
}

function movedMeanwhile(what: string): HoldfastError {
  return new HoldfastError("refused", `${what}, so no checkpoint of one moment can be taken`, {
    hints: ["Find out who changes it: has the deploy begun already? If not, take the checkpoint again when all is quiet."],
  });
}

interface Facts extends Binding {
  readonly after: DatabaseState;
  readonly state: PlatformState;
  readonly id: string;
  readonly takenAt: Date;
  readonly signer: string;
}

function checkpointOf({ actor, version }: Context, { name }: DatabaseConfig, { before, after, backup: { signed, reused }, options, state, id, takenAt, signer }: Facts): Checkpoint {
  const { manifest } = signed;
  return {
    format: 1,
    kind: "holdfast-checkpoint",
    id,
    database: name,
    release: options.release,
    running: before.running,
    takenAt: takenAt.toISOString(),
    reason: options.reason ?? null,
    by: { user: actor.user, host: actor.host, operator: actor.operator, holdfast: version },
    backup: { id: manifest.id, snapshotAt: manifest.snapshotAt, manifestSha256: manifestSha256(signed), reused },
    state,
    ledgers: after.ledgers.map(ledgerState),
    schemaFingerprint: after.schema.fingerprint,
    health: before.health,
    pending: before.pending === null ? null : [...before.pending],
    signer,
  };
}
