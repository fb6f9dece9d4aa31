/** Sources and copies of restores. */
import { onTestFinished } from "vitest";

import { databasesLike } from "./context.ts";
import { createDatabase, dropDatabase, runSql, type TestDatabase, withSession } from "./postgres.ts";

/** A database with what `sql` makes in it. */
export async function source(sql: string): Promise<TestDatabase> {
  const database = await createDatabase();
  await runSql(database.name, sql);
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
