import { describe, expect, test } from "vitest";

import type { Evidence } from "../../../src/drill/evidence/evidence.ts";
import { comparedGroups, leftOut, tally, troubles, troublesByCause } from "../../../src/drill/report/checks.ts";
import { earlierDrills, forecastText, noActions, objectiveFacts, performer, phaseFacts, recordFacts, trendFacts } from "../../../src/drill/report/facts.ts";
import { renderReportHtml } from "../../../src/drill/report/html.ts";
import { renderReportJunit } from "../../../src/drill/report/junit.ts";
import { renderReportMarkdown } from "../../../src/drill/report/markdown.ts";
import { checkOf, evidenceOf, failedEvidence, unverifiedEvidence } from "./evidence-fixture.ts";

const pairs = (evidence: Evidence): Record<string, string> => Object.fromEntries(recordFacts(evidence).map(({ term, value }) => [term, value]));

describe("checks", () => {
  test("each that was asked for is in one group, and those that were left out are in none", () => {
    const evidence = evidenceOf({ checks: [checkOf("rows"), checkOf("assertion:b"), checkOf("signature"), checkOf("amcheck", { outcome: "left-out" }), checkOf("new:check")] });
    expect(comparedGroups(evidence).map(({ title, checks }) => [title, checks.map(({ id }) => id)])).toEqual([
      ["The backup", ["signature"]],
      ["The copy, held against the truth of the dump's snapshot", ["rows"]],
      ["What the application expects", ["assertion:b"]],
      ["Further checks", ["new:check"]],
    ]);
    expect(leftOut(evidence).map(({ id }) => id)).toEqual(["amcheck"]);
  });

  test("failures come before what could not be verified", () => {
    const evidence = evidenceOf({ checks: [checkOf("rows", { outcome: "unverified" }), checkOf("schema", { outcome: "fail" }), checkOf("grants")] });
    expect(troubles(evidence).map(({ id }) => id)).toEqual(["schema", "rows"]);
  });

  test("those that failed of one cause are told once", () => {
    const evidence = evidenceOf({ checks: [checkOf("a", { outcome: "unverified", detail: "no scratch" }), checkOf("b", { outcome: "fail", detail: "no scratch" }), checkOf("c", { outcome: "unverified", detail: "no scratch" }), checkOf("d", { outcome: "unverified", detail: "no key" })] });
    expect(troublesByCause(evidence)).toEqual([
      { outcome: "fail", detail: "no scratch", title: "checks b" },
      { outcome: "unverified", detail: "no scratch", title: "checks a, and 1 more check" },
      { outcome: "unverified", detail: "no key", title: "checks d" },
    ]);
  });

  test.each([
    [["pass"], "1 check: 1 passed"],
    [["pass", "fail", "unverified", "left-out", "pass"], "4 checks: 2 passed, 1 failed, 1 not verified; 1 left out"],
    [["left-out"], "0 checks; 1 left out"],
    [[], "0 checks"],
  ] as const)("%j are counted", (found, said) => {
    expect(tally(evidenceOf({ checks: found.map((outcome, index) => checkOf(String(index), { outcome })) }))).toBe(said);
  });
});

describe("objectives", () => {
  test("are met, missed by so much, or were never promised", () => {
    const of = (seconds: number, objectiveSeconds: number | null) => ({ seconds, objectiveSeconds, met: objectiveSeconds === null ? null : seconds <= objectiveSeconds });
    const evidence = (seconds: number, objective: number | null) => objectiveFacts(evidenceOf({ rto: of(seconds, objective), rpo: null })).map(({ measured, promised, judgement }) => `${measured}, ${promised}: ${judgement}`);
    expect([evidence(20, 20), evidence(8_000, 7_200), evidence(8_000, null)]).toEqual([["20 s, at most 20 s: met"], ["2 h 13 min, at most 2 h: missed by 13 min 20 s"], ["2 h 13 min, –: nothing promised"]]);
  });

  test("the time of a drill that stopped halfway is not called a recovery's", () => {
    expect(objectiveFacts(unverifiedEvidence())[0]?.meaning).toBe("until the drill could go no further; a whole recovery takes longer");
  });
});

