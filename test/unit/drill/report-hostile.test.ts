/** Whatever stands in the evidence, the reports keep their structure: a text can only be read. */
import fc from "fast-check";
import { expect, test } from "vitest";

import { type Evidence, evidenceSchema } from "../../../src/drill/evidence/evidence.ts";
import { renderReportHtml } from "../../../src/drill/report/html.ts";
import { renderReportJunit } from "../../../src/drill/report/junit.ts";
import { renderReportMarkdown } from "../../../src/drill/report/markdown.ts";
import { failedEvidence } from "./evidence-fixture.ts";

/** Every text of the evidence that is free to be anything, replaced. Ids of checks keep their beginning, by which they are grouped. */
function withTexts(text: string): Evidence {
  const fixed = new Set(["kind", "startedAt", "finishedAt", "snapshotAt", "manifestSha256", "sha256", "outcome", "verdict", "provider", "due"]);
  const walk = (value: unknown, key: string, parents: readonly string[]): unknown => {
    if (Array.isArray(value)) return value.map((item) => walk(item, key, parents));
    if (typeof value === "object" && value !== null) return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, walk(item, name, [...parents, name])]));
    if (typeof value !== "string" || fixed.has(key) || (key === "id" && parents.includes("phases"))) return value;
    return key === "id" && parents.includes("checks") ? `${value}:${text}` : text;
  };
  return evidenceSchema.parse(walk(failedEvidence(), "", []));
}

const skeleton = (markup: string): string[] => (markup.match(/<[^>]*>/g) ?? []).map((tag) => tag.replaceAll(/"[^"]*"/g, '""'));
/** Unescaped bars a line; a block of commands is one line with none. */
const cells = (markdown: string): number[] => markdown.replaceAll(/^(`{3,})sh\n[\s\S]*?\n\1$/gm, "commands").split("\n").map((line) => (line.match(/(?<!\\)\|/g) ?? []).length);

const hostile = [
  "<script>alert(document.domain)</script>",
  `"><img src=x onerror=alert(1)>`,
  "' onmouseover='alert(1)",
  "</style><style>*{display:none}",
  "]]></failure><testcase name='all is well'/>",
  "--></title><meta http-equiv=refresh content=0>",
  "\u202egnp.exe\u202c \u0000\u001b[2J\u0007",
  "| a | b |\n\n# PASS\n```\n",
  "\ud800 lone \udfff",
  "x".repeat(20_000),
];

test.each(hostile.map((text) => [text.slice(0, 40), text]))("%j changes no report's structure", (_title, text) => {
  const [harmless, harmful] = [withTexts("harmless"), withTexts(text)];
  expect(skeleton(renderReportHtml(harmful))).toEqual(skeleton(renderReportHtml(harmless)));
  expect(skeleton(renderReportJunit(harmful))).toEqual(skeleton(renderReportJunit(harmless)));
  expect(cells(renderReportMarkdown(harmful))).toEqual(cells(renderReportMarkdown(harmless)));
});

test("no text at all changes the structure", () => {
  const [html, junit, markdown] = [skeleton(renderReportHtml(withTexts("x"))), skeleton(renderReportJunit(withTexts("x"))), cells(renderReportMarkdown(withTexts("x")))];
  fc.assert(fc.property(fc.string({ unit: fc.oneof(fc.constantFrom("<", ">", "&", "\"", "'", "`", "|", "\\", "\n", "\r", "\t"), fc.string({ unit: "binary", maxLength: 1 })), minLength: 1 }), (text) => {
    const evidence = withTexts(text);
    expect(skeleton(renderReportHtml(evidence))).toEqual(html);
    expect(skeleton(renderReportJunit(evidence))).toEqual(junit);
    expect(cells(renderReportMarkdown(evidence))).toEqual(markdown);
  }), { numRuns: 30 });
}, 60_000);

test("no report holds a control or steering character", () => {
  for (const text of hostile) {
    const evidence = withTexts(text);
    for (const report of [renderReportHtml(evidence), renderReportMarkdown(evidence), renderReportJunit(evidence)]) {
      expect(report).not.toMatch(/[^\P{Cc}\n\t]|[\u202a-\u202e\u2066-\u2069\ufffe\uffff]/u);
    }
  }
});
