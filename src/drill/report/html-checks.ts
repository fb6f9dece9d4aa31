/** What report.html says of each check. */
import { formatCount, formatDuration } from "../../text/format.ts";
import { html, type Html } from "../../text/markup.ts";
import type { DrillCheck, Evidence } from "../evidence/evidence.ts";
import { comparedGroups, leftOut, outcomeWords, tally } from "./checks.ts";
import { badge, prose, section, table } from "./html-parts.ts";

export function comparedSection(evidence: Evidence): Html {
  const groups = comparedGroups(evidence);
  const columns = [{ title: "Check" }, { title: "Outcome" }, { title: "What came out" }, { title: "Compared", kind: "number" }, { title: "Time", kind: "number" }] as const;
  const content = groups.length === 0 ? html`<p>Nothing was compared.</p>
` : table("checks", tally(evidence), columns, groups.map(({ title, checks }) => ({ title, rows: checks.map(checkRow) })));
  return section("compared", "What was compared", content);
}

function checkRow({ title, outcome, detail, compared, seconds }: DrillCheck): (Html | string)[] {
  return [title, badge(outcome, outcomeWords[outcome]), prose(detail), compared === null ? "–" : formatCount(compared), formatDuration(seconds)];
}

export function leftOutSection(evidence: Evidence): Html {
  const checks = leftOut(evidence);
  const content = checks.length === 0 ? html`<p>Nothing was left out.</p>
` : table("left", "These prove nothing, neither for the backup nor against it.", [{ title: "Check" }, { title: "Why" }], [{ rows: checks.map(({ title, detail }) => [title, prose(detail)]) }]);
  return section("left-out", "What was left out, and why", content);
}
