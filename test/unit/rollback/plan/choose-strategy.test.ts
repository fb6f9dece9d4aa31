import fc from "fast-check";
import { expect, test } from "vitest";

import type { LedgerOddity } from "../../../../src/rollback/migrations/between.ts";
import { chooseStrategy, type StrategyInput } from "../../../../src/rollback/plan/choose-strategy.ts";
import { type MigrationVerdict, strategies } from "../../../../src/rollback/plan/plan.ts";

const migration = (name: string, verdict: MigrationVerdict["verdict"], down: string | null = null): MigrationVerdict => ({ name, verdict, why: `why ${name}`, down });
const odd: LedgerOddity = { kind: "edited", tool: "prisma", table: "public._prisma_migrations", names: [], detail: "the ledger public._prisma_migrations (prisma) was edited" };

function input(migrations: readonly MigrationVerdict[], over: Partial<StrategyInput> & { oddities?: readonly LedgerOddity[] } = {}): StrategyInput {
  const { oddities = [], ...rest } = over;
  return { between: { applied: migrations.map(({ name }) => ({ tool: "prisma", table: "public._prisma_migrations", name })), oddities }, migrations, drift: [], wish: undefined, acceptIncompatible: null, ...rest };
}

test("an unchanged ledger and schema needs images only", () => {
  expect(chooseStrategy(input([]))).toEqual({ strategy: "images-only", because: "the migration ledger and the schema are as they were at the checkpoint", warnings: [] });
  expect(chooseStrategy(input([], { drift: null }))).toMatchObject({ strategy: "images-only", because: "the migration ledger is as it was at the checkpoint" });
});

test("where no ledger is known, nothing is said of one", () => {
  expect(chooseStrategy(input([], { ledgerKnown: false }))).toEqual({ strategy: "images-only", because: "the schema is as it was at the checkpoint, and no migration ledger is known", warnings: ["No migration ledger is known, so a migration that changed rows alone does not show."] });
  expect(chooseStrategy(input([], { ledgerKnown: false, drift: ["column"] }))).toMatchObject({ refused: "the schema is not the checkpoint's (column), and no migration ledger is known that would tell why" });
});

test("migrations that the older release can live with need images only", () => {
  expect(chooseStrategy(input([migration("2", "compatible"), migration("1", "compatible")]))).toMatchObject({ strategy: "images-only", because: "the older release can live with all 2 migrations since the checkpoint" });
});

test("one that it cannot live with goes by down-SQL where all have it, and otherwise by the backup", () => {
  const breaking = migration("2", "incompatible", "/m/2/down.sql");
  expect(chooseStrategy(input([breaking, migration("1", "compatible", "/m/1/down.sql")]))).toMatchObject({ strategy: "down-sql" });
  expect(chooseStrategy(input([breaking, migration("1", "compatible")]))).toMatchObject({ strategy: "restore-and-swap", because: "2 is not backward compatible (why 2)" });
});

test("what is not known to be compatible counts as incompatible", () => {
  expect(chooseStrategy(input([migration("1", "unknown")]))).toMatchObject({ strategy: "restore-and-swap", because: "1 is not known to be compatible (why 1)" });
});

test("images only against an incompatible schema is refused, and accepted with a reason alone", () => {
  const migrations = [migration("2", "unknown"), migration("1", "incompatible")];
  expect(chooseStrategy(input(migrations, { wish: "images-only" }))).toMatchObject({ refused: "images alone cannot go back: 1 is not backward compatible (why 1), and 1 more is not known to be compatible", hints: [expect.stringContaining("--accept-incompatible REASON")] });
  for (const wish of ["images-only", undefined] as const) {
    expect(chooseStrategy(input(migrations, { wish, acceptIncompatible: "nobody writes at night" }))).toMatchObject({ strategy: "images-only", because: expect.stringContaining("it was accepted (nobody writes at night), although 1") as string, warnings: [expect.stringContaining("a schema that it does not know")] });
  }
});

