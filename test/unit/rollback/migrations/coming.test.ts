import { expect, test } from "vitest";

import { type ComingMigrations, decideComing, type LastRecord, type LedgerNow } from "../../../../src/rollback/migrations/coming.ts";
import type { Migration } from "../../../../src/rollback/migrations/migration.ts";

const ledger = (applied: readonly string[], over: Partial<LedgerNow> = {}): LedgerNow => ({ tool: "prisma", table: "public._prisma_migrations", head: applied.at(-1) ?? null, applied, failed: 0, sha256: applied.join(), unfinished: [], ...over });
const folder = (...names: string[]): ComingMigrations => ({ from: "folder", folder: "/srv/migrations", migrations: names.map((name): Migration => ({ name, file: `/srv/migrations/${name}/migration.sql`, text: "", isSql: true, down: null })) });
const list = (...names: string[]): ComingMigrations => ({ from: "list", names });
const last = (...applied: string[]): LastRecord => ({ name: "checkpoint 1.4.1, verified", ledgers: [ledger(applied)] });
const none: ComingMigrations = { from: "none" };
const unknown: ComingMigrations = { from: "nothing-known" };

test("what the folder has and the ledger has not is pending", () => {
  expect(decideComing([ledger(["1", "2"])], folder("1", "2", "3", "4"), null)).toEqual({ pending: ["3", "4"] });
  expect(decideComing([ledger(["1", "2"])], folder("1", "2", "3"), last("1", "2"))).toEqual({ pending: ["3"] });
});

test("a release that brings nothing is believed where the ledger is the former record's", () => {
  expect(decideComing([ledger(["1"])], folder("1"), last("1"))).toEqual({ pending: [] });
  expect(decideComing([ledger(["1"])], unknown, last("1"))).toEqual({ pending: null });
  expect(decideComing([ledger(["1"])], none, last("1"))).toEqual({ pending: [] });
});

test("who says that it brings none is believed without a record, but not against one", () => {
  expect(decideComing([ledger(["1"])], none, null)).toEqual({ pending: [] });
  expect(decideComing([ledger(["1", "2"])], none, last("1"))).toMatchObject({ refused: expect.stringContaining("applied since: 2") as string });
});

test("a database without a ledger has nothing applied", () => {
  for (const coming of [folder("1", "2"), none, unknown, list("1", "2")]) expect(decideComing([], coming, null)).not.toHaveProperty("refused");
  expect(decideComing([], folder("1", "2"), null)).toEqual({ pending: ["1", "2"] });
});

test("a named migration that is applied already is refused, whatever the record says", () => {
  expect(decideComing([ledger(["1", "2"])], list("2", "3"), last("1", "2"))).toMatchObject({ refused: "a migration of the coming release is applied already: 2", hints: [expect.stringContaining("use the last checkpoint or backup from before")] });
  expect(decideComing([ledger(["1"])], list("2", "3"), null)).toEqual({ pending: ["2", "3"] });
});

test("what was applied since the running release was recorded is taken for the coming release's", () => {
  const decided = decideComing([ledger(["1", "2", "3"])], folder("1", "2", "3", "4"), last("1", "2"));
  expect(decided).toMatchObject({ refused: "the migration ledger is not that of checkpoint 1.4.1, verified: applied since: 3", hints: [expect.stringContaining("`holdfast checkpoint verify`")] });
  expect(decideComing([ledger(["1", "2"])], unknown, last("1"))).toHaveProperty("refused");
  expect(decideComing([ledger(["1"], { sha256: "edited" })], none, last("1"))).toHaveProperty("refused");
});

test("nothing pending and nothing to compare with is refused, with the way out", () => {
  expect(decideComing([ledger(["1"])], folder("1"), null)).toMatchObject({ refused: expect.stringContaining("no former record") as string, hints: [expect.stringContaining("--no-migrations")] });
  expect(decideComing([ledger(["1"])], unknown, null)).toMatchObject({ refused: expect.stringContaining("nothing is known") as string });
  expect(decideComing([ledger(["1"])], list(), null)).toHaveProperty("refused");
});

test("a migration that runs or was broken off is refused before anything else, also without a folder", () => {
  for (const coming of [folder("1", "2", "3"), none, unknown]) {
    expect(decideComing([ledger(["1"], { unfinished: ["2"], failed: 1 })], coming, last("1"))).toMatchObject({ refused: "a migration is running or was broken off: 2 of public._prisma_migrations" });
  }
});

test("a failure that somebody has dealt with since does not count", () => {
  expect(decideComing([ledger(["1", "2"], { failed: 1 })], folder("1", "2", "3"), null)).toEqual({ pending: ["3"] });
});

test("a folder that lacks what was applied is of another release", () => {
  expect(decideComing([ledger(["1", "2", "3"])], folder("1", "2", "4"), last("1", "2", "3"))).toMatchObject({ refused: "/srv/migrations lacks migrations that public._prisma_migrations has: 3" });
});

test("a folder that no ledger fits cannot be compared", () => {
  const alembic = ledger(["a"], { tool: "alembic", table: "public.alembic_version" });
  expect(decideComing([alembic], folder("1"), null)).toMatchObject({ refused: "the migrations in /srv/migrations cannot be compared with public.alembic_version (alembic)", hints: [expect.stringContaining("--migration")] });
});

test("of several ledgers of one tool, one that is ahead of the others is refused", () => {
  const both = (a: string[], b: string[]) => [ledger(a, { table: "a._prisma_migrations" }), ledger(b, { table: "b._prisma_migrations" })];
  expect(decideComing(both(["1"], ["1"]), folder("1", "2"), null)).toEqual({ pending: ["2"] });
  expect(decideComing(both(["1"], ["1", "2"]), folder("1", "2"), null)).toMatchObject({ refused: "a migration of the coming release is applied already: 2" });
});
