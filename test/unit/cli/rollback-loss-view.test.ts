import { expect, test } from "vitest";

import { lossLines } from "../../../src/cli/rollback-loss-view.ts";
import { tableLossShape } from "../../../src/rollback/plan/plan.ts";
import type { RollbackPlan, TableLoss } from "../../../src/rollback/plan/plan.ts";

const until = "2026-11-21T02:12:04.000Z";
const counted: NonNullable<RollbackPlan["loss"]["changes"]> = { until, unknown: null, unchanged: [] };
const loss = (table: string, told: Partial<TableLoss> = {}): TableLoss => ({ table: `public.${table}`, inserted: 0, difference: 0, by: "sequence", changed: 0, deleted: 0, changesBy: "counters", ...told });
const shown = (tables: readonly TableLoss[], changes?: NonNullable<RollbackPlan["loss"]["changes"]>): string => lossLines({ strategy: "restore-and-swap", skipSafetyBackup: null, loss: { data: true, minutes: 25, tables: [...tables], ...(changes && { changes }) } }).join("\n");

test("added, changed and deleted rows stand side by side, each as exactly as it is known", () => {
  expect(shown([
    loss("patients", { inserted: 3, difference: 1, changed: 12, deleted: 2 }),
    loss("visits", { by: "count", inserted: null, difference: 4 }),
    loss("codes", { by: "count", inserted: null, difference: -40, changed: null, deleted: null, changesBy: "rewritten" }),
  ], { ...counted, unchanged: ["public.countries"] })).toMatchInlineSnapshot(`
    "DATA LOST: whatever was written in the last 25 min (it stays in the safety backup and in the database that is set aside)
    table            new rows lost  changes lost  deletes undone  rows now - then  new rows known by
    public.patients              3      up to 12         up to 2                1  its sequence
    public.visits             >= 4             0               0                4  the count alone: at least so many
    public.codes              >= 0       unknown         unknown              -40  the count alone: at least so many
      changed and deleted rows: at most, by the server's counters, of what was committed until 2026-11-21 02:12:04 UTC; UNKNOWN where a table was emptied or written anew as a whole; 1 table is proved unchanged by digest"
  `);
});

test("a plan that knows nothing of changes says so, and why, and not that there were none", () => {
  expect(shown([], { until: null, unknown: "the statistics of the database were reset since", unchanged: [] })).toContain("\n  changed and deleted rows: UNKNOWN (the statistics of the database were reset since)");
  const earlier = { table: "public.a", inserted: 1, difference: 1, by: "sequence" } as const;
  expect(tableLossShape.parse(earlier)).toEqual(earlier);
  expect(shown([earlier])).toMatch(/public\.a +1 +unknown +unknown +1 +its sequence\n {2}changed and deleted rows: UNKNOWN \(the plan is of an earlier holdfast\)$/);
});

test("none is said only where every table is known to have none", () => {
  expect(shown([loss("a", { inserted: 1, difference: 1 })], counted)).toContain("changed and deleted rows: none, of what was committed until 2026-11-21 02:12:04 UTC");
  expect(shown([], counted)).toContain("changed and deleted rows: none");
  expect(shown([loss("a", { changed: null, deleted: null, changesBy: "unknown" })], counted)).not.toContain("none");
});

test("of many tables those that lose most are named, and the others are summed up, so that the plan stays on one screen", () => {
  const many = Array.from({ length: 300 }, (_, n) => loss(`t${String(n).padStart(3, "0")}`, { changed: n + 1 }));
  const lines = shown([...many, loss("gone", { by: "gone", inserted: null, difference: null, changed: null, deleted: null, changesBy: "unknown" }), loss("zz", { changed: null, deleted: null, changesBy: "rewritten" })], counted).split("\n");
  expect(lines.length).toBeLessThan(20);
  expect(lines.join("\n")).toContain("public.t299");
  expect(lines.join("\n")).toMatch(/public\.gone .*comes back/);
  expect(lines.join("\n")).toMatch(/public\.zz +0 +unknown +unknown/);
  expect(lines.join("\n")).toContain("and 290 more tables, with --json: 0 new rows, up to 42 195 changed, up to 0 deleted");
});

test("where it stays is said as it is", () => {
  const loss = { data: true, minutes: 25, tables: [] };
  expect(lossLines({ strategy: "restore-and-swap", skipSafetyBackup: "no room", loss })[0]).toBe("DATA LOST: whatever was written in the last 25 min (it stays in the database that is set aside)");
  expect(lossLines({ strategy: "down-sql", skipSafetyBackup: null, loss })).toEqual(["DATA LOST: whatever the down-SQL takes away, which could not be read (it stays in the safety backup)"]);
  expect(lossLines({ strategy: "down-sql", skipSafetyBackup: null, loss: { ...loss, data: false, downSql: [] } })).toEqual(["DATA LOST: none that the down-SQL tells; the database is not replaced"]);
});
