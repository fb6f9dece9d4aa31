import { cp, mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";

import { startTool } from "../../src/process/run.ts";
import { dropDatabase, runSql } from "../harness/postgres.ts";
import { expectHoldsExactly, expectNoSecrets, expectNothingRuns } from "./leftovers.ts";
import { useScene } from "./scene.ts";

const scene = useScene();

test("the good backup and nothing else passes", async () => {
  const bench = await scene().bench();
  await expectHoldsExactly(bench, [scene().backup.id]);
  await expectNothingRuns(bench);
});

test.each(["ehr/backups/ehr-20261121T020000Z-7f3a/data.pgdump.zst.age", "ehr/backups/.tmp-0123456789ab-x", "timeline/2026/.tmp-0123456789ab-x", "ehr/locks/.lock-backup.json/1-2-3", "stray", "other/backups/x"])("a stray file %s is found", async (path) => {
  const bench = await scene().bench();
  await mkdir(dirname(join(bench.repository, path)), { recursive: true });
  await writeFile(join(bench.repository, path), "left behind");
  await expect(expectHoldsExactly(bench, [scene().backup.id])).rejects.toThrow();
});

test("a lost backup, a lost part and a changed part are found", async () => {
  const { id } = scene().backup;
  const folder = join("ehr", "backups", id);
  const lost = await scene().bench();
  await rm(join(lost.repository, folder), { recursive: true });
  await expect(expectHoldsExactly(lost, [id])).rejects.toThrow();
  const without = await scene().bench();
  await rm(join(without.repository, folder, "schema.pgdump.zst.age"));
  await expect(expectHoldsExactly(without, [id])).rejects.toThrow();
  const changed = await scene().bench();
  await cp(join(changed.repository, folder, "schema.pgdump.zst.age"), join(changed.repository, folder, "data.pgdump.zst.age"));
  await expect(expectHoldsExactly(changed, [id])).rejects.toThrow();
});

test("a lock that was not given back is found", async () => {
  const bench = await scene().bench();
  await writeFile(join(bench.repository, "ehr", "locks", "backup.json"), '{"released":null}');
  await expect(expectHoldsExactly(bench, [scene().backup.id])).rejects.toThrow();
});

test("a process and a database that are left are found", async () => {
  const bench = await scene().bench();
  const left = startTool(["sleep", "600"], [], { env: { HOME: bench.folder } });
  await expect(expectNothingRuns(bench)).rejects.toThrow("sleep 600");
  left.kill("SIGKILL");
  await left.done.catch(() => undefined);
  await expectNothingRuns(bench);
  const database = `${scene().database}_holdfast_new_x`;
  onTestFinished(() => dropDatabase(database));
  await runSql("postgres", `CREATE DATABASE ${database} TEMPLATE template0`);
  await expect(expectNothingRuns(bench)).rejects.toThrow(`${scene().database}_holdfast_n`);
});

test("a password in the output or in an entry that waits is found", async () => {
  const bench = await scene().bench();
  const password = new URL(bench.env["DATABASE_URL"] ?? "").password;
  const silent = { code: 1, stdout: "", stderr: "", json: () => { throw new Error("none"); } };
  await expectNoSecrets(bench, silent);
  await expect(expectNoSecrets(bench, { ...silent, stderr: `error: ${password}` })).rejects.toThrow(password);
  const pending = join(bench.folder, "state", "timeline", "x.pending");
  await mkdir(pending, { recursive: true });
  await writeFile(join(pending, "entry.json"), password);
  await expect(expectNoSecrets(bench, silent)).rejects.toThrow(password);
});
