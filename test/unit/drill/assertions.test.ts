import { expect, test } from "vitest";

import type { Expectation } from "../../../src/config/drill-settings.ts";
import { judge } from "../../../src/drill/checks/assertions.ts";
import type { Answer } from "../../../src/postgres/answer.ts";

const number = (text: string): Answer => ({ rows: 1, columns: 1, value: { kind: "number", text } });
const text = (value: string): Answer => ({ rows: 1, columns: 1, value: { kind: "text", text: value } });

test.each<readonly [Answer, Expectation, string]>([
  [number("9007199254740993"), { equals: 9007199254740992 }, "fail"],
  [number("9007199254740992"), { equals: 9007199254740992 }, "pass"],
  [number("1e3"), { equals: 1000 }, "pass"],
  [number("-0.50"), { equals: -0.5 }, "pass"],
  [number("12"), { equals: "12" }, "pass"],
  [text("12"), { equals: 12 }, "pass"],
  [text("012"), { equals: "12" }, "fail"],
  [text("NaN"), { min: 0 }, "unverified"],
  [text("Infinity"), { min: 0 }, "unverified"],
  [text(""), { equals: 0 }, "unverified"],
  [text(" "), { equals: 0 }, "unverified"],
  [number("5"), { min: 5, max: 5 }, "pass"],
  [number("4"), { min: 5 }, "fail"],
  [number("6"), { max: 5 }, "fail"],
  [{ rows: 2, columns: 3, value: undefined }, { nonEmpty: true }, "pass"],
  [{ rows: 0, columns: 0, value: undefined }, { nonEmpty: true }, "fail"],
  [{ rows: 0, columns: 0, value: undefined }, { matches: "" }, "fail"],
  [{ rows: 1, columns: 0, value: undefined }, { equals: 1 }, "unverified"],
  [{ rows: 1, columns: 1, value: { kind: "null", text: "" } }, { equals: "" }, "fail"],
  [{ rows: 1, columns: 1, value: { kind: "null", text: "" } }, { matches: "" }, "fail"],
])("%j is judged against %j: %s", (answer, expected, outcome) => {
  expect(judge(answer, expected).outcome).toBe(outcome);
});
