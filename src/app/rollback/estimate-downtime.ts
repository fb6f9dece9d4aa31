/** What stops, and for how long: from what was measured last, never from a guess. */
import type { Repository } from "../../catalog/repository.ts";
import { listSummaries } from "../../catalog/summaries.ts";
import { listDrills } from "../../drill/evidence/records.ts";
import type { RollbackPlan, Strategy } from "../../rollback/plan/plan.ts";
import type { PlatformState } from "../../rollback/platform/platform.ts";
import { formatSeconds } from "../../text/format.ts";
import type { Context } from "../context.ts";

export interface Estimate {
  readonly strategy: Strategy;
  readonly now: PlatformState;
  readonly safetyBackup: boolean;
}

/** A rename of two databases and the end of their connections. */
const swapSeconds = 2;

export async function estimateDowntime(context: Context, repository: Repository, database: string, { strategy, now, safetyBackup }: Estimate): Promise<RollbackPlan["stops"]> {
  const workloads = now.workloads.map(({ name }) => name);
  if (strategy === "images-only") return { workloads, seconds: null, basis: "each workload stops for as long as its previous image takes to start; the database goes on" };
  const backup = safetyBackup ? await lastBackupSeconds(repository, database) : 0;
  const stopped = backup === undefined ? null : Math.ceil(backup + (strategy === "restore-and-swap" ? swapSeconds : 0));
  const safety = !safetyBackup ? "no safety backup is taken" : backup === undefined ? "no backup was timed yet" : `the last backup took ${formatSeconds(backup)}`;
  if (strategy === "down-sql") return { workloads, seconds: stopped, basis: `stopped for the safety backup (${safety}), the down-SQL and the start of the previous images` };
  const drill = await lastDrill(context, repository, database);
  const restore = drill === undefined ? "restoring beside was never measured (no drill has passed)" : `restoring beside takes about ${formatSeconds(drill.seconds)} (${drill.id})`;
  return { workloads, seconds: stopped, basis: `${restore} and stops nothing; then everything stops for the safety backup (${safety}), the swap, and the start of the previous images` };
}

async function lastBackupSeconds(repository: Repository, database: string): Promise<number | undefined> {
  const { entries } = await listSummaries(repository, database);
  const last = entries.find(({ summary }) => summary !== undefined)?.summary;
  return last && Math.max(0, Date.parse(last.finishedAt) - Date.parse(last.startedAt)) / 1000;
}

/** The recovery time of the last drill that passed. */
async function lastDrill({ clock, actor }: Context, repository: Repository, database: string): Promise<{ id: string; seconds: number } | undefined> {
  const records = await listDrills(repository, database, { now: clock.now(), host: actor.host });
  const passed = records.find(({ evidence }) => evidence?.verdict === "pass")?.evidence;
  return passed && { id: passed.id, seconds: passed.rto.seconds };
}
