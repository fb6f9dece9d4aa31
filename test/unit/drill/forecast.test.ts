import fc from "fast-check";
import { expect, test } from "vitest";

import { forecastDrill, type PastDrill, pastDrill } from "../../../src/drill/evidence/forecast.ts";
import { draftOf } from "./fixture.ts";

const day = 86_400_000;
const start = Date.parse("2026-01-01T00:00:00Z");
const at = new Date("2026-12-31T00:00:00Z");

const past: fc.Arbitrary<PastDrill[]> = fc.array(
  fc.record({ startedAt: fc.integer({ min: 0, max: 360 }).map((days) => new Date(start + days * day)), rtoSeconds: fc.double({ min: 0.1, max: 1e5, noNaN: true }), bytes: fc.integer({ min: 1, max: 1e13 }) }),
  { maxLength: 20 },
);

test("no past drill or one tells nothing", () => {
  fc.assert(fc.property(past, (drills) => { expect(forecastDrill(drills.slice(0, 1), { at, objectiveSeconds: 60 })).toBeNull(); }));
  expect(forecastDrill([], { at, objectiveSeconds: null })).toBeNull();
});

test("drills that moved nothing, or took no time, are no past", () => {
  const drill: PastDrill = { startedAt: new Date(start), rtoSeconds: 60, bytes: 1_000 };
  expect(forecastDrill([drill, { ...drill, bytes: 0 }, { ...drill, rtoSeconds: 0 }], { at, objectiveSeconds: 60 })).toBeNull();
});

test("a size that grows by the same every day at the same speed is predicted exactly", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1e9 }), fc.integer({ min: 0, max: 1e7 }), fc.double({ min: 1e-6, max: 1, noNaN: true }), fc.uniqueArray(fc.integer({ min: 0, max: 360 }), { minLength: 2, maxLength: 12 }), (base, growth, rate, days) => {
      const drills = days.map((n) => ({ startedAt: new Date(start + n * day), bytes: base + growth * n, rtoSeconds: (base + growth * n) * rate }));
      const usable = drills.filter(({ rtoSeconds }) => rtoSeconds > 0);
      const expected = (base + growth * ((at.getTime() - start) / day)) * rate;
      const forecast = forecastDrill(usable, { at, objectiveSeconds: null })!;
      expect(Math.abs(forecast.seconds - expected)).toBeLessThanOrEqual(expected * 1e-6 + 0.001);
    }),
  );
});

test("a forecast is a number that no order of the drills changes, and says how many drills it rests on", () => {
  fc.assert(
    fc.property(past, fc.integer(), (drills, seed) => {
      const unique = [...new Map(drills.map((drill) => [drill.startedAt.getTime(), drill])).values()];
      const forecast = forecastDrill(unique, { at, objectiveSeconds: 60 });
      if (unique.length < 2) return;
      expect(forecast!.seconds).toBeGreaterThanOrEqual(0);
      expect(Number.isFinite(forecast!.seconds)).toBe(true);
      expect(forecast!.basedOn).toBe(Math.min(12, unique.length));
      const shuffled = unique.toSorted((a, b) => ((a.startedAt.getTime() / day + seed) % 7) - ((b.startedAt.getTime() / day + seed) % 7));
      expect(forecastDrill(shuffled, { at, objectiveSeconds: 60 })).toEqual(forecast);
    }),
  );
});

test("it misses the objective exactly when it is greater, and says so in words", () => {
  fc.assert(
    fc.property(past, fc.double({ min: 0, max: 1e6, noNaN: true }), (drills, objectiveSeconds) => {
      const forecast = forecastDrill(drills, { at, objectiveSeconds });
      if (forecast === null) return;
      expect(forecast.missesObjective).toBe(forecast.seconds > objectiveSeconds);
      expect(forecast.text).toContain(forecast.missesObjective === true ? "misses the objective" : "meets the objective");
    }),
  );
});

test("one odd drill among many does not decide", () => {
  const drills = Array.from({ length: 9 }, (_, n) => ({ startedAt: new Date(start + n * 30 * day), bytes: 1e9, rtoSeconds: 60 }));
  const odd = drills.map((drill, n) => (n === 4 ? { ...drill, bytes: 9e12, rtoSeconds: 9e6 } : drill));
  expect(forecastDrill(odd, { at, objectiveSeconds: 90 })).toMatchObject({ seconds: 60, missesObjective: false });
});

test("the text reads as people say it", () => {
  const drills = [0, 30, 60].map((days) => ({ startedAt: new Date(start + days * day), bytes: 2e9 + days * 1e7, rtoSeconds: 300 + days * 1.5 }));
  const until = { at: new Date(start + 90 * day) };
  expect(forecastDrill(drills, { ...until, objectiveSeconds: 3_600 })?.text).toBe("from the 3 drills before, one on 2026-04-01 should take about 7 min for 2.9 GB, which meets the objective of 60 min");
  expect(forecastDrill(drills, { ...until, objectiveSeconds: 90 })?.text).toBe("from the 3 drills before, one on 2026-04-01 should take about 7 min for 2.9 GB, which misses the objective of 90 s");
  expect(forecastDrill(drills, { ...until, objectiveSeconds: null })?.text).toBe("from the 3 drills before, one on 2026-04-01 should take about 7 min for 2.9 GB; no objective is set");
});

test("a drill that ended before everything was restored has no time to compare with", () => {
  const draft = draftOf("2026-06-01T02:00:00Z");
  expect(pastDrill(draft)).toEqual({ startedAt: new Date("2026-06-01T02:00:00Z"), rtoSeconds: 60, bytes: 4_000 });
  expect(pastDrill({ ...draft, phases: [{ id: "restore", seconds: 5, bytes: 1 }] })).toBeUndefined();
  expect(pastDrill({ ...draft, backup: null })).toBeUndefined();
});
