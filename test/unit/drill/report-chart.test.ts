import { expect, test } from "vitest";

import { type ColumnChart, columnChart, decimalSteps, gauge, secondSteps, spanBar } from "../../../src/drill/report/chart.ts";
import { formatDuration } from "../../../src/text/format.ts";
import { html } from "../../../src/text/markup.ts";

const chart = (values: readonly (number | null)[], changes: Partial<ColumnChart> = {}): string =>
  columnChart({ label: "a chart", points: values.map((value) => ({ value, label: `is ${value}`, tone: "pass" })), steps: secondSteps, format: formatDuration, ends: ["first", "last"], ...changes }).toString();

const scale = (drawn: string): string[] => [...drawn.matchAll(/text-anchor="end">([^<]+)<\/text>/g)].map(([, text]) => text!).filter((text) => text !== "last");
const heights = (drawn: string): number[] => [...drawn.matchAll(/<rect class="column[^>]* height="([\d.]+)"/g)].map(([, height]) => Number(height));

test.each([
  [[24.8, 3], ["0", "10 s", "20 s", "30 s"]],
  [[0.35], ["0", "0.1 s", "0.2 s", "0.3 s", "0.4 s"]],
  [[5_000], ["0", "30 min", "1 h", "1 h 30 min"]],
  [[0], ["0", "0.1 s"]],
])("the scale of %j begins at zero and has steps that are read from clocks", (values, steps) => {
  expect(scale(chart(values))).toEqual(steps);
});

test("a column is as high as its value, and what is unknown leaves a gap", () => {
  expect(heights(chart([30, 15, null, 0]))).toEqual([120, 60, 1]);
});

test("a limit within reach is drawn and fits; one far above is not", () => {
  expect(chart([10], { limit: 18 })).toContain('<line class="limit" x1="0" x2="100%" y1="30" y2="30"/>');
  expect(scale(chart([10], { limit: 18 })).at(-1)).toBe("20 s");
  expect(chart([10], { limit: 14_400 })).not.toContain("limit");
});

test("what did not pass bears a sign", () => {
  const signs = (tone: "pass" | "fail" | "unverified") => /class="sign"[^>]*>(.)</.exec(chart([], { points: [{ value: 1, label: "", tone }] }))?.[1];
  expect([signs("pass"), signs("fail"), signs("unverified")]).toEqual([undefined, "×", "?"]);
});

test("sizes up to what nobody has still have a scale", () => {
  for (const value of [1, 999, 1.9e9, 7e17]) expect(chart([value], { steps: decimalSteps })).not.toMatch(/NaN|Infinity/);
});

test("a gauge is filled by the share of what was promised, and marks the promise once it is passed", () => {
  const drawn = (measured: number, promised: number) => [...gauge("a gauge", measured, promised).toString().matchAll(/class="(fill|mark)"(?: x="([^"]*)")?[^>]* width="([^"]*)"/g)].map(([, name, x, width]) => [name, x ?? width]);
  expect(drawn(5, 20)).toEqual([["fill", "25%"]]);
  expect(drawn(40, 20)).toEqual([["fill", "100%"], ["mark", "50%"]]);
  expect(drawn(0, 0)).toEqual([["fill", "0%"]]);
});

test("a bar lies where its phase lay, and never vanishes", () => {
  const drawn = (start: number, length: number, total: number) => / x="([^"]*)" y="1" width="([^"]*)"/.exec(html`${spanBar(start, length, total)}`.toString())?.slice(1);
  expect([drawn(5, 10, 20), drawn(20, 0, 20), drawn(0, 0, 0)]).toEqual([["25%", "50%"], ["99.6%", "0.4%"], ["0%", "0.4%"]]);
});
