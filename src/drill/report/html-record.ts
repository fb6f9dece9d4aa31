/** What an auditor takes along: the record, who mends what, the review, the proof that nothing was left, the signature. */
import { html, type Html } from "../../text/markup.ts";
import type { Evidence } from "../evidence/evidence.ts";
import { noActions, recordFacts } from "./facts.ts";
import { badge, definitions, prose, section, table } from "./html-parts.ts";
import { certifyCommand, signaturePreparation, signatureScope, signatureSteps } from "./signature.ts";

export function recordSection(evidence: Evidence): Html {
  return section("record", "Record of the test", definitions("record", recordFacts(evidence)), actions(evidence), review(evidence));
}

function actions(evidence: Evidence): Html {
  const { correctiveActions } = evidence;
  const columns = [{ title: "Action" }, { title: "Owner" }, { title: "Due" }];
  const rows = correctiveActions.map(({ action, owner, due }) => [action, owner ?? "nobody yet", due ?? "no date yet"]);
  return html`<h3>Corrective actions</h3>
${rows.length === 0 ? html`<p>${noActions(evidence)}</p>
` : table("actions", "What has to be mended, by whom and until when", columns, [{ rows }])}`;
}

function review(evidence: Evidence): Html {
  return html`<h3>Review by management</h3>
<p>Signed on paper here, or beside the evidence with <code>${certifyCommand(evidence)}</code>.</p>
<dl class="review"><div><dt>Reviewed by</dt><dd></dd></div><div><dt>Position</dt><dd></dd></div><div><dt>Date</dt><dd></dd></div><div><dt>Signature</dt><dd></dd></div></dl>
`;
}

export function scratchSection({ scratchRemoved: { removed, detail } }: Evidence): Html {
  return section("scratch", "Scratch removed", html`<p class="scratch">${badge(removed ? "pass" : "fail", removed ? "removed" : "not removed")} <span>${prose(detail)}</span></p>
`);
}

export function signatureSection(evidence: Evidence): Html {
  return section("signature", "How to check the signature", html`<p>${signaturePreparation}</p>
<ol class="steps">
${signatureSteps(evidence).map(({ proves, command, prints }) => html`<li><p>${proves}</p><pre tabindex="0"><code>${command}</code></pre><p class="prints">prints <code>${prints}</code></p></li>
`)}</ol>
<p>${signatureScope}</p>
`);
}
