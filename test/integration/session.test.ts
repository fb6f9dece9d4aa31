import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, inject, onTestFinished, test } from "vitest";

import { startCluster } from "../../src/postgres/cluster.ts";
import { identifier, literal, openSession, SqlError } from "../../src/postgres/session.ts";
import { createDatabase, targetOf, withSession } from "../harness/postgres.ts";

test("a session answers rows as objects, in order", async () => {
  const { name } = await createDatabase();
  await withSession(name, async (session) => {
    expect(await session.rows("SELECT n, 'a' || chr(10) || 'b' AS t FROM generate_series(1, 2) n")).toEqual([
      { n: 1, t: "a\nb" },
      { n: 2, t: "a\nb" },
    ]);
    expect(await session.rows("SELECT 1 WHERE false")).toEqual([]);
  });
});

test("a refused statement carries its SQLSTATE and no row values", async () => {
  const { name } = await createDatabase();
  await withSession(name, async (session) => {
    await session.execute("CREATE TABLE t (id int PRIMARY KEY)");
    await session.execute("INSERT INTO t VALUES (4711)");
    const error = await session.execute("INSERT INTO t VALUES (4711)").catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(SqlError);
    expect(error).toMatchObject({ sqlState: "23505", message: 'duplicate key value violates unique constraint "t_pkey"' });
    expect(await session.row("SELECT count(*) FROM t")).toEqual({ count: 1 });
  });
});

test("names and texts of any kind are quoted, and psql reads no command in them", async () => {
  const odd = `-x "y" 'z' :USER \\! true $(id) ünï\n\\q`;
  const { name } = await createDatabase();
  await withSession(name, async (session) => {
    await session.execute(`CREATE TABLE ${identifier(odd)} (a text)`);
    await session.execute(`INSERT INTO ${identifier(odd)} VALUES (${literal(odd)})`);
    expect(await session.row(`SELECT a FROM ${identifier(odd)}`)).toEqual({ a: odd });
    expect(await session.row("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")).toEqual({ relname: odd });
  });
});

test.each([
  ["a missing database", { PGDATABASE: "no such db" }, /database "no such db" does not exist/],
  ["a wrong password", { PGHOST: "127.0.0.1", PGPASSWORD: "wrong" }, /password authentication failed/],
  ["a closed port", { PGHOST: "127.0.0.1", PGPORT: "1" }, /Connection refused/],
])("%s is unreachable, and the message says why", async (_, extra, message) => {
  const target = targetOf("postgres", extra);
  const error = await openSession(target).catch((caught: unknown) => caught);
  expect(error).toMatchObject({ code: "database-unreachable", exitCode: 13 });
  expect(String(error)).toMatch(message);
});

const caught = (promise: Promise<unknown>): Promise<unknown> => promise.then(() => "no error", (error: unknown) => error);

test("a hundred thousand rows, and one very long line, arrive whole", async () => {
  await withSession("postgres", async (session) => {
    const rows = await session.rows<{ n: number; t: string }>("SELECT n, repeat('ä', n % 40) AS t FROM generate_series(1, 100000) n");
    expect(rows).toHaveLength(100_000);
    expect(rows.at(-2)).toEqual({ n: 99_999, t: "ä".repeat(39) });
    const { long } = await session.row<{ long: string }>("SELECT repeat('x', 30000000) AS long");
    expect(long).toHaveLength(30_000_000);
  });
});

test("every character that a text may hold comes back as it is", async () => {
  const odd = [...Array.from({ length: 0x300 }, (_, at) => String.fromCharCode(at + 1)), "\u2028", "\u2029", "\u0085", "\ufeff", "\u202e", "😀", "\r", "\r\n", "\\N", "holdfast-", "\\echo x", ":ERROR", ":'HOST'", "$$", "%s"];
  await withSession("postgres", async (session) => {
    expect(await session.row(`SELECT ${literal(odd.join("|"))} AS t`)).toEqual({ t: odd.join("|") });
    const named = await session.row<Record<string, number>>(`SELECT 1 AS ${identifier("a\u2028b\rc\td")}`);
    expect(named).toEqual({ "a\u2028b\rc\td": 1 });
  });
});

test("errors in any place leave the session usable, and the answers in their order", async () => {
  await withSession("postgres", async (session) => {
    const wrong = ["SELECT 1/0 AS x", "SELEC 1", "SELECT 1 AS", ")", "", "SELECT 1; SELECT no_such", "COMMIT; SELECT 1/0"];
    const asked = wrong.map((sql) => caught(session.rows(sql)));
    const answers = [session.row("SELECT 1 AS n"), session.row("SELECT 2 AS n")];
    for (const [at, error] of (await Promise.all(asked)).entries()) expect(error, wrong[at]).toMatchObject({ name: "SqlError", sqlState: expect.stringMatching(/^(?:42|22)/) as string });
    expect(await Promise.all(answers)).toEqual([{ n: 1 }, { n: 2 }]);
  });
});

test("a failed statement inside a transaction is told, and so is each that follows until it is rolled back", async () => {
  await withSession("postgres", async (session) => {
    await session.execute("BEGIN");
    expect(await caught(session.rows("SELECT 1/0 AS x"))).toMatchObject({ sqlState: "22012" });
    expect(await caught(session.rows("SELECT 1 AS x"))).toMatchObject({ sqlState: "25P02" });
    await session.execute("ROLLBACK");
    expect(await session.row("SELECT 1 AS x")).toEqual({ x: 1 });
  });
});

test("notices and warnings are no answers", async () => {
  await withSession("postgres", async (session) => {
    await session.execute("SET client_min_messages = debug1");
    await session.execute("DO $$ BEGIN RAISE NOTICE 'one'; RAISE WARNING 'two'; RAISE INFO 'three'; END $$");
    expect(await session.row("SELECT 1 AS n")).toEqual({ n: 1 });
  });
});

