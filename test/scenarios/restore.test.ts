/** Restores beside: what comes back, what is refused, and that nothing is left of one that failed. */
import { readdir } from "node:fs/promises";
import { describe, expect, test } from "vitest";

import { bench, containing, databasesLike, runSqlNow } from "../harness/context.ts";
import { copyName, source } from "../harness/databases.ts";
import { createDatabase, runSql, withSession } from "../harness/postgres.ts";

const people = `
  CREATE TABLE people (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL);
  INSERT INTO people (name) SELECT 'person ' || n FROM generate_series(1, 100) n;
`;

describe("which backup", () => {
  test("as-of takes the newest snapshot not after the instant, to the millisecond", async () => {
    const database = await source(people);
    const here = await bench(database.url);
    const [first, second] = [await here.backup(), await here.backup()];
    const into = copyName();
    const chosen = async (asOf: Date): Promise<string> => (await here.restore({ into, choice: { asOf }, dryRun: true })).backup;
    expect(await chosen(new Date(second.snapshotAt))).toBe(second.id);
    expect(await chosen(new Date(Date.parse(second.snapshotAt) - 1))).toBe(first.id);
    expect(await chosen(new Date(first.snapshotAt))).toBe(first.id);
    await expect(chosen(new Date(Date.parse(first.snapshotAt) - 1))).rejects.toMatchObject({ code: "not-found" });
    expect((await here.restore({ into, choice: { id: first.id }, dryRun: true })).backup).toBe(first.id);
  });
});

test("a target is made under exactly the name that was given, whatever is in it", async () => {
  const database = await source(people);
  const here = await bench(database.url);
  await here.backup();
  const dash = `-c${Math.random().toString(36).slice(2, 10)}`;
  const names = [
    ...[` it's "my" copy`, "_ünïcødé_☃_数据", " $(touch pwned); `id`", "\nnew\\line", " host=elsewhere dbname=x", "_".padEnd(53, "x")].map((suffix) => copyName(suffix)),
    copyName("", dash),
  ];
  for (const into of names) {
    expect(await here.restore({ into })).toMatchObject({ target: into, tables: 1, rows: 100 });
    expect(await withSession(into, (session) => session.row("SELECT count(*), current_database() AS name FROM people"))).toEqual({ count: 100, name: into });
  }
  await expect(here.restore({ into: copyName("_".padEnd(54, "x")) })).rejects.toMatchObject({ code: "usage" });
});

describe("the target", () => {
  test("that is there and empty is replaced, its place taken by the copy", async () => {
    const database = await source(people);
    const here = await bench(database.url);
    await here.backup();
    const target = await createDatabase();
    expect((await here.restore({ into: target.name })).rows).toBe(100);
    expect(await databasesLike(target.name)).toEqual([target.name]);
  });

  test("that holds anything is refused, and the hint names --swap", async () => {
    const database = await source(people);
    const here = await bench(database.url);
    await here.backup();
    const target = await createDatabase();
    for (const [sql, undo] of [["CREATE TABLE t (a int)", "DROP TABLE t"], ["CREATE SCHEMA app", "DROP SCHEMA app"], ["CREATE FUNCTION f() RETURNS int LANGUAGE sql RETURN 1", "DROP FUNCTION f"], ["SELECT lo_create(7)", "SELECT lo_unlink(7)"]] as const) {
      await runSql(target.name, sql);
      const error: unknown = await here.restore({ into: target.name }).catch((caught: unknown) => caught);
      expect(error).toMatchObject({ code: "refused", hints: [containing(`--swap --confirm ${target.name}`)] });
      await runSql(target.name, undo);
    }
    expect(await databasesLike(target.name)).toEqual([target.name]);
  });

  test("that was made and filled while the restore ran stays as it is, and so does the proved copy", async () => {
    const database = await source(people);
    const here = await bench(database.url);
    await here.backup();
    const target = copyName();
    here.listen((event) => { if (event.type === "step-started" && event.step === "finish") { runSqlNow("postgres", `CREATE DATABASE "${target}"`); runSqlNow(target, "CREATE TABLE theirs (a int)"); } });
    const error = await here.restore({ into: target }).catch((caught: unknown) => caught as { hints: string[] });
    expect(error).toMatchObject({ code: "refused", message: `database ${target} was filled while the restore ran` });
    const [live, copy, ...more] = await databasesLike(target);
    expect([live, more]).toEqual([target, []]);
    expect(copy).toMatch(/_holdfast_new_[0-9a-z]+$/);
    expect((error as { hints: string[] }).hints.join()).toContain(copy);
    await withSession(target, async (session) => { expect(await session.rows("SELECT * FROM theirs")).toEqual([]); });
  });
});

test("a dry run changes nothing and leaves no entry that claims a restore", async () => {
  const database = await source(people);
  const here = await bench(database.url);
  await here.backup();
  const before = await databasesLike("");
  const entries = async (): Promise<number> => (await readdir(`${here.folder}/repository/timeline`, { recursive: true })).length;
  const written = await entries();
  const result = await here.restore({ into: copyName(), dryRun: true });
  expect(result).toMatchObject({ dryRun: true, kept: undefined });
  expect(result.checks.map(({ name }) => name)).toEqual(["server version", "client version", "target database", "privileges", "extensions", "roles", "space", "temporary folder", "leftovers"]);
  expect(await here.restore({ into: database.name, swap: true, dryRun: true })).toMatchObject({ dryRun: true });
  expect((await databasesLike("")).filter((name) => name.includes("holdfast") && name.startsWith(database.name))).toEqual(before.filter((name) => name.startsWith(database.name) && name !== database.name));
  expect(await entries()).toBe(written);
});
