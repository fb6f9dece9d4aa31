/** report.html in a real browser: wide, narrow, by night and on paper. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";

import type { Evidence } from "../../src/drill/evidence/evidence.ts";
import { renderReportHtml } from "../../src/drill/report/html.ts";
import { renderReportJunit } from "../../src/drill/report/junit.ts";
import { openBrowser, openFile, type View } from "../harness/browser.ts";
import { checkOf, checksWith, evidenceOf, failedEvidence, unverifiedEvidence } from "../unit/drill/evidence-fixture.ts";

let browser: Browser;
let auditScript: string;
beforeAll(async () => {
  browser = await openBrowser();
  auditScript = await readFile(join(import.meta.dirname, "audit.js"), "utf8");
});
afterAll(() => browser.close());

const audited = z.object({ problems: z.array(z.string()), ground: z.string(), verdictBottom: z.number() });
const audit = async (page: Page) => audited.parse(await page.evaluate(auditScript));

const views: readonly View[] = [
  { width: 1280, height: 800, scheme: "light" },
  { width: 1280, height: 800, scheme: "dark" },
  { width: 640, height: 800, scheme: "light" },
  { width: 360, height: 740, scheme: "light" },
  { width: 360, height: 740, scheme: "dark" },
  { width: 320, height: 568, scheme: "light" },
  { width: 680, height: 900, scheme: "dark", media: "print" },
];
const named = (view: View): string => `${view.width} px, ${view.media ?? view.scheme}`;

const long = "aVeryLongNameWithoutAnyPlaceToBreakIt_".repeat(12);
const markup = `"><img src=http://127.0.0.1:9/x onerror="document.title='taken over'"><script>alert(1)</script>`;

/** Every text as long as it gets, all numbers large, a trend longer than is shown. */
function crowded(): Evidence {
  const drill = evidenceOf().history[0]!;
  return failedEvidence({
    id: long, database: long, plan: long, reason: markup, summary: `${long} ${markup}`, repository: { id: long, url: `s3://${long}` }, signer: long,
    performedBy: { user: long, host: long, operator: `\u202e${long} ${markup}`, holdfast: "0.1.0" },
    checks: [...checksWith(), ...["fail", "unverified", "left-out"].map((outcome, index) => checkOf(`assertion:${index}${long}`, { title: long, detail: `${long} ${markup} מרפאה`, outcome: outcome as "fail", compared: 123_456_789_012, seconds: 8_000 }))],
    phases: evidenceOf().phases.map((phase) => ({ ...phase, seconds: 123_456, bytes: 9_876_543_210_987 })),
    rto: { seconds: 740_736, objectiveSeconds: 7_200, met: false },
    correctiveActions: [{ action: `${long} ${markup}`, owner: long, due: "2026-12-01" }],
    history: Array.from({ length: 40 }, (_, index) => ({ ...drill, id: `${long}${index}`, rtoSeconds: 700_000 + index, verdict: (["pass", "fail", "unverified"] as const)[index % 3]! })),
  });
}

const cases: readonly (readonly [name: string, verdict: string, evidence: () => Evidence])[] = [
  ["a drill that passed", "PASS", evidenceOf],
  ["a drill that failed", "FAIL", failedEvidence],
  ["a drill that could not verify", "COULD NOT VERIFY", unverifiedEvidence],
  ["a drill full of long and hostile texts", "FAIL", crowded],
];

describe.each(cases)("the report of %s", (_name, verdict, evidence) => {
  test.each(views.map((view) => [named(view), view] as const))("is whole and readable at %s", async (_title, view) => {
    const { page, url, requests, complaints } = await openFile(browser, "report.html", renderReportHtml(evidence()), view);
    const { problems, verdictBottom } = await audit(page);
    expect(problems).toEqual([]);
    expect(complaints).toEqual([]);
    expect(requests).toEqual([url]);
    expect(await page.locator("h1").innerText()).toBe(verdict);
    expect(verdictBottom).toBeLessThan(view.height);
    expect(await page.title()).toContain(`${verdict}: restore drill of`);
  });

  test.each(["A4", "Letter"])("is printed on %s without losing its end", async (format) => {
    const { page } = await openFile(browser, "report.html", renderReportHtml(evidence()), { width: 1280, height: 800, scheme: "dark" });
    const pdf = await page.pdf({ format, printBackground: false });
    expect(pdf.subarray(0, 5).toString()).toBe("%PDF-");
    expect(pdf.toString("latin1").match(/\/Type \/Page\b/g)?.length).toBeGreaterThan(2);
  });
});

test("the page is dark by night, and white on paper even then", async () => {
  const grounds: string[] = [];
  for (const view of [views[0]!, views[1]!, views[6]!]) {
    const { page } = await openFile(browser, "report.html", renderReportHtml(evidenceOf()), view);
    grounds.push((await audit(page)).ground);
  }
  expect(grounds).toEqual(["rgb(253, 252, 250)", "rgb(20, 23, 26)", "rgb(255, 255, 255)"]);
});

test("a verdict and an outcome are told by a word and a shape, not by their colour", async () => {
  const { page } = await openFile(browser, "report.html", renderReportHtml(failedEvidence()), views[0]!);
  for (const badge of await page.locator("h1, .badge").all()) {
    expect(await badge.innerText()).toMatch(/^(FAIL|passed|failed|not verified|met|missed by .+|removed|not removed|will miss its objective)$/);
    expect(await badge.locator("svg path").count()).toBe(1);
  }
});

