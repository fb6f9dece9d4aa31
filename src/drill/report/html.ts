/** report.html: one file that asks for nothing, on paper, on a phone, by day and by night. A pure function of the evidence. */
import { createHash } from "node:crypto";

import { html, type Html } from "../../text/markup.ts";
import type { Evidence } from "../evidence/evidence.ts";
import { gauge } from "./chart.ts";
import { outcomeWords, troublesByCause, verdictWords } from "./checks.ts";
import { headFacts, type ObjectiveFact, objectiveFacts } from "./facts.ts";
import { comparedSection, leftOutSection } from "./html-checks.ts";
import { badge, definitions, icon, moment, prose, section } from "./html-parts.ts";
import { recordSection, scratchSection, signatureSection } from "./html-record.ts";
import { forecastSection, phasesSection, trendSection } from "./html-times.ts";
import { style } from "./style.ts";

/** Forbids every request and script; the one style is allowed by its digest. */
const policy = `default-src 'none'; style-src 'sha256-${createHash("sha256").update(style.toString()).digest("base64")}'; img-src data:; base-uri 'none'; form-action 'none'`;

export function renderReportHtml(evidence: Evidence): string {
  const { database, startedAt, verdict } = evidence;
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>${verdictWords[verdict]}: restore drill of ${database}, ${startedAt.slice(0, 10)}</title>
<link rel="icon" href="data:,">
<style>${style}</style>
</head>
<body>
<header class="masthead"><p>Restore drill of <bdi>${database}</bdi></p><p>${moment(startedAt)}</p></header>
<main>
${verdictSection(evidence)}${section("objectives", "Promised and measured", html`<div class="objectives">${objectiveFacts(evidence).map(objectiveCard)}</div>
`)}${comparedSection(evidence)}${leftOutSection(evidence)}${phasesSection(evidence)}${trendSection(evidence)}${forecastSection(evidence)}${recordSection(evidence)}${scratchSection(evidence)}${signatureSection(evidence)}</main>
<footer><p>Made by Holdfast ${evidence.performedBy.holdfast} from the evidence of drill <bdi>${evidence.id}</bdi>. All times are UTC.</p></footer>
</body>
</html>
`;
  return page.toString();
}

const shownTroubles = 4;

function verdictSection(evidence: Evidence): Html {
  const { verdict, summary } = evidence;
  const found = troublesByCause(evidence);
  const more = found.length - shownTroubles;
  const list = found.length === 0 ? undefined : html`<ul class="troubles">
${found.slice(0, shownTroubles).map(({ title, detail, outcome }) => html`<li class="${outcome}">${icon(outcome)}<div><p><strong>${outcomeWords[outcome]}:</strong> ${title}</p><p>${prose(detail)}</p></div></li>
`)}</ul>
${more > 0 ? html`<p class="more">and ${more} more below</p>
` : undefined}`;
  return html`<section class="verdict ${verdict}" aria-labelledby="verdict">
<h1 id="verdict">${icon(verdict)}<span>${verdictWords[verdict]}</span></h1>
<p class="summary">${prose(summary)}</p>
${list}${definitions("head", headFacts(evidence))}</section>
`;
}

function objectiveCard({ name, meaning, seconds, measured, promisedSeconds, promised, met, judgement }: ObjectiveFact): Html {
  const tone = met === null ? "left-out" : met ? "pass" : "fail";
  return html`<div class="objective ${tone}">
<h3>${name}</h3>
<p class="figure">${measured}</p>
<p class="promise">${promisedSeconds === null ? undefined : html`<span>promised: ${promised}</span>`}${badge(tone, judgement)}</p>
${promisedSeconds === null ? undefined : gauge(`${name}: ${measured} measured, ${promised} promised`, seconds, promisedSeconds)}
<p class="meaning">${meaning}</p>
</div>
`;
}
