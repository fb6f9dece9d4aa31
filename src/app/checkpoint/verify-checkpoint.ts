/** The story after a deploy: what runs now, whether it works, and whether the migrations came; signed, good or bad. */
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";

import { deployedKey } from "../../catalog/layout.ts";
import type { DatabaseConfig } from "../../config/config.ts";
import { HoldfastError, throwIfCancelled } from "../../errors.ts";
import { runStep } from "../../ports.ts";
import { counted } from "../../text/format.ts";
import { shellWord } from "../../process/shell-word.ts";
import type { Checkpoint, Deployed } from "../../rollback/checkpoint/checkpoint.ts";
import { freeSecond } from "../../rollback/checkpoint/free-second.ts";
import { findBefore, listCheckpoints, publishDeployed } from "../../rollback/checkpoint/records.ts";
import { awaitHealthy } from "../../rollback/health/probe.ts";
import { ledgerState } from "../../rollback/migrations/ledgers.ts";
import type { Platform } from "../../rollback/platform/platform.ts";
import { cancellationSaying } from "../cancellation.ts";
import { type Context, databaseNamed, reachDatabase, requireSigner } from "../context.ts";
import { inWorkplace } from "../record.ts";
import { configuredPlatform, requireRollbackSettings } from "../rollback/configured-platform.ts";
import { readDatabaseState } from "../database-state.ts";
import { type AfterDeploy, judgeDeploy } from "./deploy-verdict.ts";
import { askErrorBudget } from "./error-budget.ts";

export interface VerifyCheckpointOptions {
  readonly database?: string | undefined;
  /** The release that was deployed, or the id of its checkpoint; by default the newest checkpoint. */
  readonly of?: string | undefined;
  /** In place of the configured one. */
  readonly runsOn?: Platform | undefined;
  readonly reason?: string | undefined;
}

export interface VerifiedDeploy {
  readonly deployed: Deployed;
  /** The release that a rollback would go back to. */
  readonly running: string;
  readonly warnings: readonly string[];
}

const steps = [
  { id: "find", title: "read the checkpoint" },
  { id: "capture", title: "look at what runs and at the database" },
  { id: "health", title: "ask the application how it is" },
  { id: "replicas", title: "look at every replica" },
  { id: "budget", title: "ask for the error budget" },
  { id: "record", title: "sign and publish what was seen" },
] as const;

/**
 * Looks at a deploy and records what it found.
 * @throws HoldfastError `deploy-bad` if it is, with the record in its details: it is published all the same;
 * `refused` if the platform is another than the checkpoint's; `not-found`, `integrity`
 */
