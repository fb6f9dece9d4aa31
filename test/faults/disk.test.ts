import { mkdir } from "node:fs/promises";
import { expect, onTestFinished, test } from "vitest";

import { runTool } from "../../src/process/run.ts";
import { runSql } from "../harness/postgres.ts";
import { expectFault, expectHoldsExactly } from "./leftovers.ts";
import { type FaultBench, useScene } from "./scene.ts";

const scene = useScene();
const isRoot = process.getuid?.() === 0;

/** A repository on a disk of its own; only root can make one. */
async function onSmallDisk(kilobytes: number): Promise<FaultBench> {
  const bench = await scene().bench({}, "none");
  await mkdir(bench.repository);
  await runTool(["mount"], ["-t", "tmpfs", "-o", `size=${kilobytes}k`, "none", bench.repository]);
  onTestFinished(async () => { await runTool(["umount"], [bench.repository]); });
  await bench.ok("repository", "init");
  return bench;
}

test.runIf(isRoot)("a disk that becomes full fails the backup, which gives its space back", async () => {
  const bench = await onSmallDisk(2_500);
  const { id } = (await bench.ok("backup", "--json")).json<{ id: string }>();
  await runSql(scene().database, "CREATE TABLE images AS SELECT n, (SELECT string_agg(sha256((n * 1000 + m)::text::bytea), '') FROM generate_series(1, 300) m) AS image FROM generate_series(1, 400) n");
  const { stderr } = await expectFault("disk full", bench, ["backup"], { recorded: "backup", holds: [id] });
  expect(stderr).toContain("data");
  await runSql(scene().database, "DROP TABLE images");
  const again = (await bench.ok("backup", "--json")).json<{ id: string }>();
  await expectHoldsExactly(bench, [id, again.id]);
});

test.runIf(isRoot)("a disk that cannot hold a backup is refused before the dump", async () => {
  const bench = await onSmallDisk(160);
  await expectFault("disk hopeless", bench, ["backup"], { recorded: "backup", holds: [] });
});
