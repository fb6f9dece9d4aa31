import fc from "fast-check";
import { expect, test } from "vitest";

import { isUnchanged, type LedgerView, list, migrationsBetween } from "../../../../src/rollback/migrations/between.ts";

const ledger = (applied: readonly string[], over: Partial<LedgerView> = {}): LedgerView => ({ tool: "prisma", table: "public._prisma_migrations", head: applied.at(-1) ?? null, applied, failed: 0, sha256: applied.join(), ...over });
const kinds = (then: readonly LedgerView[], now: readonly LedgerView[]) => migrationsBetween(then, now).oddities.map(({ kind }) => kind);

test("what was applied since is told newest first, ledger by ledger", () => {
  const other = (applied: string[]) => ledger(applied, { table: "b._prisma_migrations" });
  const between = migrationsBetween([ledger(["1"]), other(["x"])], [ledger(["1", "2", "3"]), other(["x", "y"])]);
  expect(between.applied.map(({ table, name }) => `${table} ${name}`)).toEqual(["public._prisma_migrations 3", "public._prisma_migrations 2", "b._prisma_migrations y"]);
  expect(between.oddities).toEqual([]);
  expect(isUnchanged(between)).toBe(false);
});

test("nothing applied is nothing told, also without any ledger", () => {
  expect(isUnchanged(migrationsBetween([], []))).toBe(true);
  expect(isUnchanged(migrationsBetween([ledger(["1"])], [ledger(["1"])]))).toBe(true);
});

test("a migration that came late and sorts before others is among those applied", () => {
  expect(migrationsBetween([ledger(["1", "3"], { tool: "rails" })], [ledger(["1", "2", "3"], { tool: "rails" })])).toMatchObject({ applied: [{ name: "2" }], oddities: [] });
});

test("a ledger that lacks what it had went backwards, and the lacking are named", () => {
  const { oddities, applied } = migrationsBetween([ledger(["1", "2", "3"])], [ledger(["1", "4"])]);
  expect(oddities).toMatchObject([{ kind: "backwards", names: ["2", "3"], detail: "the ledger public._prisma_migrations (prisma) lacks 2, 3, which were applied" }]);
  expect(applied.map(({ name }) => name)).toEqual(["4"]);
});

test("other checksums or another order are an edit", () => {
  expect(kinds([ledger(["1", "2"])], [ledger(["1", "2"], { sha256: "other" })])).toEqual(["edited"]);
  expect(kinds([ledger(["1", "2"])], [ledger(["2", "1", "3"])])).toEqual(["edited"]);
  expect(kinds([ledger(["1", "2"], { failed: 1, sha256: "a" })], [ledger(["1", "2"])])).toEqual(["edited"]);
});

test("a ledger that appeared counts with all that it says, one that disappeared is told", () => {
  expect(migrationsBetween([], [ledger(["1", "2"])])).toMatchObject({ applied: [{ name: "2" }, { name: "1" }], oddities: [{ kind: "appeared", names: ["1", "2"] }] });
  expect(migrationsBetween([ledger(["1"])], [])).toMatchObject({ applied: [], oddities: [{ kind: "disappeared", names: ["1"] }] });
});

test("more failed rows than then are told, beside what was applied", () => {
  expect(kinds([ledger(["1"], { failed: 1 })], [ledger(["1"], { failed: 2, sha256: "x" })])).toEqual(["failed"]);
  expect(kinds([ledger(["1"], { failed: 1 })], [ledger(["1", "2"], { failed: 1 })])).toEqual([]);
});

test("a tool that keeps its heads only cannot say what lies between", () => {
  const alembic = (applied: string[]) => ledger(applied, { tool: "alembic", table: "public.alembic_version" });
  expect(migrationsBetween([alembic(["a"])], [alembic(["b"])])).toMatchObject({ applied: [{ name: "b" }], oddities: [{ kind: "heads-only" }] });
  expect(isUnchanged(migrationsBetween([alembic(["a"])], [alembic(["a"])]))).toBe(true);
});

test("any two ledgers can be compared, and only equal ones are unchanged", () => {
  const names = fc.uniqueArray(fc.constantFrom("1", "2", "3", "4", "5"));
  const some = fc.uniqueArray(fc.record({ tool: fc.constantFrom("prisma", "knex", "alembic"), names, failed: fc.nat(2) }), { selector: ({ tool }) => tool })
    .map((all) => all.map(({ tool, names: applied, failed }) => ledger(applied, { tool, failed, sha256: JSON.stringify([applied, failed]) })));
  fc.assert(fc.property(some, some, (then, now) => {
    const between = migrationsBetween(then, now);
    for (const { tool, name } of between.applied) {
      expect(now.find((each) => each.tool === tool)?.applied).toContain(name);
      expect(then.find((each) => each.tool === tool)?.applied ?? []).not.toContain(name);
    }
    const text = (ledgers: readonly LedgerView[]) => ledgers.map((each) => JSON.stringify(each)).sort();
    expect(isUnchanged(between)).toBe(JSON.stringify(text(then)) === JSON.stringify(text(now)));
  }));
});

test("a list of names says how many it leaves out", () => {
  expect(list([])).toBe("none");
  expect(list(["1", "2", "3", "4", "5", "6", "7"])).toBe("1, 2, 3, 4, 5 and 2 more");
});

test("repeatable migrations that were applied beside others are told, and those that were not are not", () => {
  const flyway = (applied: readonly string[], repeatable?: string) => [ledger(applied, { tool: "flyway", ...(repeatable !== undefined && { repeatable }) })];
  expect(kinds(flyway(["1"]), flyway(["1", "2"], "a"))).toEqual(["repeated"]);
  expect(kinds(flyway(["1"], "a"), flyway(["1", "2"], "b"))).toEqual(["repeated"]);
  expect(kinds(flyway(["1"], "a"), flyway(["1", "2"], "a"))).toEqual([]);
});
