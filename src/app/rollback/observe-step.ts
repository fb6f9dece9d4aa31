/** The last step: nothing is believed. Every replica is looked at, the health check is asked several times in a row, the ledger is read. */
import { setTimeout as sleep } from "node:timers/promises";

import type { RollbackSettings } from "../../config/rollback-settings.ts";
import { HoldfastError } from "../../errors.ts";
import { readCheckpoint } from "../../rollback/checkpoint/records.ts";
import { awaitHealthy } from "../../rollback/health/probe.ts";
import type { Platform, WorkloadObservation } from "../../rollback/platform/platform.ts";
import { schemaDifferences } from "../../rollback/plan/drift.ts";
import type { RollbackPlan } from "../../rollback/plan/plan.ts";
import type { RollbackStep } from "../../rollback/step.ts";
import { reachDatabase } from "../context.ts";
import type { RollbackWork } from "./database-steps.ts";
import { schemaAfterDown } from "./down-sql-step.ts";
import { type PresentDatabase, readPresentDatabase } from "./present.ts";

const pollMs = 500;
const patienceMs = 120_000;
/** What ends soon after its start, and is started again and again, is seen running at some moments. */
const steadyMs = 3_000;

export function observeStep(work: RollbackWork, settings: RollbackSettings, platform: Platform): RollbackStep {
  return {
    id: "observe",
    title: "observe: images on every replica, health, ledger",
    // What was seen once is no proof now.
    isDone: () => Promise.resolve(false),
    perform: async ({ signal }) => {
      const { context, plan } = work;
      const seen = await awaitWorkloads(settings, platform, plan, signal);
      const since = performance.now();
      const health = settings.health === undefined ? undefined : await awaitHealthy(settings.health, { release: plan.to, clock: context.clock, signal });
      const workloads = await lookAgain(seen, platform, plan, { after: since + steadyMs, signal });
      const problems = workloads.flatMap(({ problem }) => problem ?? []);
      if (health !== undefined && !health.healthy) problems.push(`the health check did not pass ${settings.health?.times ?? 1} times in a row: ${health.health.detail}`);
      if (health !== undefined) problems.push(...(await stillServing(work, platform, health.health.version)));
      const found = await readPresentDatabase(await reachDatabase(context, work.database), signal);
      problems.push(...databaseProblems(plan, found), ...(await schemaProblems(work, found)));
      if (problems.length > 0) throw notAsPlanned(work, problems);
      const replicas = workloads.reduce((sum, { replicas: all }) => sum + all.length, 0);
      return { replicas, health: health?.health.detail ?? "no health check is configured", healthPassed: health?.passedInARow ?? 0, ledger: found.ledgers.map(({ head }) => head ?? "empty").join(", ") || "none" };
    },
  };
}

async function awaitWorkloads(settings: RollbackSettings, platform: Platform, { target }: RollbackPlan, signal: AbortSignal): Promise<WorkloadObservation[]> {
  const until = performance.now() + (settings.health?.timeoutMs ?? patienceMs);
  for (;;) {
    const seen = await platform.observe(target.state, signal);
    if (seen.every(({ problem }) => problem === undefined) || performance.now() >= until) return seen;
    await sleep(pollMs, undefined, { signal });
  }
}

/** Sees whether what ran has gone on running. @param after - not before this moment of `performance.now()` */
async function lookAgain(seen: WorkloadObservation[], platform: Platform, { target }: RollbackPlan, { after, signal }: { readonly after: number; readonly signal: AbortSignal }): Promise<WorkloadObservation[]> {
  if (seen.length === 0 || seen.some(({ problem }) => problem !== undefined)) return seen;
  await sleep(Math.max(0, after - performance.now()), undefined, { signal });
  const starts = new Map(seen.flatMap(({ workload, replicas }) => replicas.map(({ name, start }) => [`${workload} ${name}`, start] as const)));
  return (await platform.observe(target.state, signal)).map((now) => {
    const again = now.replicas.filter(({ name, start }) => starts.has(`${now.workload} ${name}`) && starts.get(`${now.workload} ${name}`) !== start).map(({ name }) => name);
    if (again.length === 0) return now;
    const started = `${again.join(", ")} ended and ${again.length === 1 ? "was" : "were"} started again while it was observed`;
    return { ...now, problem: now.problem === undefined ? `${now.workload}: ${started}` : `${now.problem}; ${started}` };
  });
}

/** Every replica may be right where nobody asks, and the release that should have gone answer all the same. */
async function stillServing({ workplace, database, plan }: RollbackWork, { kind }: Platform, version: string | null): Promise<string[]> {
  if (kind === "none" || version === null || version !== plan.now.release) return [];
  const { checkpoint } = await readCheckpoint(workplace.repository, database.name, plan.checkpoint.id);
  const then = checkpoint.health?.version ?? null;
  return then === null || then === version ? [] : [`the application says that it still is ${version}, and it was ${then} at the checkpoint`];
}

/** The ledger that the plan ends with: the checkpoint's where the database went back, the present one where it stayed. */
function databaseProblems({ strategy, now, target }: RollbackPlan, found: PresentDatabase): string[] {
  const expected = strategy === "images-only" ? now.ledgers : target.ledgers;
  const digests = (ledgers: readonly { table: string; applied: readonly string[] }[]): string => JSON.stringify(ledgers.map(({ table, applied }) => [table, applied]));
  if (digests(expected) === digests(found.ledgers)) return [];
  const heads = (ledgers: readonly { head: string | null }[]): string => ledgers.map(({ head }) => head ?? "empty").join(", ") || "no ledger";
  return [`the migration ledger stands at ${heads(found.ledgers)}, but the plan ends at ${heads(expected)}`];
}

/** Of down-SQL that a person ran by hand nobody has looked at what it left. */
async function schemaProblems(work: RollbackWork, { schema }: PresentDatabase): Promise<string[]> {
  const expected = work.plan.strategy === "down-sql" ? await schemaAfterDown(work) : undefined;
  const differing = expected === undefined ? [] : schemaDifferences(expected, schema);
  return differing.length === 0 ? [] : [`the schema is not the checkpoint's: it differs in ${differing.join(", ")}`];
}

function notAsPlanned({ id, plan, database }: RollbackWork, problems: readonly string[]): HoldfastError {
  const moved = plan.strategy === "images-only" ? "the database was not touched" : plan.strategy === "down-sql" ? "the down-SQL was run" : `the database is that of ${plan.checkpoint.snapshotAt}; the one before is kept beside`;
  return new HoldfastError("rollback-failed", `the rollback of ${database.name} to ${plan.to} did not come out as planned: ${problems.join("; ")}; ${moved}`, {
    hints: [
      `Mend what is named and look again with \`holdfast rollback resume ${id}\`.`,
      `Or return to what ran before with \`holdfast rollback abort ${id}\`.`,
    ],
    details: { rollback: id, problems },
  });
}