test("down-SQL on demand is refused where one has none, and where there is nothing to take back", () => {
  expect(chooseStrategy(input([migration("1", "incompatible")], { wish: "down-sql" }))).toMatchObject({ refused: "the migrations cannot be taken back by SQL: 1 has no reviewed down-SQL" });
  expect(chooseStrategy(input([], { wish: "down-sql" }))).toMatchObject({ refused: "the migrations cannot be taken back by SQL: no migration was applied since the checkpoint" });
  expect(chooseStrategy(input([migration("1", "compatible", "/m/down.sql")], { wish: "down-sql" }))).toMatchObject({ strategy: "down-sql" });
});

test("the backup on demand is always possible", () => {
  expect(chooseStrategy(input([], { wish: "restore-and-swap" }))).toMatchObject({ strategy: "restore-and-swap", because: "it was asked for" });
});

test("a schema that was changed by hand is for a person to decide", () => {
  const drifted = input([], { drift: ["index", "table"] });
  expect(chooseStrategy(drifted)).toMatchObject({ refused: "the schema is not the checkpoint's although the migration ledger is (index, table), so somebody changed it by hand", hints: [expect.stringContaining("--accept-incompatible"), expect.stringContaining("--strategy restore-and-swap")] });
  expect(chooseStrategy({ ...drifted, wish: "images-only" })).toHaveProperty("refused");
  expect(chooseStrategy({ ...drifted, acceptIncompatible: "an index for a report" })).toMatchObject({ strategy: "images-only" });
  expect(chooseStrategy(input([migration("1", "compatible")], { drift: ["index"] }))).toMatchObject({ strategy: "restore-and-swap" });
  expect(chooseStrategy(input([migration("1", "incompatible", "/m/down.sql")], { drift: ["index"] }))).toMatchObject({ strategy: "down-sql", warnings: [expect.stringContaining("(index), which down-SQL does not take back")] });
});

test("a ledger that is not what it should be goes by the backup", () => {
  expect(chooseStrategy(input([], { oddities: [odd] }))).toMatchObject({ strategy: "restore-and-swap", because: odd.detail });
  expect(chooseStrategy(input([migration("1", "compatible", "/m/down.sql")], { oddities: [odd] }))).toMatchObject({ strategy: "restore-and-swap", because: odd.detail });
});

test("a migration that nobody judged is not compatible", () => {
  const unjudged = input([migration("1", "compatible", "/m/down.sql")]);
  const applied = [...unjudged.between.applied, { tool: "prisma", table: "public._prisma_migrations", name: "0" }];
  expect(chooseStrategy({ ...unjudged, between: { applied, oddities: [] } })).toMatchObject({ strategy: "restore-and-swap" });
});

test("images go back alone without an accepted reason only if everything is known to fit", () => {
  const verdicts = fc.array(fc.record({ verdict: fc.constantFrom("compatible", "incompatible", "unknown"), down: fc.constantFrom(null, "/m/down.sql") }), { maxLength: 4 });
  fc.assert(fc.property(verdicts, fc.constantFrom(null, [], ["index"]), fc.boolean(), fc.constantFrom(undefined, ...strategies), fc.constantFrom(null, "reason"), (list, drift, isOdd, wish, acceptIncompatible) => {
    const migrations = list.map(({ verdict, down }, at) => migration(String(at), verdict, down));
    const choice = chooseStrategy(input(migrations, { drift, oddities: isOdd ? [odd] : [], wish, acceptIncompatible }));
    const fits = !isOdd && migrations.every(({ verdict }) => verdict === "compatible") && (drift === null || drift.length === 0);
    if ("refused" in choice) { expect(choice.hints.length).toBeGreaterThan(0); return; }
    if (wish !== undefined) expect(choice.strategy).toBe(wish);
    if (choice.strategy === "images-only") expect(fits || acceptIncompatible !== null).toBe(true);
    if (choice.strategy === "down-sql") expect(!isOdd && migrations.length > 0 && migrations.every(({ down }) => down !== null)).toBe(true);
    if (fits && wish === undefined) expect(choice.strategy).toBe("images-only");
  }));
});
