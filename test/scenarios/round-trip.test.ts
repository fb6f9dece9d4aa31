/** One database, backed up into every kind of store: what comes back is the same database, by other means than our own comparison. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

import { clinicSql } from "../../src/quickstart/clinic.ts";
import { createDatabase, runSql } from "../harness/postgres.ts";
import { contextFor, roundTrip, type StoreKind } from "../harness/round-trip.ts";
import { s3Missing } from "../harness/s3.ts";
import { contentsOf, differingTitles, dumpText, globalsText } from "../harness/seen.ts";

interface Sample {
  readonly title: string;
  readonly script: () => Promise<string>;
  /** Entries of pg_dump's text that a restore cannot keep: pg_restore puts the columns of all parents before a table's own. */
  readonly reordered: readonly string[];
}

const databases: readonly Sample[] = [
  { title: "the clinic", script: () => Promise.resolve(clinicSql({ patients: 200 })), reordered: [] },
  {
    title: "the torture schema",
    script: () => readFile(join(import.meta.dirname, "../fixtures/sql/torture.sql"), "utf8"),
    reordered: ["Data for Name: bird; Type: TABLE DATA; Schema: odd; Owner: postgres"],
  },
];
/** The server has other tests' roles too, which come and go. */
const linesNaming = (roles: readonly string[], globals: string): string[] =>
  globals.split("\n").filter((line) => roles.some((role) => line.includes(role.replaceAll('"', '""'))));

const missing = s3Missing();
const stores: StoreKind[] = missing === undefined ? ["file", "s3"] : ["file"];

if (missing !== undefined) test.skip(`S3: ${missing}`);

describe.each(databases)("$title", ({ script, reordered }) => {
  test(`comes back equal from ${stores.join(" and ")} to the last byte of its dump`, async () => {
    const source = await createDatabase();
    await runSql(source.name, await script());
    const before = { dump: await dumpText(source.name), contents: await contentsOf(source.name), globals: await globalsText() };
    expect(before.dump.size).toBeGreaterThan(50);

    for (const store of stores) {
      const { copy, restored, manifest } = await roundTrip(await contextFor(source.name, store));
      expect(restored.notes, store).toEqual([]);
      expect(manifest.truth.tables.filter(({ kind, digest }) => (kind === "table" || kind === "partition") && digest === undefined), store).toEqual([]);
      expect(await contentsOf(copy), store).toEqual(before.contents);
      expect(differingTitles(await dumpText(copy), before.dump), store).toEqual(reordered);
      const concerned = manifest.roles.filter((role) => role !== "postgres");
      expect(linesNaming(concerned, await globalsText()), store).toEqual(linesNaming(concerned, before.globals));
      expect(concerned.length).toBeGreaterThan(1);
    }
  });
});

test("the means of comparing tell a changed row, sequence, large object, grant and setting apart", async () => {
  const { name } = await createDatabase();
  await runSql(name, "CREATE TABLE t (a int, b text); INSERT INTO t VALUES (1, 'x'), (2, NULL); CREATE SEQUENCE s; SELECT lo_from_bytea(4711, '\\x00');");
  const before = { dump: await dumpText(name), contents: await contentsOf(name) };
  expect(differingTitles(await dumpText(name), before.dump)).toEqual([]);

  await runSql(name, `UPDATE t SET b = '' WHERE a = 2; SELECT nextval('s'); SELECT lo_put(4711, 0, '\\x01'); GRANT SELECT ON t TO PUBLIC; ALTER DATABASE ${name} SET work_mem = '7MB';`);
  const after = await contentsOf(name);
  expect(after.tables).not.toEqual(before.contents.tables);
  expect(after.sequences).not.toEqual(before.contents.sequences);
  expect(after.largeObjects).not.toEqual(before.contents.largeObjects);
  expect(differingTitles(await dumpText(name), before.dump).map((title) => title.replace(/; Schema:.*/, "")).sort()).toEqual([
    "Data for Name: BLOBS; Type: BLOBS", "Data for Name: t; Type: TABLE DATA", "Name: NAME; Type: DATABASE PROPERTIES", "Name: TABLE t; Type: ACL", "Name: s; Type: SEQUENCE SET",
  ]);
});
