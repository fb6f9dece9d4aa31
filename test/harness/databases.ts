/** Sources and copies of restores. */
import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, onTestFinished } from "vitest";

import { identifier } from "../../src/postgres/session.ts";
import { databasesLike } from "./context.ts";
import { createDatabase, dropDatabase, runSql, type TestDatabase, withSession } from "./postgres.ts";

/** A database with what `sql` makes in it. */
export async function source(sql: string): Promise<TestDatabase> {
  const database = await createDatabase();
  await runSql(database.name, sql);
  return database;
}

/** A database of fifty people for all tests of a file: made before the first, dropped after the last. @returns its name */
export function peopleDatabase(): string {
  const database = `t_${randomBytes(5).toString("hex")}`;
  beforeAll(async () => {
    await withSession("postgres", (admin) => admin.execute(`CREATE DATABASE ${identifier(database)}`));
    await runSql(database, "CREATE TABLE people (id int PRIMARY KEY); INSERT INTO people SELECT generate_series(1, 50)");
  });
  afterAll(() => dropDatabase(database));
  return database;
}

/** A name for a copy, dropped after the test with everything that was made on its way. */
export function copyName(suffix = "_copy", base = `c_${Math.random().toString(36).slice(2, 10)}`): string {
  onTestFinished(async () => { for (const name of await databasesLike(base)) await dropDatabase(name); });
  return base + suffix;
}

/** Makes roles of the test server, dropped after the test and after the databases of its other hooks. */
export async function roles(names: readonly string[], attributes = "NOLOGIN"): Promise<void> {
  const quoted = names.map((name) => `"${name.replaceAll('"', '""')}"`);
  onTestFinished(async () => { await withSession("postgres", async (admin) => { for (const name of quoted) await admin.execute(`DROP ROLE IF EXISTS ${name}`); }); });
  await withSession("postgres", async (admin) => { for (const name of quoted) await admin.execute(`CREATE ROLE ${name} ${attributes}`); });
}
