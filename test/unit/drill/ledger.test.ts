import fc from "fast-check";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";

import { type Interval, type LedgerDrill, ledgerOf } from "../../../src/drill/evidence/ledger.ts";

const drill = (at: string, verdict: LedgerDrill["verdict"] = "pass", certifiedBy: readonly string[] = []): LedgerDrill => ({ id: `drill-ehr-${at}`, startedAt: new Date(at), verdict, certifiedBy });
const start = new Date("2026-01-10T00:00:00Z");

const year = [
  drill("2026-01-20T02:00:00Z", "pass", ["Dr. A. Lee"]),
  drill("2026-02-10T02:00:00Z", "fail"),
  drill("2026-02-11T02:00:00Z"),
  // March: a failed one only. April: nothing at all.
  drill("2026-03-12T02:00:00Z", "fail"),
  drill("2026-05-02T02:00:00Z"),
  drill("2026-06-01T00:00:00Z"),
  drill("2026-06-30T23:59:59Z", "unverified"),
  drill("2026-07-31T23:59:59Z"),
  // August: killed, and one whose evidence cannot be trusted.
  drill("2026-08-05T02:00:00Z", "none"),
  drill("2026-08-20T02:00:00Z", "untrusted"),
  drill("2026-09-01T00:00:00Z"),
  drill("2026-10-30T02:00:00Z"),
];

function page(interval: Interval, drills: readonly LedgerDrill[], now: Date): string {
  const { rows, due, overdue } = ledgerOf(drills, { interval, start, now });
  const lines = rows.map(({ month, obligation, state, gapDays, drills: inside }) => [month, (obligation ?? "-").padEnd(32), state.padEnd(9), String(gapDays).padStart(2), inside.map(({ startedAt, verdict }) => `${startedAt.toISOString().slice(8, 10)} ${verdict}`).join(", ")].join("  ").trimEnd());
  return `${"days" in interval ? `${interval.days} days` : `${interval.months} months`}, from ${start.toISOString()}, on ${now.toISOString()}\n${lines.join("\n")}\ndue ${due.toISOString()}${overdue ? ", OVERDUE" : ""}\n`;
}

test("a year of drills is told as it was agreed, by days, by months and by quarters", async () => {
  const now = new Date("2026-12-15T12:00:00Z");
  const pages = [page({ days: 31 }, year, now), page({ days: 90 }, year, now), page({ days: 7 }, year, now), page({ months: 1 }, year, now), page({ months: 3 }, year, now), page({ days: 31 }, [], now), page({ months: 1 }, [], new Date("2026-01-15T00:00:00Z"))];
  await expect(pages.join("\n")).toMatchFileSnapshot(join(dirname(import.meta.filename), "__golden__", "ledger.txt"));
});

test("a month without a passed drill is a gap that shows, whatever else was tried in it", () => {
  const { rows } = ledgerOf(year, { interval: { days: 31 }, start, now: new Date("2026-12-15T12:00:00Z") });
  expect(rows.filter(({ state }) => state === "missed").map(({ month }) => month)).toEqual(["2026-03", "2026-04", "2026-08", "2026-11"]);
});

test("the month that is not over is open, and overdue all the same", () => {
  const { rows, overdue } = ledgerOf([drill("2026-01-20T02:00:00Z")], { interval: { days: 31 }, start, now: new Date("2026-02-25T00:00:00Z") });
  expect(rows.at(-1)).toMatchObject({ month: "2026-02", state: "open", gapDays: 5 });
  expect(overdue).toBe(true);
});

test("a drill is due at an instant: a millisecond before, it is not overdue", () => {
  const due = new Date("2026-02-20T02:00:00Z");
  const at = (now: Date) => ledgerOf([drill("2026-01-20T02:00:00Z")], { interval: { days: 31 }, start, now });
  expect(at(due)).toMatchObject({ due, overdue: true });
  expect(at(new Date(due.getTime() - 1))).toMatchObject({ due, overdue: false });
});

const verdicts = ["pass", "fail", "unverified", "none", "untrusted"] as const;
const drills = fc.array(fc.record({ at: fc.date({ min: new Date("2025-01-01"), max: new Date("2027-12-31"), noInvalidDate: true }), verdict: fc.constantFrom(...verdicts) }).map(({ at, verdict }) => drill(at.toISOString(), verdict)), { maxLength: 30 });
const intervals: fc.Arbitrary<Interval> = fc.oneof(fc.integer({ min: 1, max: 400 }).map((days) => ({ days })), fc.integer({ min: 1, max: 13 }).map((months) => ({ months })));
const nows = fc.date({ min: start, max: new Date("2027-12-31"), noInvalidDate: true });

test("no month and no drill is ever left out", () => {
  fc.assert(
    fc.property(drills, intervals, nows, (all, interval, now) => {
      const { rows } = ledgerOf(all, { interval, start, now });
      expect(rows.flatMap((row) => row.drills).length).toBe(all.length);
      for (const [n, { month }] of rows.entries()) {
        const next = new Date(`${month}-01T00:00:00Z`);
        next.setUTCMonth(next.getUTCMonth() + 1);
        if (n < rows.length - 1) expect(rows[n + 1]!.month).toBe(next.toISOString().slice(0, 7));
      }
    }),
  );
});

test("only a passed drill fulfils, and no other changes what is due", () => {
  fc.assert(
    fc.property(drills, intervals, nows, (all, interval, now) => {
      const [whole, passed] = [all, all.filter(({ verdict }) => verdict === "pass")].map((list) => ledgerOf(list, { interval, start, now }));
      expect([whole!.due, whole!.overdue]).toEqual([passed!.due, passed!.overdue]);
      for (const row of whole!.rows) expect(row.state === "fulfilled").toBe(row.drills.some(({ verdict }) => verdict === "pass"));
    }),
  );
});

test("one more passed drill never makes anything worse", () => {
  const rank = { "not-due": 0, fulfilled: 0, open: 1, missed: 2 } as const;
  fc.assert(
    fc.property(drills, fc.date({ min: start, max: new Date("2027-12-31"), noInvalidDate: true }), intervals, nows, (all, at, interval, now) => {
      const before = ledgerOf(all, { interval, start, now });
      const after = new Map(ledgerOf([...all, drill(at.toISOString())], { interval, start, now }).rows.map((row) => [row.month, row]));
      for (const row of before.rows) {
        expect(after.get(row.month)!.gapDays).toBeLessThanOrEqual(row.gapDays);
        expect(rank[after.get(row.month)!.state]).toBeLessThanOrEqual(rank[row.state]);
      }
    }),
  );
});

test("nobody is overdue who drills often enough", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 31 }), fc.integer({ min: 1, max: 100 }), (days, count) => {
      const all = Array.from({ length: count }, (_, n) => drill(new Date(start.getTime() + n * days * 86_400_000 - n).toISOString()));
      const { rows, overdue } = ledgerOf(all, { interval: { days }, start, now: all.at(-1)!.startedAt });
      expect(overdue).toBe(false);
      expect(rows.map(({ gapDays }) => gapDays)).toEqual(rows.map(() => 0));
    }),
  );
});
