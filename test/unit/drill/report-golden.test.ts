/** The three reports, byte by byte. After a wanted change: `npx vitest run test/unit/drill -u`, and read the difference. */
import { describe, expect, test } from "vitest";

import { renderReportHtml } from "../../../src/drill/report/html.ts";
import { renderReportJunit } from "../../../src/drill/report/junit.ts";
import { renderReportMarkdown } from "../../../src/drill/report/markdown.ts";
import { evidenceOf, failedEvidence, unverifiedEvidence } from "./evidence-fixture.ts";

describe.each([
  ["pass", evidenceOf()],
  ["fail", failedEvidence()],
  ["unverified", unverifiedEvidence()],
])("the reports of a drill whose verdict is %s", (verdict, evidence) => {
  test("the fixture has that verdict", () => {
    expect(evidence.verdict).toBe(verdict);
  });

  test.each([
    ["html", renderReportHtml],
    ["md", renderReportMarkdown],
    ["xml", renderReportJunit],
  ])("%s is as it was", async (extension, render) => {
    await expect(render(evidence)).toMatchFileSnapshot(`golden/report-${verdict}.${extension}`);
  });
});