describe("should somebody get markup into the file after all, its own policy", () => {
  const report = renderReportHtml(evidenceOf());

  test.each([
    ["a script", `<script>document.title = "taken over"</script>`, "script-src"],
    ["a script from elsewhere", `<script src="http://127.0.0.1:9/x.js"></script>`, "script-src"],
    ["a handler", `<img alt="x" src="data:," onerror="document.title = 'taken over'">`, "script-src"],
    ["a picture from elsewhere", `<img alt="x" src="http://127.0.0.1:9/x.png">`, "img-src"],
    ["a style", `<style>main { display: none }</style>`, "style-src"],
    ["a style from elsewhere", `<link rel="stylesheet" href="http://127.0.0.1:9/x.css">`, "style-src"],
    ["a frame", `<iframe title="x" src="http://127.0.0.1:9/"></iframe>`, "frame-src"],
    ["another base for its links", `<base href="http://127.0.0.1:9/">`, "base-uri"],
  ])("refuses %s", async (_name, injected, directive) => {
    const { page, complaints } = await openFile(browser, "report.html", report.replace("</main>", `${injected}</main>`), views[0]!);
    expect(complaints).toEqual([expect.stringMatching(new RegExp(`Content Security Policy directive:? .*(?:${directive}|'${directive}' was not explicitly set)`))]);
    expect(await page.title()).toContain("PASS: restore drill of ehr");
    expect(await page.locator("main").isVisible()).toBe(true);
  });

  test("sends no form", async () => {
    const form = `<form action="http://127.0.0.1:9/"><button>send</button></form>`;
    const { page, url, requests, complaints } = await openFile(browser, "report.html", report.replace("</main>", `${form}</main>`), views[0]!);
    await page.locator("button").click({ noWaitAfter: true });
    await expect.poll(() => complaints.join("\n"), { timeout: 10_000 }).toContain("form-action 'none'");
    expect(requests).toEqual([url]);
  });
});

test.each([
  ["a table without a caption", (html: string) => html.replace(/<caption>.*?<\/caption>/, ""), "a table without a caption"],
  ["a heading that skips a level", (html: string) => html.replaceAll("h2", "h4"), "h4 after h1"],
  ["a chart without an alternative", (html: string) => html.replace(/(<svg class="gauge"[^>]*) aria-label="[^"]*"/, "$1"), 'a picture without an alternative: <svg>'],
  ["something too wide", (html: string) => html.replace("</main>", '<svg aria-hidden="true" width="2000" height="1"></svg></main>'), "2016 px wide in a window of 360 px"],
  ["two main parts", (html: string) => html.replace("<footer>", "<main></main><footer>"), "2 of main"],
  ["grey on grey", (html: string) => html.replace(/<meta http-equiv[^>]*>/, "").replace("</style>", "footer p{color:#999}</style>"), "rgb(153, 153, 153) on rgb(253, 252, 250) has a contrast of"],
])("the audit finds %s", async (_name, spoil, problem) => {
  const whole = renderReportHtml(evidenceOf());
  expect(spoil(whole)).not.toBe(whole);
  const { page } = await openFile(browser, "report.html", spoil(whole), views[3]!);
  expect((await audit(page)).problems.join("\n")).toContain(problem);
});

describe("junit.xml as an XML parser reads it", () => {
  const cases = z.object({ error: z.string().nullable(), cases: z.number(), failures: z.number(), errors: z.number(), skipped: z.number(), names: z.array(z.string()) });
  const read = async (xml: string) => {
    const { page } = await openFile(browser, "empty.html", "<!doctype html><title>empty</title>", views[0]!);
    return cases.parse(await page.evaluate(`(() => {
      const xml = new DOMParser().parseFromString(${JSON.stringify(xml)}, "application/xml");
      const count = (name) => xml.querySelectorAll(name).length;
      return { error: xml.querySelector("parsererror")?.textContent ?? null, cases: count("testcase"), failures: count("failure"), errors: count("error"), skipped: count("skipped"), names: [...xml.querySelectorAll("testcase")].map((one) => one.getAttribute("name")) };
    })()`));
  };

  test.each([
    ["passed", evidenceOf, { cases: 18, failures: 0, errors: 0, skipped: 2 }],
    ["failed", failedEvidence, { cases: 18, failures: 4, errors: 0, skipped: 2 }],
    ["could not verify", unverifiedEvidence, { cases: 18, failures: 0, errors: 13, skipped: 2 }],
    ["is full of hostile texts", crowded, { cases: 21, failures: 1, errors: 1, skipped: 3 }],
  ])("is valid for a drill that %s", async (_name, evidence, counts) => {
    expect(await read(renderReportJunit(evidence()))).toMatchObject({ error: null, ...counts });
  });

  test("keeps hostile names as they are, but for what XML cannot hold", async () => {
    const title = `<a href='x'>&amp;</a> ]]> "q" \u0007\u202e`;
    expect((await read(renderReportJunit(evidenceOf({ checks: [checkOf("rows", { title })] })))).names).toEqual([`<a href='x'>&amp;</a> ]]> "q" \ufffd\ufffd (rows)`]);
  });

  test("a broken one is found out", async () => {
    expect((await read(renderReportJunit(evidenceOf()).replace("</testsuite>", ""))).error).toContain("Unexpected closing tag");
  });
});
