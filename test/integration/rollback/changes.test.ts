/** Rows that were changed or deleted since a snapshot: never fewer than there were, and unknown where that is not sure. */
import { join } from "node:path";
import { expect, inject, onTestFinished, test, vi } from "vitest";

import { measureTables } from "../../../src/app/rollback/measure-plan-loss.ts";
import { startCluster } from "../../../src/postgres/cluster.ts";
import { openSession, type Session } from "../../../src/postgres/session.ts";
import type { RollbackPlan } from "../../../src/rollback/plan/plan.ts";
import { bench } from "../../harness/context.ts";
import { badRelease } from "../../harness/database-rollbacks.ts";
import { source } from "../../harness/databases.ts";
import { heldTools } from "../../harness/held-tools.ts";
import { runSql, withSession } from "../../harness/postgres.ts";
import { alone, type Measured, measured, record, recordIn } from "../../harness/written-to.ts";

const five = "CREATE TABLE a (id int PRIMARY KEY, x text); INSERT INTO a SELECT n, 'x' FROM generate_series(1, 5) n; CREATE TABLE b (id int PRIMARY KEY, x text); INSERT INTO b SELECT n, 'x' FROM generate_series(1, 5) n;";

/** What is known after `since`, of a database that was made by `before`. */
async function after(since: string, before = five): Promise<Measured> {
  const { name } = await source(before);
  const recorded = await record(name);
  await runSql(name, since);
  return measured(name, recorded);
}

const inBrief = ({ tables }: Measured): unknown[] => tables.map(({ table, changed, deleted, changesBy }) => [table, changed, deleted, changesBy]);

test("updates and deletes are counted, and what was not written to is proved to be so", async () => {
  const found = await after("UPDATE a SET x = 'y' WHERE id < 4; DELETE FROM a WHERE id = 5;");
  expect(found.tables).toEqual([
    { table: "public.a", inserted: null, difference: -1, by: "count", changed: 3, deleted: 1, changesBy: "counters" },
    { table: "public.b", inserted: null, difference: 0, by: "count", changed: 0, deleted: 0, changesBy: "counters" },
  ]);
  expect(found.changes).toEqual({ until: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as string, unknown: null, unchanged: [] });
});

test("large objects are in no table, and are not passed over", async () => {
  const { tables } = await after("SELECT lo_unlink(min(oid)) FROM pg_largeobject_metadata;", "SELECT lo_from_bytea(0, 'a'), lo_from_bytea(0, 'b');");
  expect(tables).toEqual([{ table: "large objects", inserted: null, difference: -1, by: "count", changed: null, deleted: null, changesBy: "unknown" }]);
});

test("a transaction that was rolled back counts as well, and a row once for each change, but never more than there were rows", async () => {
  expect(inBrief(await after("BEGIN; UPDATE a SET x = 'y' WHERE id < 3; DELETE FROM a WHERE id = 5; ROLLBACK; UPDATE b SET x = 'y'; UPDATE b SET x = 'z';"))).toEqual([
    ["public.a", 2, 1, "counters"], ["public.b", 5, 0, "counters"],
  ]);
});

test("a table that has as many rows as before and nothing new is named if it was written to", async () => {
  const numbered = "CREATE TABLE a (id serial PRIMARY KEY, x text); INSERT INTO a (x) SELECT 'x' FROM generate_series(1, 5); CREATE TABLE still (id serial);";
  expect((await after("UPDATE a SET x = 'y' WHERE id = 2;", numbered)).tables).toEqual([{ table: "public.a", inserted: 0, difference: 0, by: "sequence", changed: 1, deleted: 0, changesBy: "counters" }]);
});

test.each([
  ["emptied by TRUNCATE", "DELETE FROM a WHERE id = 1; TRUNCATE a;"],
  ["emptied in the transaction that deleted from it", "BEGIN; DELETE FROM a; TRUNCATE a; INSERT INTO a VALUES (1, 'x'); COMMIT;"],
  ["dropped and made anew", "DROP TABLE a; CREATE TABLE a (id int PRIMARY KEY, x text); INSERT INTO a SELECT n, 'y' FROM generate_series(1, 5) n;"],
  ["exchanged for another by its name", "CREATE TABLE c (LIKE a); INSERT INTO c SELECT id, 'y' FROM a; ALTER TABLE a RENAME TO old_a; ALTER TABLE c RENAME TO a;"],
  ["written anew by ALTER TABLE", "ALTER TABLE a ALTER COLUMN x TYPE int USING length(x);"],
  ["written anew by VACUUM FULL", "VACUUM FULL a;"],
])("of a table that was %s, nothing is claimed", async (_, since) => {
  expect(inBrief(await after(since))).toContainEqual(["public.a", null, null, "rewritten"]);
  expect(inBrief(await after(since))).toContainEqual(["public.b", 0, 0, "counters"]);
});

