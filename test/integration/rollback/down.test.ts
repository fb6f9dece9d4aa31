import { expect, test } from "vitest";

import { readAppliedLedgers } from "../../../src/postgres/ledgers.ts";
import { openSession } from "../../../src/postgres/session.ts";
import { migrationsBetween } from "../../../src/rollback/migrations/between.ts";
import { isApplied, prepareDown, runDown, type RunDownOptions } from "../../../src/rollback/migrations/down.ts";
import { readLedgerStates } from "../../../src/rollback/migrations/ledgers.ts";
import type { Migration } from "../../../src/rollback/migrations/migration.ts";
import { roles, source } from "../../harness/databases.ts";
import { runSql, type TestDatabase, withSession } from "../../harness/postgres.ts";

const ledgerSql = `CREATE TABLE _prisma_migrations (id varchar(36) PRIMARY KEY, checksum varchar(64) NOT NULL, finished_at timestamptz, migration_name varchar(255) NOT NULL,
  logs text, rolled_back_at timestamptz, started_at timestamptz NOT NULL DEFAULT now(), applied_steps_count integer NOT NULL DEFAULT 0);`;
const row = (name: string, at: string, state: "done" | "rolled-back" | "open" = "done") =>
  `INSERT INTO _prisma_migrations VALUES (gen_random_uuid()::text, 'c', ${state === "done" ? `'${at}'` : "NULL"}, '${name}', NULL, ${state === "rolled-back" ? `'${at}'` : "NULL"}, '${at}', 1);`;
const base = `${ledgerSql} CREATE TABLE patient (id serial PRIMARY KEY, name text); INSERT INTO patient (name) VALUES ('Ada'), ('Bob'); ${row("1_init", "2026-01-01")}`;
const later = `CREATE TABLE visit (id serial PRIMARY KEY); ${row("2_visit", "2026-01-02", "rolled-back")} ${row("2_visit", "2026-01-03")}
  ALTER TABLE patient RENAME COLUMN name TO full_name; ${row("3_rename", "2026-01-04")}`;

const migration = (name: string, down: string): Migration => ({ name, file: `/m/${name}/migration.sql`, text: "", isSql: true, down: { file: `/m/${name}/down.sql`, sql: down } });
const renameBack = "ALTER TABLE patient RENAME COLUMN full_name TO name;";

/** A database with two migrations more than its checkpoint, and what takes them back. */
async function scene(): Promise<TestDatabase & { then: RunDownOptions["target"]; now: RunDownOptions["now"] }> {
  const database = await source(base);
  const then = await withSession(database.name, readLedgerStates);
  await runSql(database.name, later);
  return { ...database, then, now: await withSession(database.name, readLedgerStates) };
}

async function takeBack({ name, then, now }: Awaited<ReturnType<typeof scene>>, folder: readonly Migration[], over: Partial<RunDownOptions> = {}): Promise<void> {
  const down = await prepareDown(migrationsBetween(then, now).applied, folder);
  await withSession(name, (session) => runDown(session, down, { now, target: then, ...over }));
}

const seen = (name: string) => withSession(name, async (session) => ({
  columns: (await session.rows<{ c: string }>("SELECT attname AS c FROM pg_attribute WHERE attrelid = 'public.patient'::regclass AND attnum > 0 ORDER BY attnum")).map(({ c }) => c),
  tables: (await session.rows<{ t: string }>("SELECT relname AS t FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1")).map(({ t }) => t),
  ledger: (await session.rows<{ m: string }>("SELECT concat(migration_name, CASE WHEN rolled_back_at IS NOT NULL THEN ' (rolled back)' WHEN finished_at IS NULL THEN ' (open)' END) AS m FROM _prisma_migrations ORDER BY started_at")).map(({ m }) => m),
  rows: (await session.row<{ n: number }>("SELECT count(*) AS n FROM patient")).n,
}));

test("down scripts take the schema and the ledger back in one transaction, and keep the rows", async () => {
  const at = await scene();
  expect(isApplied(at.now, at.then)).toBe(false);
  await takeBack(at, [migration("2_visit", "DROP TABLE visit;"), migration("3_rename", renameBack)]);
  expect(await seen(at.name)).toEqual({ columns: ["id", "name"], tables: ["_prisma_migrations", "patient"], ledger: ["1_init", "2_visit (rolled back)"], rows: 2 });
  const ledgers = await withSession(at.name, readLedgerStates);
  expect(isApplied(ledgers, at.then)).toBe(true);
});

