/** What follows from a drill's findings: the verdict in a sentence, whether the objectives were met, and what has to be mended. */
import type { DrillSettings } from "../config/drill-settings.ts";
import type { DrillCheck, Evidence, Verdict } from "./evidence/evidence.ts";
import type { PlannedCheck } from "./journal.ts";

type Objective = Evidence["rto"];

export const round = (seconds: number): number => Math.round(seconds * 1000) / 1000;

/**
 * Holds what was measured against what was promised.
 * @param whole - false if the measurement ended early, so that it cannot tell
 */
export function objective(seconds: number, limitMs: number | undefined, whole: boolean): Objective {
  return { seconds: round(seconds), objectiveSeconds: limitMs === undefined ? null : limitMs / 1000, met: limitMs === undefined || !whole ? null : seconds <= limitMs / 1000 };
}

export function objectiveCheck({ id, title }: PlannedCheck, measured: Objective | null): DrillCheck {
  const check = (outcome: DrillCheck["outcome"], detail: string): DrillCheck => ({ id, title, outcome, detail, compared: null, seconds: 0 });
  if (measured === null) return check("unverified", "there was nothing to measure");
  const { seconds, objectiveSeconds, met } = measured;
  if (objectiveSeconds === null) return check("left-out", `${seconds} s were measured; no objective is configured`);
  if (met === null) return check("unverified", `not reached: the drill did not come to its end; the objective is ${objectiveSeconds} s`);
  return check(met ? "pass" : "fail", `${seconds} s, and the objective is ${objectiveSeconds} s`);
}

/** The verdict in one sentence. */
export function summarize(verdict: Verdict, checks: readonly DrillCheck[], { backup, database, seconds }: { readonly backup: { readonly id: string } | undefined; readonly database: string; readonly seconds: number }): string {
  const subject = backup === undefined ? `a backup of ${database}` : `backup ${backup.id}`;
  const of = (outcome: DrillCheck["outcome"]) => checks.filter((check) => check.outcome === outcome);
  const named = (some: readonly DrillCheck[]) => some.slice(0, 5).map(({ id, detail }) => `${id} (${detail})`).join("; ") + (some.length > 5 ? `; and ${some.length - 5} more` : "");
  if (verdict === "pass") return `${subject} came back in ${seconds} s and held in all ${of("pass").length} checks that were made`;
  if (verdict === "fail") return `${subject} did not hold in ${of("fail").length} of ${checks.length} checks: ${named(of("fail"))}`;
  const reasons = of("unverified");
  // What was not reached only follows from what was.
  const causes = reasons.filter(({ detail }) => !detail.startsWith("not reached:"));
  return `${subject} could not be verified: ${named(causes.length > 0 ? causes : reasons)}`;
}

/** What has to be mended, by whom and until when. */
export function correctiveActions(checks: readonly DrillCheck[], { owner, correctWithinDays }: DrillSettings, finished: Date): Evidence["correctiveActions"] {
  const due = new Date(finished.getTime() + correctWithinDays * 86_400_000).toISOString().slice(0, 10);
  return checks
    .filter(({ outcome, detail }) => outcome === "fail" || (outcome === "unverified" && !detail.startsWith("not reached:")))
    .map(({ title, outcome, detail }) => ({ action: `${outcome === "fail" ? "Mend" : "Make it possible to check"}: ${title} (${detail})`, owner: owner ?? null, due }));
}

/** The drill that this one repeats: the last one, if it did not pass. */
export function retestOf(past: readonly Pick<Evidence, "id" | "verdict">[]): string | null {
  const last = past.at(-1);
  return last === undefined || last.verdict === "pass" ? null : last.id;
}