test("TRUNCATE that was rolled back hides nothing of what was counted before it", async () => {
  expect(inBrief(await after("BEGIN; UPDATE a SET x = 'y'; SAVEPOINT s; TRUNCATE a; ROLLBACK TO s; DELETE FROM a WHERE id = 1; COMMIT;"))).toContainEqual(["public.a", 5, 1, "counters"]);
});

test("a table of an extension is named if it was written to, and not otherwise", async () => {
  const spatial = "CREATE TABLE spatial (id int); INSERT INTO spatial VALUES (1); ALTER EXTENSION plpgsql ADD TABLE spatial; UPDATE pg_extension SET extconfig = ARRAY['spatial'::regclass::oid], extcondition = ARRAY[''] WHERE extname = 'plpgsql';";
  expect(inBrief(await after("SELECT 1;", spatial))).toEqual([]);
  expect(inBrief(await after("UPDATE spatial SET id = 2;", spatial))).toEqual([["public.spatial", 1, 0, "counters"]]);
});

test("a row that moves to another partition counts as deleted where it was", async () => {
  const parted = "CREATE TABLE p (id bigserial, k int) PARTITION BY LIST (k); CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1); CREATE TABLE p2 PARTITION OF p FOR VALUES IN (2); INSERT INTO p (k) VALUES (1), (1), (2);";
  expect(inBrief(await after("UPDATE p SET k = 2 WHERE id = 1;", parted))).toEqual(expect.arrayContaining([["public.p1", 0, 1, "counters"]]));
});

test.each([
  ["the statistics of the database were reset", "SELECT pg_stat_reset();", "the statistics of the database were reset since"],
  ["those of another table were reset", "SELECT pg_stat_reset_single_table_counters('b'::regclass);", "the statistics of the database were reset since"],
])("nothing is known once %s, however many rows were written after it", async (_, reset, why) => {
  const found = await after(`UPDATE a SET x = 'y'; ${reset} UPDATE a SET x = 'z';`);
  expect(found.changes).toEqual({ until: null, unknown: why, unchanged: [] });
  for (const table of found.tables) expect(table).toMatchObject({ changed: null, deleted: null, changesBy: "unknown" });
});

test("a crash loses the counters, which shows though the server runs on under the same start", async () => {
  const { binaries } = inject("postgres");
  const cluster = await startCluster({ binaries });
  onTestFinished(() => cluster.stop());
  const target = { psql: [join(binaries, "psql")] as const, env: { PGHOST: cluster.socket, PGPORT: String(cluster.port), PGUSER: cluster.user, PGDATABASE: "postgres" } };
  const within = async <T>(work: (session: Session) => Promise<T>): Promise<T> => {
    const session = await openSession(target);
    return work(session).finally(() => session.close());
  };
  const { recorded, started, writer } = await within(async (session) => {
    for (const sql of ["CREATE TABLE public.a (id int)", "INSERT INTO public.a SELECT generate_series(1, 5)"]) await session.execute(sql);
    const there = await session.row<{ started: string; writer: number }>("SELECT pg_postmaster_start_time()::text AS started, (SELECT pid FROM pg_stat_activity WHERE backend_type = 'background writer') AS writer");
    return { ...there, recorded: await recordIn(session) };
  });
  await within((session) => session.execute("UPDATE public.a SET id = 0"));
  process.kill(writer, "SIGKILL");
  await vi.waitFor(() => within(async (session) => { expect((await session.row<{ pid: number | null }>("SELECT (SELECT pid FROM pg_stat_activity WHERE backend_type = 'background writer') AS pid")).pid).not.toBe(writer); }), { timeout: 60_000, interval: 50 });
  const found = await within((session) => measureTables(session, recorded, new Set(), 0));
  expect(await within((session) => session.row("SELECT pg_postmaster_start_time()::text AS started, (SELECT stats_reset FROM pg_stat_database WHERE datname = 'postgres') AS reset"))).toEqual({ started, reset: null });
  expect(found.changes).toMatchObject({ until: null, unknown: "the server lost its statistics since, by a crash or a reset" });
});

test("what is written while the dump runs counts as lost, since the counters were read before the snapshot", async () => {
  const { name, url } = await source(five);
  const on = await bench(url);
  const held = await heldTools(join(on.folder, "held"), { tool: "pg_dump", given: "--schema-only" });
  const backup = on.with({ config: { ...on.context.config, pgBin: held.folder } }).backup();
  await held.reached();
  await runSql(name, "UPDATE a SET x = 'y' WHERE id < 3; DELETE FROM b;");
  await held.release();
  const manifest = await backup;
  expect(inBrief(await measured(name, manifest))).toEqual([["public.a", 2, 0, "counters"], ["public.b", 0, 5, "counters"]]);
});

test("a backup without counters, as of an earlier version, says that nothing is known", async () => {
  const { name } = await source(five);
  const { truth: { counters, ...earlier }, snapshotAt } = await record(name);
  expect(counters).toBeDefined();
  await runSql(name, "UPDATE a SET x = 'y'; DELETE FROM b;");
  const found = await measured(name, { truth: earlier, snapshotAt });
  expect(found.changes).toEqual({ until: null, unknown: "the backup has no counters to compare with", unchanged: [] });
  expect(inBrief(found)).toEqual([["public.a", null, null, "unknown"], ["public.b", null, null, "unknown"]]);
});