test("a script that fails in the middle leaves everything as it was, and quotes no row", async () => {
  const at = await scene();
  const before = await seen(at.name);
  const failing = takeBack(at, [migration("2_visit", "DROP TABLE visit; DELETE FROM patient; SELECT 'Zoe Secret'::int;"), migration("3_rename", renameBack)]);
  await expect(failing).rejects.toMatchObject({ code: "rollback-failed", message: expect.stringMatching(/^statement 3 of \/m\/2_visit\/down\.sql \(SELECT\) failed: .* \(22P02\); nothing of the down-SQL stands$/) as string });
  await expect(failing).rejects.not.toThrow("Secret");
  expect(await seen(at.name)).toEqual(before);
});

test("a constraint that fails only at the commit leaves everything as it was", async () => {
  const at = await scene();
  await runSql(at.name, "CREATE TABLE late (id int REFERENCES patient DEFERRABLE INITIALLY DEFERRED);");
  const before = await seen(at.name);
  const failing = takeBack(at, [migration("2_visit", "DROP TABLE visit; INSERT INTO late VALUES (99);"), migration("3_rename", renameBack)]);
  await expect(failing).rejects.toMatchObject({ code: "rollback-failed", message: expect.stringMatching(/^the commit failed: .*\(23503\)/) as string });
  expect(await seen(at.name)).toEqual(before);
});

test("a ledger that has moved since the plan is refused before anything runs", async () => {
  const at = await scene();
  await runSql(at.name, row("4_hotfix", "2026-01-05"));
  const before = await seen(at.name);
  await expect(takeBack(at, [migration("2_visit", "DROP TABLE visit"), migration("3_rename", renameBack)])).rejects.toMatchObject({ code: "refused", message: "the migration ledger has changed since the plan was made" });
  expect(await seen(at.name)).toEqual(before);
});

test("a script that leaves the ledger at another place than the target is taken back", async () => {
  const at = await scene();
  const before = await seen(at.name);
  await expect(takeBack(at, [migration("2_visit", `DROP TABLE visit; ${row("9_stray", "2026-01-09")}`), migration("3_rename", renameBack)])).rejects.toMatchObject({ code: "rollback-failed", message: expect.stringContaining("public._prisma_migrations at 9_stray, but must say public._prisma_migrations at 1_init") as string });
  expect(await seen(at.name)).toEqual(before);
});

test("a migration that begins meanwhile waits until the ledger is as it has to be", async () => {
  const at = await scene();
  const down = await prepareDown(migrationsBetween(at.then, at.now).applied, { file: "/m/all.sql", sql: `${renameBack} DROP TABLE visit; SELECT pg_advisory_lock(7);` });
  await withSession(at.name, async (holder) => {
    await holder.execute("SELECT pg_advisory_lock(7)");
    const running = withSession(at.name, (session) => runDown(session, down, { now: at.now, target: at.then }));
    await withSession(at.name, async (other) => {
      const inside = () => other.row<{ n: number }>("SELECT count(*) AS n FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())");
      while ((await inside()).n === 0);
      await other.execute("SET lock_timeout = '100ms'");
      await expect(other.execute(row("4_next", "2026-02-01").replace(/;$/, ""))).rejects.toMatchObject({ sqlState: "55P03" });
    });
    await holder.execute("SELECT pg_advisory_unlock(7)");
    await running;
  });
  expect((await seen(at.name)).ledger).toEqual(["1_init", "2_visit (rolled back)"]);
});

test("a script finds unqualified names where the application does, and its own settings end with it", async () => {
  const database = await source(`CREATE SCHEMA ehr; SET search_path = ehr; ${base} ${later} SET search_path = public; CREATE TABLE visit (kept int);`);
  const now = await withSession(database.name, readLedgerStates);
  const then = now.map((ledger) => ({ ...ledger, applied: ["1_init"], head: "1_init" }));
  const down = await prepareDown(migrationsBetween(then, now).applied, [migration("2_visit", "DROP TABLE visit"), migration("3_rename", `SET search_path = ehr; ${renameBack} SET search_path = public;`)]);
  const session = await openSession(database.target);
  await runDown(session, down, { now, target: then, searchPath: "ehr" });
  expect(await session.row("SELECT current_setting('search_path') AS path")).toEqual({ path: "" });
  expect(await session.row("SELECT to_regclass('ehr.visit') IS NULL AS gone, to_regclass('public.visit') IS NOT NULL AS kept")).toEqual({ gone: true, kept: true });
  await session.close();
});

