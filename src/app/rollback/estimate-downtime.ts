/** What stops, and for how long: from what was measured last, never from a guess. */
import type { Repository } from "../../catalog/repository.ts";
import { listSummaries } from "../../catalog/summaries.ts";
import { listDrills } from "../../drill/evidence/records.ts";
import { HoldfastError } from "../../errors.ts";
import { readJournal } from "../../rollback/journal/read-journal.ts";
import { downtime, measuredBy, type Measured, type Measurement, startMeasuredBy } from "../../rollback/plan/downtime.ts";
import type { RollbackPlan, Strategy } from "../../rollback/plan/plan.ts";
import { listRollbacks } from "../../rollback/plan/records.ts";
import type { PlatformState } from "../../rollback/platform/platform.ts";
import type { RehearsalEvidence } from "../../rollback/rehearsal/evidence.ts";
import type { Context } from "../context.ts";

export interface Estimate {
  readonly strategy: Strategy;
  readonly now: PlatformState;
  readonly safetyBackup: boolean;
  /** Commands are configured that stop what writes. */
  readonly maintenance: boolean;
  /** The last one of the checkpoint. */
  readonly rehearsal: RehearsalEvidence | undefined;
}

export async function estimateDowntime(context: Context, repository: Repository, database: string, { strategy, now, safetyBackup, maintenance, rehearsal }: Estimate): Promise<RollbackPlan["stops"]> {
  const former = await formerRollbacks(repository, database, now);
  const measured: Measured = {
    ...former,
    start: (rehearsal && startMeasuredBy(rehearsal)) ?? former.start,
    safetyBackup: safetyBackup && strategy !== "images-only" ? await lastBackup(repository, database) : undefined,
    restore: strategy === "restore-and-swap" ? await lastDrill(context, repository, database) : undefined,
  };
  return { workloads: now.workloads.map(({ name }) => name), ...downtime({ strategy, safetyBackup, platform: now.platform !== "none", maintenance }, measured) };
}

/** A journal is one request an entry: a few of the last ones tell. */
const journalsRead = 5;

/** Each part from the newest rollback on the same platform that ended well and measured it. */
async function formerRollbacks(repository: Repository, database: string, { platform, address }: PlatformState): Promise<Pick<Measured, "stop" | "swap" | "start">> {
  const alike = (await listRollbacks(repository, database)).flatMap(({ begun, outcome }) => (begun !== undefined && outcome?.outcome === "done" && begun.plan.now.state.platform === platform && JSON.stringify(begun.plan.now.state.address) === JSON.stringify(address) ? [begun] : []));
  let found: Pick<Measured, "stop" | "swap" | "start"> = {};
  for (const { id } of alike.slice(0, journalsRead)) {
    const { entries } = await readJournal({ repository, database, id }).catch((error: unknown) => {
      // One that cannot be trusted measures nothing.
      if (error instanceof HoldfastError && error.code === "integrity") return { entries: [] };
      throw error;
    });
    const { stop, swap, start } = measuredBy(id, entries);
    found = { stop: found.stop ?? stop, swap: found.swap ?? swap, start: found.start ?? start };
    if (found.stop && found.swap && found.start) break;
  }
  return found;
}

async function lastBackup(repository: Repository, database: string): Promise<Measurement | undefined> {
  const { entries } = await listSummaries(repository, database);
  const last = entries.find(({ summary }) => summary !== undefined)?.summary;
  return last && { seconds: Math.max(0, Date.parse(last.finishedAt) - Date.parse(last.startedAt)) / 1000, from: `the last backup, ${last.id}` };
}

/** The recovery time of the last drill that passed. */
async function lastDrill({ clock, actor }: Context, repository: Repository, database: string): Promise<Measurement | undefined> {
  const records = await listDrills(repository, database, { now: clock.now(), host: actor.host });
  const passed = records.find(({ evidence }) => evidence?.verdict === "pass")?.evidence;
  return passed && { from: passed.id, seconds: passed.rto.seconds };
}
