import { expect, test } from "vitest";

import { workbench } from "../harness/cli.ts";
import { createDatabase, dropDatabase, runSql, withSession } from "../harness/postgres.ts";
import { onTestFinished } from "vitest";

const people = `
  CREATE TABLE people (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL);
  INSERT INTO people (name) SELECT 'person ' || n FROM generate_series(1, 1000) n;
  CREATE INDEX people_name ON people (name);
`;

test("a database is backed up, listed, verified, restored beside and found equal", async () => {
  const database = await createDatabase();
  await runSql(database.name, people);
  const bench = await workbench(database.url);
  const copy = `${database.name}_copy`;
  onTestFinished(() => dropDatabase(copy));

  await bench.ok("repository", "init");
  const made = (await bench.ok("backup", "--json")).json<{ id: string; parts: { name: string }[]; bytes: number }>();
  expect(made.id).toMatch(/^ehr-\d{8}T\d{6}Z-[0-9a-f]{4}$/);
  expect(made.parts.map((part) => part.name)).toEqual(["globals", "database", "catalog", "schema", "data"]);
  expect((await bench.ok("backup", "list", "--json")).json<{ id: string }[]>().map(({ id }) => id)).toEqual([made.id]);
  await bench.ok("backup", "verify", "latest", "--level", "archive");
  const restored = (await bench.ok("restore", "latest", "--into", copy, "--json")).json();
  expect(restored).toMatchObject({ backup: made.id, target: copy, tables: 1, rows: 1000 });
  await withSession(copy, async (session) => {
    expect(await session.row("SELECT count(*) FROM people")).toEqual({ count: 1000 });
  });
  await bench.ok("audit", "verify");
});