test.each([
  ["knex", "CREATE TABLE knex_migrations (id serial, name text, batch int, migration_time timestamptz); INSERT INTO knex_migrations (name, batch) VALUES ('1.js', 1), ('it''s 2.js', 2);", "it's 2.js"],
  ["flyway", "CREATE TABLE flyway_schema_history (installed_rank int, version text, description text, type text, script text, checksum int, success bool); INSERT INTO flyway_schema_history VALUES (1, '1', '', 'SQL', 'V1__a.sql', 1, true), (2, NULL, '', 'SQL', 'R__v.sql', 1, true), (3, '2', '', 'SQL', 'V2__b.sql', 1, true);", "2"],
  ["drizzle", "CREATE SCHEMA drizzle; CREATE TABLE drizzle.__drizzle_migrations (id serial, hash text, created_at bigint); INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES ('aa', 1), ('bb', 2);", "bb"],
  ["typeorm", "CREATE TABLE migrations (id serial, timestamp bigint, name text); INSERT INTO migrations (timestamp, name) VALUES (1, 'Init1'), (2, 'More2');", "More2"],
  ["django", "CREATE TABLE django_migrations (id serial, app text, name text, applied timestamptz); INSERT INTO django_migrations (app, name) VALUES ('a', '0001'), ('a', '0002');", "a.0002"],
  ["rails", "CREATE TABLE schema_migrations (version text); INSERT INTO schema_migrations VALUES ('20260101'), ('20260102');", "20260102"],
])("a row of a ledger of %s is taken out, and no other", async (tool, sql, name) => {
  const database = await source(sql);
  const now = await withSession(database.name, readLedgerStates);
  expect(now).toMatchObject([{ tool, head: name }]);
  const then = now.map((ledger) => ({ ...ledger, applied: ledger.applied.slice(0, -1) }));
  await withSession(database.name, async (session) => { await runDown(session, { migrations: migrationsBetween(then, now).applied, scripts: [] }, { now, target: then }); });
  expect(isApplied(await withSession(database.name, readLedgerStates), then)).toBe(true);
});

test("unfinished migrations are named, and those that somebody has dealt with are not", async () => {
  const { name } = await source(`${base} ${row("2_visit", "2026-01-02", "rolled-back")} ${row("2_visit", "2026-01-03", "open")}`);
  expect(await withSession(name, readAppliedLedgers)).toMatchObject([{ applied: ["1_init"], failed: 2, unfinished: ["2_visit"] }]);
});

test("a ledger that the role may not read is told with what it lacks", async () => {
  const { name } = await source(base);
  const reader = `${name}_reader`;
  await roles([reader]);
  await withSession(name, async (session) => {
    await session.execute(`SET ROLE ${reader}`);
    await expect(readAppliedLedgers(session)).rejects.toMatchObject({ code: "configuration", message: expect.stringContaining("the migration ledger public._prisma_migrations cannot be read: permission denied") as string, hints: [expect.stringContaining("GRANT SELECT ON \"public\".\"_prisma_migrations\"") as string] });
  });
});

test("repeatable migrations of Flyway are known by their digest, which a ledger without any lacks", async () => {
  const flyway = "CREATE TABLE flyway_schema_history (installed_rank int, version text, description text, type text, script text, checksum int, success bool); INSERT INTO flyway_schema_history VALUES (1, '1', '', 'SQL', 'V1__a.sql', 1, true);";
  const { name } = await source(flyway);
  const read = async () => (await withSession(name, readLedgerStates))[0];
  const without = await read();
  await runSql(name, "INSERT INTO flyway_schema_history VALUES (2, NULL, '', 'SQL', 'R__v.sql', 7, true);");
  const once = await read();
  await runSql(name, "INSERT INTO flyway_schema_history VALUES (3, NULL, '', 'SQL', 'R__v.sql', 8, true);");
  expect(new Set([without, once, await read()].map((ledger) => ledger?.repeatable)).size).toBe(3);
  expect(without).not.toHaveProperty("repeatable");
});