test("phases follow one another, with rates where something moved in some time", () => {
  const evidence = evidenceOf({ phases: [{ id: "fetch", seconds: 2, bytes: 400_000_000 }, { id: "provision", seconds: 0.5, bytes: null }, { id: "restore", seconds: 0, bytes: 5 }] });
  expect(phaseFacts(evidence).map(({ start, time, moved, rate }) => [start, time, moved, rate])).toEqual([[0, "2 s", "400 MB", "200 MB/s"], [2, "0.5 s", "–", "–"], [2.5, "0 s", "5 B", "–"]]);
});

test("the trend ends with this drill, and says how many it leaves out", () => {
  const drill = evidenceOf().history[0]!;
  const evidence = evidenceOf({ history: Array.from({ length: 30 }, (_, index) => ({ ...drill, id: `d${index}` })) });
  expect(trendFacts(evidence).map(({ id }) => id)).toEqual([...Array.from({ length: 23 }, (_, index) => `d${index + 7}`), evidence.id]);
  expect([earlierDrills(evidence), earlierDrills(evidenceOf())]).toEqual(["7 earlier drills are not shown.", undefined]);
});

describe("the record", () => {
  test("says who, for whom and why, and what was not said", () => {
    expect(pairs(evidenceOf())).toMatchObject({ "Requirement": "45 CFR 164.308(a)(7)(ii)(D)", "Plan tested": "Contingency plan 4.2, section “Restoring the EHR”", "Reason": "monthly drill", "Performed by": "Anna Weber (as holdfast on drill-1.clinic.example), with Holdfast 0.1.0", "Result": "PASS: 16 checks: 16 passed; 2 left out" });
    expect(pairs(unverifiedEvidence())).toMatchObject({ "Plan tested": "not named in the configuration", "Reason": "none given", "Method": "nothing was restored", "Retest of": "none: this drill repeats no failed one" });
    expect(performer(unverifiedEvidence())).toBe("holdfast on drill-1.clinic.example");
  });

  test("has no line about a backup that there is not", () => {
    expect(Object.keys(pairs(evidenceOf({ backup: null, rpo: null })))).not.toContain("Its manifest");
    expect(pairs(evidenceOf({ backup: null, rpo: null }))).toMatchObject({ "Backup tested": "none could be chosen" });
  });

  test("a drill that did not pass needs a corrective action", () => {
    expect([noActions(evidenceOf()), noActions(failedEvidence())]).toEqual(["None needed: the drill passed.", "None recorded yet. A drill that did not pass needs at least one, with an owner and a date, and a retest."]);
  });

  test("a forecast says what it is based on", () => {
    expect([forecastText(evidenceOf({ forecast: { seconds: 9, basedOn: 1, missesObjective: null, text: "About 9 s" } })), forecastText(unverifiedEvidence())]).toEqual(["About 9 s. Based on 1 drill.", "None: it takes past drills to foresee the next one."]);
  });
});

describe("a drill that compared nothing", () => {
  const nothing = evidenceOf({ checks: [checkOf("amcheck", { outcome: "left-out" })], phases: [], backup: null, rpo: null, method: null, forecast: null, history: [], previous: null, summary: "Could not verify: nothing was compared." });

  test("could not verify", () => {
    expect(nothing.verdict).toBe("unverified");
  });

  test("is an error to what reads JUnit", () => {
    const junit = renderReportJunit(nothing);
    expect(junit).toContain('tests="2" failures="0" errors="1" skipped="1"');
    expect(junit).toContain('<error type="verdict" message="Could not verify: nothing was compared.">');
  });

  test("says so on the page and in Markdown", () => {
    for (const report of [renderReportHtml(nothing), renderReportMarkdown(nothing)]) {
      for (const said of ["COULD NOT VERIFY", "Nothing was compared.", "No phase was begun.", "None on record: there is no trend yet."]) expect(report).toContain(said);
    }
  });
});

describe("JUnit", () => {
  test("counts failures, errors and what was skipped", () => {
    expect(renderReportJunit(evidenceOf())).toContain('tests="18" failures="0" errors="0" skipped="2"');
    expect(renderReportJunit(failedEvidence())).toContain('tests="18" failures="4" errors="0" skipped="2"');
    expect(renderReportJunit(unverifiedEvidence())).toContain('tests="18" failures="0" errors="13" skipped="2"');
  });

  test("a verdict that no check explains is a failure of its own", () => {
    expect(renderReportJunit(evidenceOf({ verdict: "fail", summary: "The scratch was not removed." }))).toContain('<failure type="verdict" message="The scratch was not removed.">');
  });
});
