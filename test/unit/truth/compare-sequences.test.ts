import fc from "fast-check";
import { expect, test } from "vitest";

import { mayHaveBeen, sequenceText } from "../../../src/postgres/truth/compare-sequences.ts";
import type { SequenceTruth } from "../../../src/postgres/truth/truth.ts";

const at = (lastValue: string | number | null, increment = 1, isCalled = true): SequenceTruth => ({
  schema: "public", name: "s", lastValue: lastValue === null ? null : String(lastValue), isCalled, increment: String(increment),
});

test.each([
  ["between the readings", at(7), at(5), at(9), true],
  ["the first reading", at(5), at(5), at(9), true],
  ["the second reading", at(9), at(5), at(9), true],
  ["behind the first reading", at(4), at(5), at(9), false],
  ["past the second reading", at(10), at(5), at(9), false],
  ["one off, where the sequence did not move", at(6), at(5), at(5), false],
  ["called, where both readings were not", at(5), at(5, 1, false), at(5, 1, false), false],
  ["not called yet, where the dump saw the first call", at(1, 1, false), at(1, 1, false), at(3), true],
  ["between, descending", at(-14, -7), at(-7, -7), at(-21, -7), true],
  ["behind, descending", at(-1, -7), at(-7, -7), at(-21, -7), false],
  ["past, descending", at(-28, -7), at(-7, -7), at(-21, -7), false],
  ["before the wrap of a cycling sequence", at(5), at(4), at(3), true],
  ["after the wrap of a cycling sequence", at(3), at(5), at(4), true],
  ["where a cycling sequence cannot have been", at(4), at(5), at(3), false],
  ["past 2^53", at("9223372036854775801"), at("9223372036854775800"), at("9223372036854775802"), true],
  ["one past, past 2^53", at("9223372036854775803"), at("9223372036854775800"), at("9223372036854775802"), false],
  ["unreadable", at(null), at(5), at(6), false],
  ["unreadable on both sides", at(null), at(null), at(null), true],
])("a value %s", (_, found, before, after, expected) => {
  expect(mayHaveBeen(found, before, after)).toBe(expected);
});

test("whatever the readings, either of them is allowed", () => {
  const sequence = fc.record({ value: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), called: fc.boolean() });
  fc.assert(fc.property(sequence, sequence, fc.constantFrom(-7, -1, 1, 50), (first, second, increment) => {
    const [before, after] = [first, second].map(({ value, called }) => at(String(value), increment, called));
    return mayHaveBeen(before!, before!, after!) && mayHaveBeen(after!, before!, after!);
  }));
});

test("a sequence is told by its value, and whether it was called", () => {
  expect([at(5), at(5, 1, false), at(null, 1, false)].map(sequenceText)).toEqual(["5", "5 (not called)", "unreadable (not called)"]);
});