test.each([
  ["another server", { system: "1" }, "the server is not the one that the backup was taken from"],
  ["another timeline", { timeline: "00000009" }, "the server's timeline is another since: a standby took over, or it was recovered"],
  ["another database of the name", { database: 1 }, "the database is not the one that the backup was taken from, though it has its name"],
])("counters of %s are not compared", async (_, other, why) => {
  const { name } = await source(five);
  const { truth, snapshotAt } = await record(name);
  const found = await measured(name, { truth: { ...truth, counters: { ...truth.counters!, ...other } }, snapshotAt });
  expect(found.changes).toMatchObject({ until: null, unknown: why });
});

test("counters that would have gone backwards are not believed", async () => {
  const { name } = await source(five);
  const { truth, snapshotAt } = await record(name);
  const counters = { ...truth.counters!, tables: truth.counters!.tables.map((table) => ({ ...table, deleted: table.deleted + 1 })) };
  expect(inBrief(await measured(name, { truth: { ...truth, counters }, snapshotAt }))).toEqual([["public.a", null, null, "unknown"], ["public.b", null, null, "unknown"]]);
});

test("where nobody counts, nothing is recorded", async () => {
  const { name } = await source(five);
  await runSql(name, `ALTER DATABASE ${name} SET track_counts = off;`);
  expect((await record(name)).truth.counters).toBeUndefined();
});

test("a digest proves that a table is unchanged, though it was written to and though no counter tells", async () => {
  const { name } = await source(five);
  const recorded = await record(name, { digests: "all" });
  await runSql(name, "UPDATE a SET x = 'y'; UPDATE a SET x = 'x'; SELECT pg_stat_reset();");
  expect(await measured(name, recorded)).toEqual({ tables: [], changes: { until: null, unknown: "the statistics of the database were reset since", unchanged: ["public.a", "public.b"] } });
});

test("a digest that differs proves nothing, and the counters stand", async () => {
  const { name } = await source(five);
  const recorded = await record(name, { digests: ["a"] });
  await runSql(name, "UPDATE a SET x = 'y' WHERE id = 1;");
  const found = await measured(name, recorded);
  expect(found.changes).toMatchObject({ unchanged: [] });
  expect(inBrief(found)).toEqual([["public.a", 1, 0, "counters"], ["public.b", 0, 0, "counters"]]);
});

test("what a session may not have reported yet ends what is known, and is not taken for nothing", async () => {
  const { name } = await source(five);
  await withSession(name, async (writer) => {
    // It reports its first transaction at once, and keeps back the second of the same second for as long as the third is open.
    await writer.execute("UPDATE b SET x = 'y' WHERE id = 1");
    const recorded = await record(name);
    await writer.execute("UPDATE b SET x = 'y' WHERE id = 2");
    await writer.execute("UPDATE a SET x = 'y'");
    await writer.execute("BEGIN");
    await writer.row("SELECT 1 AS one");
    const found = await withSession(name, (session) => measureTables(session, recorded, new Set(), 0));
    expect(found.changes).toMatchObject({ until: null, unknown: "sessions have not reported yet what they wrote since; plan again in a minute" });
    await writer.execute("COMMIT");
    await writer.close();
    expect(inBrief(await measured(name, recorded))).toEqual([["public.a", 5, 0, "counters"], ["public.b", expect.any(Number), 0, "counters"]]);
  });
});

test("a transaction that is open since before the snapshot hides nothing that was committed since", async () => {
  const { name } = await source(five);
  await withSession(name, async (open) => {
    await open.execute("BEGIN");
    await open.row("SELECT 1 AS one");
    const recorded = await record(name);
    const { changes } = await withSession(name, (session) => measureTables(session, recorded, new Set(), 0));
    expect(changes).toMatchObject({ unknown: null });
  });
});

test("the plan says them beside the rows that were added, and until when they are counted", async () => {
  const place = await badRelease();
  await place.sql("UPDATE patients SET full_name = 'changed' WHERE id < 4; DELETE FROM patients WHERE id = 4;");
  await alone(place.name);
  const { loss } = (await place.ok("rollback", "plan", "--to", "1.0.0", "--json")).json<RollbackPlan>();
  expect(loss).toMatchObject({ data: true, tables: [{ table: "public.patients", inserted: 2, difference: 1, by: "sequence", changed: 3, deleted: 1, changesBy: "counters" }], changes: { until: expect.any(String) as string, unknown: null, unchanged: [] } });
  const { stdout } = await place.ok("rollback", "plan", "--to", "1.0.0");
  expect(stdout).toMatch(/^public\.patients +2 +up to 3 +up to 1 +1 +its sequence$/m);
  expect(stdout).toMatch(/^ {2}changed and deleted rows: at most, by the server's counters, of what was committed until \S+ \S+ UTC$/m);
  expect(stdout.split("\n").length).toBeLessThan(40);
}, 240_000);
