/** A digest tells two values of every family of types apart, also those that the type's own = calls equal. */
import { expect, test } from "vitest";

import { readTruth } from "../../src/postgres/truth/read.ts";
import { createDatabase, runSql, withSession } from "../harness/postgres.ts";

/** A type, a value of it, and another one as close as can be; SQL expressions. */
const pairs: readonly (readonly [type: string, one: string, other: string])[] = [
  ["boolean", "true", "NULL"],
  ["smallint", "-32768", "-32767"],
  ["integer", "2147483647", "2147483646"],
  ["bigint", "9223372036854775807", "9223372036854775806"],
  ["numeric", "1.0", "1.00"],
  ["numeric", "'NaN'", "'Infinity'"],
  ["numeric(40,20)", "12345678901234567890.12345678901234567890", "12345678901234567890.12345678901234567891"],
  ["real", "'0.1'", "'0.10000001'"],
  ["double precision", "'0.1'", "'0.10000000000000002'"],
  ["double precision", "'-0'", "'0'"],
  ["money", "'1.01'", "'1.02'"],
  ["text", "'a'", "'a '"],
  ["text", "''", "NULL"],
  ["text", "U&'\\00e9'", "U&'e\\0301'"],
  ["text", "'(1,\"2\")'", "'(1,2)'"],
  ["text", "repeat('a', 3000000) || 'b'", "repeat('a', 3000000) || 'c'"],
  ["varchar(9)", "'a'", "'A'"],
  ["character(5)", "'ab'", "'ac'"],
  ["name", "'a'", "'b'"],
  ["\"char\"", "'\\200'", "'\\201'"],
  ["citext", "'Ann'", "'ANN'"],
  ["bytea", "'\\x00'", "'\\x0000'"],
  ["bytea", "'\\x'", "NULL"],
  ["bytea[]", "ARRAY['\\x00'::bytea]", "ARRAY['\\x01'::bytea]"],
  ["date", "'infinity'", "'5874897-12-31'"],
  ["date", "'0044-03-15 BC'", "'0044-03-15'"],
  ["time", "'23:59:59.999999'", "'24:00'"],
  ["time with time zone", "'12:00+00'", "'13:00+01'"],
  ["timestamp", "'2024-02-29 00:00:00.000001'", "'2024-02-29 00:00:00.000002'"],
  ["timestamp with time zone", "'2024-10-27 02:30+02'", "'2024-10-27 02:30+01'"],
  ["interval", "'1 day'", "'24 hours'"],
  ["interval", "'1 month'", "'30 days'"],
  ["uuid", "'00000000-0000-0000-0000-000000000000'", "'00000000-0000-0000-0000-000000000001'"],
  ["bit(3)", "B'101'", "B'100'"],
  ["bit varying", "B'0'", "B'00'"],
  ["inet", "'10.0.0.1/8'", "'10.0.0.1'"],
  ["cidr", "'10.0.0.0/8'", "'10.0.0.0/9'"],
  ["macaddr", "'08:00:2b:01:02:03'", "'08:00:2b:01:02:04'"],
  ["macaddr8", "'08:00:2b:01:02:03:04:05'", "'08:00:2b:01:02:03:04:06'"],
  ["json", "'{\"a\":1}'", "'{\"a\": 1}'"],
  ["jsonb", "'{\"a\":1}'", "'{\"a\":1.0}'"],
  ["jsonb", "'null'", "NULL"],
  ["jsonpath", "'$.a'", "'$.b'"],
  ["xml", "'<a/>'", "'<a></a>'"],
  ["hstore", "'a=>NULL'", "'a=>\"NULL\"'"],
  ["tsvector", "'a:1'", "'a:2'"],
  ["tsquery", "'a & b'", "'a | b'"],
  ["point", "'(1,2)'", "'(2,1)'"],
  ["line", "'{1,2,3}'", "'{1,2,4}'"],
  ["lseg", "'((0,0),(1,1))'", "'((1,1),(0,0))'"],
  ["box", "'((2,2),(0,0))'", "'((2,2),(0,1))'"],
  ["path", "'((0,0),(1,1))'", "'[(0,0),(1,1)]'"],
  ["polygon", "'((0,0),(1,1),(1,0))'", "'((1,1),(1,0),(0,0))'"],
  ["circle", "'<(0,0),1>'", "'<(0,0),1.0000000001>'"],
  ["integer[]", "'{1,2}'", "'[0:1]={1,2}'"],
  ["integer[]", "'{}'", "'{NULL}'"],
  ["text[]", "'{NULL}'", "'{\"NULL\"}'"],
  ["integer[]", "'{{1,2}}'", "'{1,2}'"],
  ["pair", "ROW(1, '')", "ROW(1, NULL)"],
  ["pair[]", "ARRAY[ROW(1, 'a')]::pair[]", "ARRAY[ROW(1, 'b')]::pair[]"],
  ["mood", "'fine'", "'FINE'"],
  ["even", "2", "4"],
  ["numrange", "'[1,2)'", "'[1,2]'"],
  ["numrange", "'empty'", "'(,)'"],
  ["tstzrange", "'[2024-01-01 00:00+00,)'", "'(2024-01-01 00:00+00,)'"],
  ["nummultirange", "'{[1,2),[3,4)}'", "'{[1,2),[3,5)}'"],
  ["oid", "4294967295", "4294967294"],
  ["regclass", "'pg_class'", "'pg_proc'"],
  ["regtype", "'integer'", "'bigint'"],
  ["regprocedure", "'lower(text)'", "'upper(text)'"],
  ["pg_lsn", "'0/1'", "'1/0'"],
  ["xid8", "'1'", "'2'"],
  ["pg_snapshot", "'10:20:10,14'", "'10:20:10,15'"],
  ["tid", "'(0,1)'", "'(0,2)'"],
];

