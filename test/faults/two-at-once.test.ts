import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";

import { runTool } from "../../src/process/run.ts";
import { expectHoldsExactly, expectNothingRuns, expectRecorded, expectRow } from "./leftovers.ts";
import { clients, useScene } from "./scene.ts";

const scene = useScene();

test("a second backup of the same database is refused by the name of the first, which completes unharmed", async () => {
  const bench = await scene().bench();
  const slow = await clients(bench, { pg_dump: "pg_dump-waits" });
  const [begins, goOn] = ["begins", "go-on"].map((name) => join(slow, name));
  await runTool(["mkfifo"], [begins ?? "", goOn ?? ""]);

  bench.env["HOLDFAST_PG_BIN"] = slow;
  const first = bench.start("backup", "--json");
  expect(await readFile(begins ?? "", "utf8")).toBe("begins\n");
  delete bench.env["HOLDFAST_PG_BIN"];
  const second = await bench.run("backup");
  const pipe = await open(goOn ?? "", "w");
  await pipe.write("go on\n");
  await pipe.close();
  const { exitCode, stdout } = await first;

  expect(exitCode).toBe(0);
  const { id } = JSON.parse(stdout) as { id: string };
  expect(second.stderr).toContain(`pid ${String(first.pid)}`);
  expect(second.stderr).toContain("--lock-wait");
  await expectRow("two at once", bench, second, { holds: [scene().backup.id, id] });
});

test("a backup that waits for the lock follows the first", async () => {
  const bench = await scene().bench();
  const outcomes = await Promise.all([bench.run("backup", "--json", "--lock-wait", "60"), bench.run("backup", "--json", "--lock-wait", "60")]);
  expect(outcomes.map(({ code }) => code)).toEqual([0, 0]);
  await expectHoldsExactly(bench, [scene().backup.id, ...outcomes.map((outcome) => outcome.json<{ id: string }>().id)]);
});

test("a backup that is refused is remembered by the timeline beside the one that went on", async () => {
  const bench = await scene().bench();
  const slow = await clients(bench, { pg_dump: "pg_dump-waits" });
  await runTool(["mkfifo"], [join(slow, "begins"), join(slow, "go-on")]);
  bench.env["HOLDFAST_PG_BIN"] = slow;
  const first = bench.start("backup");
  await readFile(join(slow, "begins"), "utf8");
  delete bench.env["HOLDFAST_PG_BIN"];
  const second = await bench.run("backup");
  expect(second.code).toBe(11);
  await expectRecorded(bench, "backup", "lock-held");
  first.kill("SIGTERM");
  const { exitCode } = await first;
  expect(exitCode).toBe(130);
  await expectNothingRuns(bench);
  await expectHoldsExactly(bench, [scene().backup.id]);
});
