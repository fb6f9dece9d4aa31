/** The checks as reports show them: in groups, in words, counted. */
import { formatCount } from "../../text/format.ts";
import type { DrillCheck, Evidence, Verdict } from "../evidence/evidence.ts";

export type Outcome = DrillCheck["outcome"];

export const verdictWords = { pass: "PASS", fail: "FAIL", unverified: "COULD NOT VERIFY" } as const satisfies Record<Verdict, string>;
export const outcomeWords = { pass: "passed", fail: "failed", unverified: "not verified", "left-out": "left out" } as const satisfies Record<Outcome, string>;

export interface CheckGroup {
  readonly title: string;
  readonly checks: readonly DrillCheck[];
}

/** By the beginning of the check's id, up to a colon. What is not named here stands under {@link rest}. */
const groups: readonly (readonly [title: string, ids: readonly string[]])[] = [
  ["The backup", ["signature", "key", "hashes", "archive"]],
  ["The restore", ["provision", "scratch", "restore", "settings", "comparison"]],
  ["The copy, held against the truth of the dump's snapshot", ["rows", "digests", "sequences", "large-objects", "schema", "grants", "extensions", "collations", "migrations", "surroundings"]],
  ["Soundness of the copy", ["health", "amcheck"]],
  ["What the application expects", ["canary", "assertion", "smoke"]],
  ["What was promised", ["rpo", "rto"]],
  ["The drill itself", ["completed", "removed"]],
];
const rest = "Further checks";

/** What was asked for, in groups of a fixed order; none is empty. */
export function comparedGroups({ checks }: Evidence): CheckGroup[] {
  const titles = new Map(groups.flatMap(([title, ids]) => ids.map((id) => [id, title] as const)));
  const titleOf = ({ id }: DrillCheck): string => titles.get(id.split(":")[0] ?? id) ?? rest;
  const byTitle = Map.groupBy(checks.filter(({ outcome }) => outcome !== "left-out"), titleOf);
  return [...groups.map(([title]) => title), rest].flatMap((title) => ((found) => (found ? [{ title, checks: found }] : []))(byTitle.get(title)));
}

export function leftOut({ checks }: Evidence): DrillCheck[] {
  return checks.filter(({ outcome }) => outcome === "left-out");
}

/** What keeps the drill from passing, failures first. */
export function troubles({ checks }: Evidence): DrillCheck[] {
  return (["fail", "unverified"] as const).flatMap((wanted) => checks.filter(({ outcome }) => outcome === wanted));
}

export interface Trouble {
  readonly outcome: Outcome;
  readonly detail: string;
  /** `The schema is the same`, or `The schema is the same, and 3 more checks` where all have the same to say. */
  readonly title: string;
}

/** {@link troubles}, those of one cause together. */
export function troublesByCause(evidence: Evidence): Trouble[] {
  const byCause = Map.groupBy(troubles(evidence), ({ outcome, detail }) => `${outcome} ${detail}`);
  return [...byCause.values()].flatMap(([first, ...others]) => {
    if (first === undefined) return [];
    const more = others.length === 0 ? "" : `, and ${formatCount(others.length)} more ${others.length === 1 ? "check" : "checks"}`;
    return [{ outcome: first.outcome, detail: first.detail, title: `${first.title}${more}` }];
  });
}

/** `14 checks: 12 passed, 1 failed, 1 not verified; 2 left out`. */
export function tally({ checks }: Evidence): string {
  const count = (wanted: Outcome): number => checks.filter(({ outcome }) => outcome === wanted).length;
  const asked = checks.length - count("left-out");
  const counted = (["pass", "fail", "unverified"] as const).filter((outcome) => count(outcome) > 0).map((outcome) => `${formatCount(count(outcome))} ${outcomeWords[outcome]}`);
  const tail = count("left-out") > 0 ? `; ${formatCount(count("left-out"))} left out` : "";
  return `${formatCount(asked)} ${asked === 1 ? "check" : "checks"}${counted.length > 0 ? `: ${counted.join(", ")}` : ""}${tail}`;
}
