/** What the reports say besides the checks, in words and units for people. Times are UTC. */
import { formatBytes, formatCount, formatDuration, formatInstant, formatRate } from "../../text/format.ts";
import type { DrillPhase, Evidence, Verdict } from "../evidence/evidence.ts";
import { tally, verdictWords } from "./checks.ts";

export interface Fact {
  readonly term: string;
  readonly value: string;
}

/** `Anna Weber (as holdfast on drill-1)`. */
export function performer({ performedBy: { operator, user, host } }: Evidence): string {
  return operator === null ? `${user} on ${host}` : `${operator} (as ${user} on ${host})`;
}

/** What the first screenful says beside the verdict. */
export function headFacts(evidence: Evidence): Fact[] {
  const { backup, database, startedAt } = evidence;
  return [
    { term: "Database", value: database },
    { term: "Backup", value: backup === null ? "none could be chosen" : `${backup.id}, of ${formatInstant(backup.snapshotAt)}` },
    { term: "Drilled", value: formatInstant(startedAt) },
    { term: "By", value: performer(evidence) },
  ];
}

export interface ObjectiveFact {
  readonly name: string;
  /** What was measured, in a clause. */
  readonly meaning: string;
  readonly seconds: number;
  readonly measured: string;
  readonly promisedSeconds: number | null;
  readonly promised: string;
  readonly met: boolean | null;
  /** `met`, `missed by 4.8 s` or `nothing promised`. */
  readonly judgement: string;
}

/** The recovery time and, if there was a backup, the recovery point. */
export function objectiveFacts({ rto, rpo, verdict }: Evidence): ObjectiveFact[] {
  const times: Record<Verdict, string> = {
    pass: "from fetching the backup to the end of the checks",
    fail: "of a recovery that did not pass its checks",
    unverified: "until the drill could go no further; a whole recovery takes longer",
  };
  const time = objectiveFact("Recovery time (RTO)", times[verdict], rto);
  return rpo === null ? [time] : [time, objectiveFact("Recovery point (RPO)", "from the backup's snapshot to the start of the drill: what would have been lost", rpo)];
}

function objectiveFact(name: string, meaning: string, { seconds, objectiveSeconds, met }: Evidence["rto"]): ObjectiveFact {
  const judgement = objectiveSeconds === null || met === null ? "nothing promised" : met ? "met" : `missed by ${formatDuration(Math.max(0, seconds - objectiveSeconds))}`;
  return { name, meaning, seconds, measured: formatDuration(seconds), promisedSeconds: objectiveSeconds, promised: objectiveSeconds === null ? "–" : `at most ${formatDuration(objectiveSeconds)}`, met, judgement };
}

const phaseTitles: Record<DrillPhase["id"], string> = {
  fetch: "Fetch", decrypt: "Decrypt and decompress", provision: "Provision the scratch", restore: "Restore", analyze: "Analyze", checks: "Checks",
};

export interface PhaseFact {
  readonly title: string;
  /** Seconds from the first phase's start. */
  readonly start: number;
  readonly seconds: number;
  readonly time: string;
  readonly moved: string;
  readonly rate: string;
}

export function phaseFacts({ phases }: Evidence): PhaseFact[] {
  let start = 0;
  return phases.map(({ id, seconds, bytes }) => {
    const fact = { title: phaseTitles[id], start, seconds, time: formatDuration(seconds), moved: bytes === null ? "–" : formatBytes(bytes), rate: (bytes === null ? undefined : formatRate(bytes, seconds)) ?? "–" };
    start += seconds;
    return fact;
  });
}

export interface TrendFact {
  readonly id: string;
  readonly startedAt: string;
  readonly verdict: Verdict;
  readonly seconds: number;
  readonly time: string;
  readonly bytes: number | null;
  readonly size: string;
}

/** The last drills, oldest first, this one at the end. */
export function trendFacts({ history, id, startedAt, verdict, rto, backup }: Evidence): TrendFact[] {
  const all = [...history, { id, startedAt, verdict, rtoSeconds: rto.seconds, plainBytes: backup?.plainBytes ?? null }];
  return all.slice(-shownDrills).map((drill) => ({
    id: drill.id, startedAt: drill.startedAt, verdict: drill.verdict, seconds: drill.rtoSeconds, time: formatDuration(drill.rtoSeconds),
    bytes: drill.plainBytes, size: drill.plainBytes === null ? "–" : formatBytes(drill.plainBytes),
  }));
}

/** Two years of monthly drills. */
export const shownDrills = 24;

/** What is said of drills before those in the trend. */
export function earlierDrills({ history }: Evidence): string | undefined {
  const earlier = history.length + 1 - shownDrills;
  return earlier > 0 ? `${formatCount(earlier)} earlier ${earlier === 1 ? "drill is" : "drills are"} not shown.` : undefined;
}

export function forecastText({ forecast }: Evidence): string {
  if (forecast === null) return "None: it takes past drills to foresee the next one.";
  const based = `Based on ${formatCount(forecast.basedOn)} ${forecast.basedOn === 1 ? "drill" : "drills"}.`;
  return `${forecast.text}${/[.!?]$/.test(forecast.text) ? "" : "."} ${based}`;
}

/** What is asked for where a test of a contingency plan is documented. */
export function recordFacts(evidence: Evidence): Fact[] {
  const { backup, method, performedBy } = evidence;
  const facts: readonly (readonly [term: string, value: string | null])[] = [
    ["Requirement", evidence.requirement],
    ["Plan tested", evidence.plan ?? "not named in the configuration"],
    ["Reason", evidence.reason ?? "none given"],
    ["Performed by", `${performer(evidence)}, with Holdfast ${performedBy.holdfast}`],
    ["Began", formatInstant(evidence.startedAt)],
    ["Ended", formatInstant(evidence.finishedAt)],
    ["Method", method === null ? "nothing was restored" : `restored into ${method.description} (${method.provider}, PostgreSQL ${method.server}, named ${method.scratch}) and compared with what was recorded in the dump's own snapshot`],
    ["Result", `${verdictWords[evidence.verdict]}: ${tally(evidence)}`],
    ["Backup tested", backup === null ? "none could be chosen" : `${backup.id}${backup.label === null ? "" : ` (${backup.label})`}, ${backup.chosen}`],
    ["Its snapshot", backup && `${formatInstant(backup.snapshotAt)}, of PostgreSQL ${backup.server}`],
    ["Its size", backup && `${formatBytes(backup.databaseBytes)} as a database, ${formatBytes(backup.plainBytes)} as a dump, ${formatBytes(backup.storedBytes)} as stored`],
    ["Its manifest", backup && `SHA-256 ${backup.manifestSha256}, signed by ${backup.signer}`],
    ["Repository", `${evidence.repository.url} (${evidence.repository.id})`],
    ["Drill", evidence.id],
    ["Retest of", evidence.retestOf ?? "none: this drill repeats no failed one"],
  ];
  return facts.flatMap(([term, value]) => (value === null ? [] : [{ term, value }]));
}

/** What stands where no corrective action is recorded. */
export function noActions({ verdict }: Evidence): string {
  return verdict === "pass" ? "None needed: the drill passed." : "None recorded yet. A drill that did not pass needs at least one, with an owner and a date, and a retest.";
}
