import { expect, test } from "vitest";

import { runSql, withSession } from "../harness/postgres.ts";
import { expectFault, expectHoldsExactly } from "./leftovers.ts";
import type { FaultName } from "./matrix.ts";
import { clients, useScene } from "./scene.ts";

const scene = useScene();

const broken: readonly [FaultName, Parameters<typeof clients>[1]][] = [
  ["half then 3", { pg_dump: "pg_dump-half-then-3" }],
  ["killed at half", { pg_dump: "pg_dump-killed" }],
  ["nothing", { pg_dump: "pg_dump-nothing" }],
  ["rubbish", { pg_dump: "pg_dump-rubbish" }],
  ["no globals", { pg_dumpall: "pg_dumpall-nothing" }],
  ["half globals", { pg_dumpall: "pg_dumpall-half" }],
];

test.each(broken)("a dump that ends as %j says is no backup", async (fault, replaced) => {
  const bench = await scene().bench();
  bench.env["HOLDFAST_PG_BIN"] = await clients(bench, replaced);
  await expectFault(fault, bench, ["backup"], { recorded: "backup" });
});

test("after a failed dump the next backup succeeds beside the earlier one", async () => {
  const bench = await scene().bench();
  bench.env["HOLDFAST_PG_BIN"] = await clients(bench, { pg_dump: "pg_dump-half-then-3" });
  await expectFault("half then 3", bench, ["backup"]);
  delete bench.env["HOLDFAST_PG_BIN"];
  const { id } = (await bench.ok("backup", "--json")).json<{ id: string }>();
  await expectHoldsExactly(bench, [scene().backup.id, id]);
});

const drops: readonly [FaultName, string][] = [
  ["table dropped", "pg_dump-after-a-drop"],
  ["table dropped later", "pg_dump-before-a-drop"],
];

test.each(drops)("a %s during the run fails it, and says that the schema changed", async (fault, fixture) => {
  const bench = await scene().bench();
  bench.env["HOLDFAST_PG_BIN"] = await clients(bench, { pg_dump: fixture });
  const { stderr } = await expectFault(fault, bench, ["backup"], { recorded: "backup" });
  expect(stderr).toMatch(/→ .*Run the backup again when no migration is running\./);
  await withSession(scene().database, async (session) => {
    expect(await session.row("SELECT to_regclass('visits') IS NULL AS gone")).toEqual({ gone: true });
  });
  await runSql(scene().database, "CREATE TABLE visits (id int)");
});
