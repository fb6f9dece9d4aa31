import { expect, test } from "vitest";

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
