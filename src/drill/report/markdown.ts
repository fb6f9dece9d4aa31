/** report.md: what report.html says, for a repository, an issue or a wiki. A pure function of the evidence. */
import { formatCount, formatDuration, formatInstant, readable } from "../../text/format.ts";
import { codeBlock, markdown, type Markdown, markdownTable } from "../../text/markdown.ts";
import type { Evidence } from "../evidence/evidence.ts";
import { comparedGroups, leftOut, outcomeWords, tally, verdictWords } from "./checks.ts";
import { earlierDrills, type Fact, forecastText, headFacts, noActions, objectiveFacts, phaseFacts, recordFacts, trendFacts } from "./facts.ts";
import { certifyCommand, signaturePreparation, signatureScope, signatureSteps } from "./signature.ts";

const signs = { pass: "✅", fail: "❌", unverified: "❔", "left-out": "➖" } as const;

export function renderReportMarkdown(evidence: Evidence): string {
  const { database, summary, verdict } = evidence;
  return markdown`# ${signs[verdict]} ${verdictWords[verdict]}: restore drill of ${database}

**${verdictWords[verdict]}.** ${readable(summary)}

${factTable(["", ""], headFacts(evidence))}
All times are UTC.
${objectives(evidence)}${compared(evidence)}${omitted(evidence)}${phases(evidence)}${trend(evidence)}
## Forecast

${evidence.forecast?.missesObjective === true ? "❌ Will miss its objective" : "Next time"}: ${readable(forecastText(evidence))}
${record(evidence)}${signature(evidence)}`.toString();
}

function factTable(header: readonly [string, string], facts: readonly Fact[]): Markdown {
  return markdownTable(header, facts.map(({ term, value }) => [term, value]));
}

function objectives(evidence: Evidence): Markdown {
  const rows = objectiveFacts(evidence).map(({ name, meaning, measured, promised, met, judgement }) => [name, measured, promised, markdown`${met === null ? undefined : met ? "✅ " : "❌ "}${judgement}`, meaning]);
  return markdown`
## Promised and measured

${markdownTable(["Objective", "Measured", "Promised", "Outcome", "What is measured"], rows, [1, 2])}`;
}

function compared(evidence: Evidence): Markdown {
  const tables = comparedGroups(evidence).map(({ title, checks }) => markdown`
### ${title}

${markdownTable(["Check", "Outcome", "What came out", "Compared", "Time"], checks.map((check) => [check.title, `${signs[check.outcome]} ${outcomeWords[check.outcome]}`, readable(check.detail), check.compared === null ? "–" : formatCount(check.compared), formatDuration(check.seconds)]), [3, 4])}`);
  return markdown`
## What was compared

In all, ${tally(evidence)}.
${tables.length === 0 ? markdown`
Nothing was compared.
` : tables}`;
}

function omitted(evidence: Evidence): Markdown {
  const checks = leftOut(evidence);
  return markdown`
## What was left out, and why

${checks.length === 0 ? markdown`Nothing was left out.
` : markdownTable(["Check", "Why"], checks.map(({ title, detail }) => [title, readable(detail)]))}`;
}

function phases(evidence: Evidence): Markdown {
  const rows = phaseFacts(evidence).map(({ title, time, moved, rate }) => [title, time, moved, rate]);
  return markdown`
## Where the time went

${rows.length === 0 ? markdown`No phase was begun.
` : markdownTable(["Phase", "Time", "Moved", "Rate"], rows, [1, 2, 3])}`;
}

function trend(evidence: Evidence): Markdown {
  const drills = trendFacts(evidence);
  const earlier = earlierDrills(evidence);
  const rows = drills.toReversed().map(({ id, startedAt, verdict, time, size }) => [id, formatInstant(startedAt), `${signs[verdict]} ${outcomeWords[verdict]}`, time, size]);
  return markdown`
## Past drills

${drills.length < 2 ? markdown`None on record: there is no trend yet.
` : markdownTable(["Drill", "Began", "Verdict", "RTO", "Size"], rows, [3, 4])}${earlier === undefined ? undefined : markdown`
${earlier}
`}`;
}

function record(evidence: Evidence): Markdown {
  const { correctiveActions, scratchRemoved: { removed, detail } } = evidence;
  const actions = correctiveActions.map(({ action, owner, due }) => [action, owner ?? "nobody yet", due ?? "no date yet"]);
  return markdown`
## Record of the test

${factTable(["Asked", "Answer"], recordFacts(evidence))}
### Corrective actions

${actions.length === 0 ? markdown`${noActions(evidence)}
` : markdownTable(["Action", "Owner", "Due"], actions)}
### Review by management

${markdownTable(["Reviewed by", "Position", "Date", "Signature"], [["", "", "", ""]])}
Or signed beside the evidence:

${codeBlock([certifyCommand(evidence)])}
## Scratch removed

${removed ? "✅ removed" : "❌ not removed"}: ${readable(detail)}
`;
}

function signature(evidence: Evidence): Markdown {
  return markdown`
## How to check the signature

${signaturePreparation}

${codeBlock(signatureSteps(evidence).flatMap(({ proves, command, prints }) => [`# ${proves}; prints ${prints}`, command]))}
${signatureScope}
`;
}
