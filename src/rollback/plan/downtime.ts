/** How long a rollback stops things, put together from what was measured. What was not is not known, and not nothing. Pure. */
import { formatSeconds } from "../../text/format.ts";
import type { JournalEntry } from "../journal/journal.ts";
import type { RehearsalEvidence } from "../rehearsal/evidence.ts";
import type { DowntimePart, RollbackPlan, Strategy } from "./plan.ts";

/** Seconds, and the id of what measured them. */
export interface Measurement {
  readonly seconds: number;
  readonly from: string;
}

export interface Measured {
  readonly stop?: Measurement | undefined;
  readonly swap?: Measurement | undefined;
  readonly safetyBackup?: Measurement | undefined;
  /** Of the previous images, until the health check has passed. */
  readonly start?: Measurement | undefined;
  /** Of restoring beside, which stops nothing. */
  readonly restore?: Measurement | undefined;
}

export interface DowntimeQuestion {
  readonly strategy: Strategy;
  readonly safetyBackup: boolean;
  /** Whether holdfast stops and starts anything: else nobody knows how long that takes. */
  readonly platform: boolean;
  /** Commands are configured that stop what writes. */
  readonly maintenance: boolean;
}

const titles: Readonly<Record<DowntimePart["id"], string>> = {
  "stop": "to stop what writes", "safety-backup": "the safety backup", "swap": "the swap", "down-sql": "the down-SQL", "start": "the start of the previous images until they are healthy",
};

export function downtime({ strategy, safetyBackup, platform, maintenance }: DowntimeQuestion, measured: Measured): Omit<RollbackPlan["stops"], "workloads"> & { readonly parts: DowntimePart[] } {
  const part = (id: DowntimePart["id"], found: Measurement | undefined, otherwise: string): DowntimePart => ({ id, seconds: found?.seconds ?? null, from: found?.from ?? otherwise });
  const start = platform ? [part("start", measured.start, "neither a rehearsal of this checkpoint nor a rollback that ended well has measured it")] : [];
  const moved = strategy === "images-only" ? [] : [
    ...(platform || maintenance ? [part("stop", measured.stop, "no rollback that ended well has measured it")] : []),
    ...(safetyBackup ? [part("safety-backup", measured.safetyBackup, "no backup was timed yet")] : []),
    strategy === "down-sql" ? part("down-sql", undefined, "this SQL was never run here") : part("swap", measured.swap, "no rollback that ended well has measured it"),
  ];
  const parts = [...moved, ...start];
  const seconds = parts.some((each) => each.seconds === null) ? null : Math.ceil(knownSeconds(parts));
  return { parts, seconds, basis: [...before(strategy, measured), ...parts.map(inWords), ...after({ strategy, safetyBackup, platform, maintenance })].join("; ") };
}

/** Of the parts that were measured, together. */
export function knownSeconds(parts: readonly DowntimePart[]): number {
  return parts.reduce((sum, { seconds }) => sum + (seconds ?? 0), 0);
}

function before(strategy: Strategy, { restore }: Measured): string[] {
  if (strategy !== "restore-and-swap") return [];
  return [restore === undefined ? "restoring beside stops nothing, and how long it takes is NOT KNOWN (no drill has passed)" : `restoring beside takes about ${formatSeconds(restore.seconds)} (${restore.from}) and stops nothing`];
}

function after({ strategy, safetyBackup, platform }: DowntimeQuestion): string[] {
  return [
    ...(strategy === "images-only" ? ["each workload stops for its own start, and the database goes on"] : safetyBackup ? [] : ["no safety backup is taken"]),
    ...(platform ? [] : ["what uses the database is stopped and started by you, which is not counted"]),
  ];
}

function inWords({ id, seconds, from }: DowntimePart): string {
  return `${titles[id]} ${seconds === null ? "NOT KNOWN" : formatSeconds(seconds)} (${from})`;
}

/** The parts of a rollback's journal that a later one can count on; of steps that one run began and ended undisturbed. */
export function measuredBy(id: string, entries: readonly JournalEntry[]): Pick<Measured, "stop" | "swap" | "start"> {
  const seconds = stepSeconds(entries);
  const one = (step: string): Measurement | undefined => (seconds.get(step) === undefined ? undefined : { seconds: seconds.get(step) ?? 0, from: id });
  const starts = [...seconds].filter(([step]) => !beforeStart.includes(step));
  const whole = starts.length > 1 && seconds.has("observe") && starts.every(([, each]) => each !== undefined);
  return {
    stop: one("maintenance-on"),
    swap: one("swap"),
    start: whole ? { seconds: starts.reduce((sum, [, each]) => sum + (each ?? 0), 0), from: id } : undefined,
  };
}

/** What comes before the previous images start; whatever else a platform does belongs to their start. */
const beforeStart = ["restore-beside", "maintenance-on", "safety-backup", "swap", "down-sql"];

/** By step; undefined where it failed, was resumed, or was found done. */
function stepSeconds(entries: readonly JournalEntry[]): ReadonlyMap<string, number | undefined> {
  const seconds = new Map<string, number | undefined>();
  const begun = new Map<string, number>();
  for (const entry of entries) {
    if (entry.kind === "resumed") begun.clear();
    if (entry.kind === "step-begun" && !seconds.has(entry.step)) begun.set(entry.step, Date.parse(entry.at));
    if (entry.kind === "step-failed") seconds.set(entry.step, undefined);
    if (entry.kind !== "step-done") continue;
    const at = begun.get(entry.step);
    seconds.set(entry.step, entry.found || at === undefined || seconds.has(entry.step) ? undefined : Math.max(0, Date.parse(entry.at) - at) / 1000);
  }
  return seconds;
}

/** What of a rehearsal's checks is the start: to run, to pass the health check as often in a row as it must, to pass its own. */
const startChecks = ["application:running", "application:health", "application:services"];

/** From the start of the images to a health check that has passed, as a rehearsal measured it; undefined where it did not come so far. */
export function startMeasuredBy({ id, verdict, checks }: RehearsalEvidence): Measurement | undefined {
  const made = checks.filter((check) => startChecks.includes(check.id));
  if (verdict !== "pass" || made.length < startChecks.length || made.some(({ outcome }) => outcome !== "pass")) return undefined;
  return { seconds: made.reduce((sum, { seconds }) => sum + seconds, 0), from: id };
}
