import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, inject, test } from "vitest";

import { runTool } from "../../src/process/run.ts";
import { compareCatalog } from "../../src/postgres/truth/compare-catalog.ts";
import { compareTruth } from "../../src/postgres/truth/compare.ts";
import { readCatalog } from "../../src/postgres/truth/catalog.ts";
import { readTruth } from "../../src/postgres/truth/read.ts";
import { createDatabase, runSql, targetOf, withSession } from "../harness/postgres.ts";

const torture = () => readFile(join(import.meta.dirname, "../fixtures/sql/torture.sql"), "utf8");

async function copyOf(source: string): Promise<string> {
  const copy = await createDatabase();
  const { binaries } = inject("postgres");
  const file = `/tmp/${copy.name}.dump`;
  await runTool([join(binaries, "pg_dump")], ["-Fc", "-Z0", "-f", file], { env: targetOf(source).env });
  await runTool([join(binaries, "pg_restore")], ["--exit-on-error", "-d", copy.name, file], { env: targetOf(copy.name).env });
  return copy.name;
}

const look = (database: string) => withSession(database, async (s) => {
  await s.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  const catalog = await readCatalog(s);
  return { catalog, truth: await readTruth(s, { digests: "all", catalog }) };
});

test("torture round trip", async () => {
  const source = await createDatabase();
  await runSql(source.name, await torture());
  const t0 = Date.now();
  const before = await look(source.name);
  console.log("look ms", Date.now() - t0, before.catalog.length);
  const after = await look(await copyOf(source.name));
  expect(compareCatalog(before.catalog, after.catalog)).toEqual([]);
  expect(compareTruth(before.truth, after.truth)).toEqual([]);
});
