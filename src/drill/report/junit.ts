/** junit.xml: each check a test case, for whatever already watches test results. */
import { xml, type Xml } from "../../text/markup.ts";
import type { DrillCheck, Evidence } from "../evidence/evidence.ts";
import { comparedGroups, leftOut, troubles, verdictWords } from "./checks.ts";

/** A check that could not be done is an error, one that was left out is skipped; a drill that did not pass is never green. */
export function renderReportJunit(evidence: Evidence): string {
  const { checks, database, performedBy, startedAt, phases } = evidence;
  const named = [...comparedGroups(evidence), { title: "Left out", checks: leftOut(evidence) }];
  const verdict = verdictCase(evidence);
  const count = (outcome: DrillCheck["outcome"]): number => checks.filter((check) => check.outcome === outcome).length + (verdict?.outcome === outcome ? 1 : 0);
  const seconds = phases.reduce((sum, phase) => sum + phase.seconds, 0);
  const totals = xml`tests="${checks.length + (verdict === undefined ? 0 : 1)}" failures="${count("fail")}" errors="${count("unverified")}" skipped="${count("left-out")}" time="${seconds.toFixed(3)}"`;
  const suite = xml`<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="holdfast drill" ${totals}>
  <testsuite name="restore drill of ${database}" hostname="${performedBy.host}" timestamp="${startedAt.slice(0, 19)}" ${totals}>
    <properties>
${properties(evidence).map(([name, value]) => xml`      <property name="${name}" value="${value}"/>
`)}    </properties>
${named.map(({ title, checks: grouped }) => grouped.map((check) => testCase(database, title, check)))}${verdict && testCase(database, "Verdict", verdict)}  </testsuite>
</testsuites>
`;
  return suite.toString();
}

function properties({ id, verdict, summary, backup, requirement, rto, rpo, signer }: Evidence): (readonly [name: string, value: string | number])[] {
  return [
    ["drill", id], ["verdict", verdict], ["summary", summary], ["requirement", requirement], ["backup", backup?.id ?? "none"],
    ["rto.seconds", rto.seconds], ["rto.objectiveSeconds", rto.objectiveSeconds ?? "none"],
    ["rpo.seconds", rpo?.seconds ?? "none"], ["rpo.objectiveSeconds", rpo?.objectiveSeconds ?? "none"], ["signer", signer],
  ];
}

/** Stands in where no check tells why the drill did not pass, as when nothing was compared at all. */
function verdictCase(evidence: Evidence): DrillCheck | undefined {
  const { verdict, summary } = evidence;
  if (verdict === "pass" || troubles(evidence).length > 0) return undefined;
  return { id: "verdict", title: `The verdict is ${verdictWords[verdict]}`, outcome: verdict, detail: summary, compared: null, seconds: 0 };
}

function testCase(database: string, group: string, { id, title, outcome, detail, seconds }: DrillCheck): Xml {
  const open = xml`    <testcase classname="holdfast.drill.${database}.${group}" name="${title} (${id})" time="${seconds.toFixed(3)}">
`;
  const close = xml`    </testcase>
`;
  if (outcome === "fail") return xml`${open}      <failure type="${id}" message="${detail}">${detail}</failure>
${close}`;
  if (outcome === "unverified") return xml`${open}      <error type="${id}" message="${detail}">${detail}</error>
${close}`;
  if (outcome === "left-out") return xml`${open}      <skipped message="${detail}"/>
${close}`;
  return xml`${open}      <system-out>${detail}</system-out>
${close}`;
}
