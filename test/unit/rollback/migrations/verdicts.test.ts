import { createHash } from "node:crypto";
import { expect, test } from "vitest";

import type { Migration } from "../../../../src/rollback/migrations/migration.ts";
import { judgeApplied } from "../../../../src/rollback/migrations/verdicts.ts";

const migration = (name: string, text: string, down: string | null): Migration => ({ name, file: `/m/${name}/migration.sql`, text, isSql: true, down: down === null ? null : { file: `/m/${name}/down.sql`, sql: down } });
const folder = [migration("1", "CREATE TABLE t (a int)", null), migration("2", "DROP TABLE u", "CREATE TABLE u ()")];
const applied = (...names: string[]) => names.map((name) => ({ tool: "prisma", table: "public._prisma_migrations", name }));

test("every applied migration gets its verdict and its down script, in order", async () => {
  expect(await judgeApplied(applied("2", "1"), folder)).toEqual([
    { name: "2", verdict: "incompatible", why: "DROP TABLE u", down: "/m/2/down.sql", downSha256: createHash("sha256").update("CREATE TABLE u ()").digest("hex") },
    { name: "1", verdict: "compatible", why: "creates the table t", down: null },
  ]);
});

test("the operator's one script stands for all", async () => {
  expect((await judgeApplied(applied("2", "1"), folder, { file: "/tmp/all.sql", sql: "" })).map(({ down }) => down)).toEqual(["/tmp/all.sql", "/tmp/all.sql"]);
});

test("a migration that the folder does not hold is unknown", async () => {
  expect(await judgeApplied(applied("9"), folder)).toEqual([{ name: "9", verdict: "unknown", why: "it is not among the migrations of the folder", down: null }]);
});