const preparation = `
  CREATE EXTENSION citext; CREATE EXTENSION hstore;
  CREATE TYPE mood AS ENUM ('fine', 'FINE');
  CREATE TYPE pair AS (n integer, t text);
  CREATE DOMAIN even AS integer CHECK (VALUE % 2 = 0);
  ${pairs.map(([type, one], at) => `CREATE TABLE t${at} (id int, v ${type}); INSERT INTO t${at} VALUES (1, ${one}), (2, ${one});`).join("\n")}
`;

test("one value changed in one row changes the digest of its table, whatever its type, and changed back it is the old one", async () => {
  const { name } = await createDatabase();
  await runSql(name, preparation);
  await withSession(name, async (session) => {
    const digests = async () => new Map((await readTruth(session, { digests: "all", catalog: [] })).tables.map((table) => [table.name, table.digest]));
    const change = async (to: 1 | 2) => {
      await session.execute("SET search_path = public");
      for (const [at, pair] of pairs.entries()) await session.execute(`UPDATE t${at} SET v = (${pair[to]})::${pair[0]} WHERE id = 2`);
    };
    const before = await digests();
    await change(2);
    const after = await digests();
    expect(before.size).toBe(pairs.length);
    expect(pairs.filter((_, at) => before.get(`t${at}`) === undefined || before.get(`t${at}`) === after.get(`t${at}`))).toEqual([]);
    await change(1);
    expect(await digests()).toEqual(before);
  });
});

test("a value does not wander into the next column or the next row unseen", async () => {
  const { name } = await createDatabase();
  await runSql(name, `
    CREATE TABLE a (x text, y text); INSERT INTO a VALUES ('1', '2'), ('3', '4');
    CREATE TABLE b (x text, y text); INSERT INTO b VALUES ('2', '1'), ('3', '4');
    CREATE TABLE c (x text, y text); INSERT INTO c VALUES ('3', '2'), ('1', '4');
    CREATE TABLE d (x text, y text); INSERT INTO d VALUES ('1,2', NULL), ('3', '4');
    CREATE TABLE e (x text, y text); INSERT INTO e VALUES ('3', '4'), ('1', '2');
  `);
  await withSession(name, async (session) => {
    const [a, b, c, d, e] = (await readTruth(session, { digests: "all", catalog: [] })).tables.map(({ digest }) => digest);
    expect(new Set([a, b, c, d]).size).toBe(4);
    expect(e, "the order of rows does not count").toBe(a);
  });
});
