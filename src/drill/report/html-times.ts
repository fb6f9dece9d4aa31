/** Where the time went, in this drill and over the drills before it. */
import { formatBytes, formatDuration } from "../../text/format.ts";
import { html, type Html } from "../../text/markup.ts";
import type { Evidence } from "../evidence/evidence.ts";
import { columnChart, decimalSteps, isDrawn, secondSteps, spanBar } from "./chart.ts";
import { outcomeWords } from "./checks.ts";
import { earlierDrills, forecastText, phaseFacts, type TrendFact, trendFacts } from "./facts.ts";
import { badge, moment, prose, section, table } from "./html-parts.ts";

export function phasesSection(evidence: Evidence): Html {
  const phases = phaseFacts(evidence);
  if (phases.length === 0) return section("phases", "Where the time went", html`<p>No phase was begun.</p>
`);
  const total = phases.reduce((sum, { seconds }) => sum + seconds, 0);
  const columns = [{ title: "Phase" }, { title: "When", kind: "bar" }, { title: "Time", kind: "number" }, { title: "Moved", kind: "number" }, { title: "Rate", kind: "number" }] as const;
  const rows = phases.map(({ title, start, seconds, time, moved, rate }) => [title, spanBar(start, seconds, total), time, moved, rate]);
  return section("phases", "Where the time went", table("phases", `${formatDuration(total)} in all, one phase after the other`, columns, [{ rows }]));
}

export function trendSection(evidence: Evidence): Html {
  const drills = trendFacts(evidence);
  if (drills.length < 2) return section("trend", "Past drills", html`<p>None on record: there is no trend yet.</p>
`);
  const { objectiveSeconds } = evidence.rto;
  const columns = [{ title: "Drill" }, { title: "Began" }, { title: "Verdict" }, { title: "RTO", kind: "number" }, { title: "Size", kind: "number" }] as const;
  const rows = drills.toReversed().map(({ id, startedAt, verdict, time, size }) => [html`<span class="id">${id}</span>`, moment(startedAt), badge(verdict, outcomeWords[verdict]), time, size]);
  return section("trend", "Past drills",
    html`<div class="trends">
${trendChart("Recovery time", drills, ({ seconds }) => seconds, secondSteps, formatDuration, objectiveSeconds ?? undefined)}${trendChart("Size of the dump", drills, ({ bytes }) => bytes, decimalSteps, formatBytes)}</div>
<p class="legend">The last column is this drill. A hollow column did not pass: × failed, ? could not verify.</p>
`,
    table("trend", ["The drills in numbers, newest first.", earlierDrills(evidence)].filter((text) => text !== undefined).join(" "), columns, [{ rows }]));
}

function trendChart(title: string, drills: readonly TrendFact[], valueOf: (drill: TrendFact) => number | null, steps: readonly number[], format: (value: number) => string, limit?: number): Html {
  const points = drills.map((drill) => ((value) => ({ value, tone: drill.verdict, label: `${drill.startedAt.slice(0, 10)}: ${value === null ? "unknown" : format(value)}, ${outcomeWords[drill.verdict]}` }))(valueOf(drill)));
  const ends = [drills[0], drills.at(-1)].map((drill) => drill?.startedAt.slice(0, 10) ?? "") as [string, string];
  const label = `${title} of ${drills.length} drills. ${points.map((point) => point.label).join("; ")}.${limit === undefined ? "" : ` Promised: at most ${format(limit)}.`}`;
  const line = isDrawn(limit, Math.max(...drills.map((drill) => valueOf(drill) ?? 0))) ? "dashed" : "above the chart";
  return html`<figure><figcaption>${title}${limit === undefined ? undefined : html` <span>promised: ${format(limit)}, ${line}</span>`}</figcaption>
${columnChart({ label, points, steps, format, limit, ends })}</figure>
`;
}

export function forecastSection(evidence: Evidence): Html {
  const misses = evidence.forecast?.missesObjective === true ? html`<p>${badge("fail", "will miss its objective")}</p>
` : undefined;
  return section("forecast", "Forecast", misses, html`<p>${prose(forecastText(evidence))}</p>
`);
}