test("no option of the URL, no limit of role or database and no file of the user changes how a session works", async () => {
  const { name } = await createDatabase();
  await withSession("postgres", async (admin) => {
    for (const [setting, value] of [["statement_timeout", "'1ms'"], ["idle_in_transaction_session_timeout", "'1ms'"], ["idle_session_timeout", "'50ms'"], ["search_path", "evil, pg_catalog"], ["standard_conforming_strings", "off"], ["client_min_messages", "debug5"]]) {
      await admin.execute(`ALTER DATABASE ${identifier(name)} SET ${setting} = ${value}`);
    }
  });
  const home = await mkdtemp(join(tmpdir(), "holdfast-home-"));
  onTestFinished(() => rm(home, { recursive: true, force: true }));
  await writeFile(join(home, ".psqlrc"), "\\echo from the user's file\n\\set ON_ERROR_STOP 1\n\\pset format html\n\\timing on\n\\set AUTOCOMMIT off\n");
  const session = await openSession(targetOf(name, { HOME: home, PSQLRC: join(home, ".psqlrc"), PGOPTIONS: "-c statement_timeout=1ms -c search_path=evil -c client_encoding=LATIN1 -c DateStyle=German" }));
  onTestFinished(() => session.close());
  await session.execute("CREATE SCHEMA evil");
  await session.execute("CREATE FUNCTION evil.count(text) RETURNS text LANGUAGE sql AS $$ SELECT 'evil' $$");
  await session.execute("CREATE FUNCTION evil.format(text, text) RETURNS text LANGUAGE sql AS $$ SELECT 'evil' $$");
  expect(await session.row("SELECT format('%s', 'good'::text) AS f, pg_sleep(0.1)::text AS s, 'ä€' AS t, '\\\\' AS b")).toEqual({ f: "good", s: "", t: "ä€", b: "\\\\" });
  await session.execute("BEGIN");
  await new Promise((resolve) => setTimeout(resolve, 100));
  await session.execute("COMMIT");
  await new Promise((resolve) => setTimeout(resolve, 150));
  expect(await session.row("SELECT 1 AS n")).toEqual({ n: 1 });
});

test("a long query ends at once when the session is killed, and is rejected", async () => {
  const session = await openSession(targetOf("postgres"));
  const asked = caught(session.rows("SELECT pg_sleep(600)"));
  const queued = caught(session.rows("SELECT 1 AS n"));
  session.kill();
  expect(await asked).toMatchObject({ code: "database-unreachable", message: expect.stringContaining("psql was ended by SIGKILL") as string });
  expect(await queued).toMatchObject({ code: "database-unreachable" });
  await session.close();
});

test("cancelling rejects what is being asked with the cancellation", async () => {
  const stop = new AbortController();
  const session = await openSession(targetOf("postgres"), { signal: stop.signal });
  const asked = caught(session.rows("SELECT pg_sleep(600)"));
  stop.abort();
  expect(await asked).toMatchObject({ code: "cancelled" });
  await session.close();
});

test("a backend that is ended, and a server that restarts, are a lost connection in clear words", async () => {
  const cluster = await startCluster({ binaries: inject("postgres").binaries });
  onTestFinished(() => cluster.stop());
  const target = { psql: targetOf("postgres").psql, env: { PGHOST: cluster.socket, PGPORT: String(cluster.port), PGUSER: "postgres", PGDATABASE: "postgres" } };
  const [session, other, idle] = [await openSession(target), await openSession(target), await openSession(target)];
  const { pid } = await session.row<{ pid: number }>("SELECT pg_backend_pid() AS pid");
  const asked = caught(session.rows("SELECT pg_sleep(600)"));
  await other.rows(`SELECT pg_terminate_backend(${pid})`);
  expect(await asked).toMatchObject({ code: "database-unreachable", message: expect.stringMatching(/^the connection to the database was lost: .*terminating connection due to administrator command/) as string });
  await cluster.stop();
  expect(await caught(idle.row("SELECT 1 AS n"))).toMatchObject({ code: "database-unreachable", message: expect.stringMatching(/^the connection to the database was lost: /) as string });
  expect(await caught(openSession(target))).toMatchObject({ code: "database-unreachable", hints: ["Check that the server runs and that the URL's host and port are its own."] });
  for (const each of [session, other, idle]) await each.close();
  expect(await caught(session.rows("SELECT 1 AS n"))).toMatchObject({ code: "database-unreachable" });
});

test("a psql that is not there is a matter of the configuration", async () => {
  expect(await caught(openSession({ psql: ["/no/such/psql"], env: {} }))).toMatchObject({ code: "configuration", message: "psql could not be run (ENOENT)", hints: [expect.stringContaining("HOLDFAST_PG_BIN") as string] });
});

test.each([
  ["prints NUL bytes and no answer", "head -c 100000 /dev/zero; exit 0"],
  ["prints a very long line and ends", "head -c 30000000 /dev/zero | tr '\\0' x"],
  ["prints what was not asked for", "while read -r line; do echo holdfast-000000; done"],
  ["ends at once", "exit 0"],
])("a psql that %s is an unreachable database, not a crash and not a hang", async (_, script) => {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-psql-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, "psql"), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  const stop = new AbortController();
  const opening = caught(openSession({ psql: [join(folder, "psql")], env: {} }, { signal: stop.signal }));
  if (script.startsWith("while")) setTimeout(() => { stop.abort(); }, 300);
  expect(await opening).toMatchObject({ code: script.startsWith("while") ? "cancelled" : "database-unreachable" });
});