export async function verifyCheckpoint(context: Context, options: VerifyCheckpointOptions): Promise<VerifiedDeploy> {
  const database = databaseNamed(context.config, options.database);
  const action = { action: "checkpoint verify", subject: { database: database.name }, reason: options.reason };
  const { reporter, signal, clock } = context;
  try {
    return await inWorkplace(context, action, async (workplace, subject) => {
      const { repository } = workplace;
      const settings = requireRollbackSettings(database);
      await requireSigner(context.config, "deploy", clock.now());
      reporter.emit({ type: "plan", steps });
      const { checkpoint } = await runStep(reporter, "find", async () => findBefore(await listCheckpoints(repository, database.name), options.of, ({ id, problem }) => {
        reporter.emit({ type: "note", level: "warn", message: `${id} is newer, but does not count: ${problem.message}` });
      }), ({ id }) => id);
      subject["checkpoint"] = checkpoint.id;
      subject["release"] = checkpoint.release;
      const platform = options.runsOn ?? configuredPlatform(database, checkpoint.state.platform);
      const { ledgers, schemaFingerprint } = await runStep(reporter, "capture", () => lookThere(context, database, platform, checkpoint));
      const { health: asked, errorBudget: hook } = settings;
      const health = asked && (await runStep(reporter, "health", () => awaitHealthy(asked, { release: checkpoint.release, clock, signal }), (settled) => settled.health.detail));
      // An old replica answers as well as a new one: that the application is healthy does not say that the release runs.
      const patience = health?.healthy === false ? 0 : (asked?.timeoutMs ?? replicasMs);
      const { state, replicas } = await runStep(reporter, "replicas", () => settled(platform, patience, signal), (seen) => (seen.replicas.length === 0 ? "each is as it should be" : counted(seen.replicas.length, "problem")));
      const errorBudget = hook === undefined ? null : await runStep(reporter, "budget", () => askErrorBudget(hook, { release: checkpoint.release, signal }), ({ detail }) => detail);
      if (health === undefined) reporter.emit({ type: "step-skipped", step: "health", why: "no health check is configured" });
      if (errorBudget === null) reporter.emit({ type: "step-skipped", step: "budget", why: "no command is configured for it" });
      const after: AfterDeploy = { state, replicas, ledgers, health, errorBudget };
      const { verdict, problems, warnings } = judgeDeploy(checkpoint, after);
      const deployed = await runStep(reporter, "record", async () => {
        const at = await freeSecond(repository, (second) => deployedKey(database.name, checkpoint.id, second), { clock, signal });
        const signer = await requireSigner(context.config, "deploy", at);
        const record: Deployed = {
          format: 1, kind: "holdfast-deployed", checkpoint: checkpoint.id, database: database.name, release: checkpoint.release, at: at.toISOString(),
          by: { user: context.actor.user, host: context.actor.host, operator: context.actor.operator, holdfast: context.version },
          state, ledgers, schemaFingerprint, health: health === undefined ? null : { ...health.health, healthy: health.healthy }, errorBudget,
          verdict, problems: [...problems], signer: signer.id,
        };
        throwIfCancelled(signal);
        await publishDeployed(repository, record, signer);
        return record;
      }, (record) => record.verdict);
      subject.verdict = verdict;
      for (const message of warnings) reporter.emit({ type: "note", level: "warn", message });
      if (verdict === "bad") throw badDeploy(database, checkpoint, deployed, warnings);
      return { deployed, running: checkpoint.running, warnings };
    });
  } catch (error) {
    throw cancellationSaying(error, "nothing was recorded");
  }
}

async function lookThere(context: Context, database: DatabaseConfig, platform: Platform, checkpoint: Checkpoint): Promise<Pick<Deployed, "ledgers" | "schemaFingerprint">> {
  await captureThere(platform, checkpoint, context.signal);
  const { ledgers, schema } = await readDatabaseState(await reachDatabase(context, database), context.signal);
  return { ledgers: ledgers.map(ledgerState), schemaFingerprint: schema.fingerprint };
}

async function captureThere(platform: Platform, checkpoint: Checkpoint, signal: AbortSignal): Promise<Deployed["state"]> {
  const { platform: kind, address } = checkpoint.state;
  if (platform.kind !== kind || !isDeepStrictEqual({ ...platform.address }, address)) {
    const shown = (of: string, where: Readonly<Record<string, string>>): string => `${of} (${Object.entries(where).map(([name, value]) => `${name} ${value}`).join(", ")})`;
    throw new HoldfastError("refused", `the checkpoint ${checkpoint.id} is of ${shown(kind, address)}, but the configuration names ${shown(platform.kind, platform.address)}`, {
      hints: ["Verify with the configuration that the checkpoint was taken with, or name another checkpoint."],
    });
  }
  return platform.capture(signal);
}

const replicasMs = 120_000;
const pollMs = 500;

/** What runs once every replica runs just that, or when no time is left; and what is wrong with them then. */
async function settled(platform: Platform, patienceMs: number, signal: AbortSignal): Promise<Pick<AfterDeploy, "state" | "replicas">> {
  const until = performance.now() + patienceMs;
  for (;;) {
    const state = await platform.capture(signal);
    const replicas = (await platform.observe(state, signal)).flatMap(({ problem }) => problem ?? []);
    if (replicas.length === 0 || performance.now() >= until) return { state, replicas };
    await sleep(pollMs, undefined, { signal }).catch(() => undefined);
    throwIfCancelled(signal);
  }
}

function badDeploy({ name }: DatabaseConfig, { running, release }: Checkpoint, deployed: Deployed, warnings: readonly string[]): HoldfastError {
  return new HoldfastError("deploy-bad", `the deploy of ${release} is bad: ${deployed.problems.join("; ")}`, {
    hints: [`Look at the way back with \`holdfast rollback plan --to ${shellWord(running)} --database ${name}\`.`, "If it only needs more time, verify again: each look is recorded."],
    details: { deployed, running, warnings },
  });
}
