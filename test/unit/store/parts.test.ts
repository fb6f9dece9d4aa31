import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { planParts } from "../../../src/store/s3-parts.ts";

const miB = 2 ** 20;
const tiB = 2 ** 40;

describe("the plan of parts", () => {
  test("without an estimate is parts of 8 MiB, four at once", () => {
    expect(planParts(undefined, {})).toEqual({ partBytes: 8 * miB, concurrency: 4, mostBytes: 80_000 * miB });
  });

  test("takes larger parts, and fewer at once, as the estimate grows", () => {
    expect(planParts(55e9, {})).toMatchObject({ partBytes: 8 * miB, concurrency: 4 });
    expect(planParts(100e9, {})).toMatchObject({ partBytes: 15 * miB, concurrency: 4 });
    expect(planParts(tiB, {})).toMatchObject({ partBytes: 158 * miB, concurrency: 2 });
  });

  test("holds to a provider's 1,000 parts", () => {
    expect(planParts(10e9, { maxParts: 1000 }).partBytes).toBe(15 * miB);
  });

  test("takes configured parts for the least", () => {
    expect(planParts(1e9, { partBytes: 64 * miB, uploadConcurrency: 8 })).toMatchObject({ partBytes: 64 * miB, concurrency: 4 });
    expect(planParts(tiB, { partBytes: 64 * miB }).partBytes).toBe(158 * miB);
  });

  test("refuses at once what no object can hold", () => {
    expect(() => planParts(5 * tiB + 1, {})).toThrow(/5497558138881 bytes are expected, and an object of this store holds 5497558138880 at most/);
  });

  test("always holds half as much again as the estimate, as far as an object can", () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, noNaN: true }), fc.integer({ min: 100, max: 10_000 }), fc.integer({ min: 1, max: 16 }), (share, maxParts, uploadConcurrency) => {
        const estimate = Math.floor(share * Math.min(5 * tiB, 5 * 2 ** 30 * maxParts));
        const plan = planParts(estimate, { maxParts, uploadConcurrency });
        const expected = Math.min(1.5 * estimate, 5 * tiB, 5 * 2 ** 30 * maxParts);
        expect(plan.mostBytes).toBeGreaterThanOrEqual(expected);
        expect(plan.partBytes).toBeLessThanOrEqual(5 * 2 ** 30);
        expect(plan.concurrency).toBeGreaterThanOrEqual(1);
        expect(plan.concurrency * plan.partBytes).toBeLessThanOrEqual(Math.max(256 * miB, 2 * plan.partBytes));
      }),
    );
  });
});
