import { expect, test } from "vitest";

import { readLedgers } from "../../src/postgres/ledgers.ts";
import { openSession, type Session } from "../../src/postgres/session.ts";
import { readCatalog } from "../../src/postgres/truth/catalog.ts";
import { compareTruth } from "../../src/postgres/truth/compare.ts";
import { type ReadTruthOptions, readTruth } from "../../src/postgres/truth/read.ts";
import { readSequences } from "../../src/postgres/truth/sequences.ts";
import type { Truth } from "../../src/postgres/truth/truth.ts";
import { clinicSql } from "../../src/quickstart/clinic.ts";
import { createDatabase, runSql, targetOf, withSession } from "../harness/postgres.ts";

const look = (database: string, options: ReadTruthOptions = { digests: "all" }): Promise<Truth> => withSession(database, (session) => readTruth(session, options));

const digestOf = (truth: Truth, name: string) => truth.tables.find((table) => table.name === name)?.digest;

test("the truth is that of the transaction's snapshot", async () => {
  const { name } = await createDatabase();
  await runSql(name, "CREATE TABLE t AS SELECT generate_series(1, 5) AS a;");
  await withSession(name, async (session) => {
    await session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    const { snapshot } = await session.row<{ snapshot: string }>("SELECT pg_export_snapshot() AS snapshot");
    await runSql(name, "DELETE FROM t WHERE a > 2;");
    await withSession(name, async (other) => {
      await other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
      await other.execute(`SET TRANSACTION SNAPSHOT '${snapshot}'`);
      expect((await readTruth(other, { digests: "none" })).tables).toEqual([{ schema: "public", name: "t", kind: "table", rows: 5 }]);
    });
  });
  expect((await look(name, { digests: "none" })).tables[0]?.rows).toBe(2);
});

test("rows and their digests say nothing about order, place, or the reader's settings", async () => {
  const { name } = await createDatabase();
  const values = "(1, 0.1::float8, '2024-03-31 01:30+00'::timestamptz, '1 mon -3 days'::interval, '\\x00ff'::bytea, '1.5'::money)";
  await runSql(name, `CREATE SCHEMA a; CREATE SCHEMA b;
    CREATE TABLE a.t (i int, f float8, at timestamptz, v interval, b bytea, m money);
    CREATE TABLE b.t (gone text, m money, b bytea, v interval, at timestamptz, f float8, i int);
    ALTER TABLE b.t DROP COLUMN gone;
    INSERT INTO a.t VALUES ${values}; INSERT INTO a.t (i) SELECT generate_series(2, 900);
    INSERT INTO b.t (i) SELECT generate_series(900, 2, -1); INSERT INTO b.t (i, f, at, v, b, m) VALUES ${values};`);
  const plain = await look(name);
  expect(plain.tables[0]?.digest).toBe(plain.tables[1]?.digest);
  const odd = await openSession(targetOf(name, { PGOPTIONS: "-c DateStyle=German -c IntervalStyle=iso_8601 -c TimeZone=Asia/Kolkata -c extra_float_digits=-5 -c bytea_output=escape -c search_path=a -c quote_all_identifiers=on" }));
  const seen = await readTruth(odd, { digests: "all" });
  await odd.close();
  expect(seen.tables).toEqual(plain.tables);
  expect(seen.schema).toEqual(plain.schema);
});

test("digests are taken for the tables that are named, partitions with their parent", async () => {
  const { name } = await createDatabase();
  await runSql(name, `CREATE TABLE p (a int) PARTITION BY LIST (a); CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1); CREATE SCHEMA s; CREATE TABLE s.t (a int); CREATE TABLE t (a int); CREATE TABLE u (a int);`);
  const digested = async (digests: ReadTruthOptions["digests"]) =>
    (await look(name, { digests })).tables.filter((table) => table.digest !== undefined).map((table) => `${table.schema}.${table.name}`);
  expect(await digested("none")).toEqual([]);
  expect(await digested("all")).toEqual(["public.p1", "public.t", "public.u", "s.t"]);
  expect(await digested(["p"])).toEqual(["public.p1"]);
  expect(await digested(["s.t"])).toEqual(["s.t"]);
  expect(await digested(["t"])).toEqual(["public.t", "s.t"]);
});

test("a transaction keeps no lock on what it read, and survives a table that cannot be read", async () => {
  const { name } = await createDatabase();
  await runSql(name, "CREATE TABLE a (id serial PRIMARY KEY); CREATE VIEW v AS SELECT * FROM a; CREATE TABLE broken (x int CHECK (x > 0)); INSERT INTO broken VALUES (1);");
  await withSession(name, async (session) => {
    const locks = async () => (await session.row<{ n: number }>("SELECT count(*) AS n FROM pg_locks WHERE pid = pg_backend_pid() AND relation >= 16384")).n;
    await session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    const truth = await readTruth(session, { digests: "all" });
    expect(await locks()).toBe(0);
    await session.rows("SELECT * FROM public.a");
    expect(await locks()).toBeGreaterThan(0);
    await runSql(name, "DROP TABLE broken;");
    await expect(readCatalog(session)).rejects.toMatchObject({ code: "dump-failed", message: expect.stringMatching(/^the schema changed while it was read: cache lookup failed/) as string });
    await expect(readTruth(session, { digests: "all", catalog: [] })).rejects.toThrow('the schema changed while it was read: relation "public.broken" does not exist');
    expect((await readTruth(session, { digests: "all", catalog: [], include: (table) => table.name === "a" })).tables).toEqual(truth.tables.slice(0, 1));
  });
});

test("tables that the dump excludes are left out, and progress counts the others", async () => {
  const { name } = await createDatabase();
  await runSql(name, Array.from({ length: 130 }, (_, n) => `CREATE TABLE t${n} ();`).join("\n"));
  const progress: string[] = [];
  const truth = await look(name, { digests: "none", include: ({ name: table }) => table !== "t7", onTable: (done, total) => progress.push(`${done}/${total}`) });
  expect(truth.tables).toHaveLength(129);
  expect(progress).toEqual(["100/129", "129/129"]);
});

test("what other sessions keep for themselves is no part of the truth", async () => {
  const { name } = await createDatabase();
  await runSql(name, "CREATE TABLE t (a int); ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC;");
  const before = await look(name);
  await withSession(name, async (session) => {
    await session.execute("CREATE TEMP TABLE mine (id serial PRIMARY KEY, b text CHECK (b <> ''))");
    await session.execute("COMMENT ON COLUMN mine.b IS 'mine'");
    const during = await look(name);
    expect(during.schema).toEqual(before.schema);
    expect(during.tables).toEqual(before.tables);
  });
});

test("of an extension's tables only configuration counts, and of that what pg_dump takes", async () => {
  const { name } = await createDatabase();
  // An extension's script cannot be installed by a test, so a small extension is given tables after the fact.
  await runSql(name, `CREATE EXTENSION tsm_system_rows;
    CREATE TABLE own (a int); INSERT INTO own VALUES (1);
    CREATE TABLE config (a int, builtin boolean); INSERT INTO config VALUES (1, true), (2, false), (3, false);
    ALTER EXTENSION tsm_system_rows ADD TABLE own; ALTER EXTENSION tsm_system_rows ADD TABLE config;
    UPDATE pg_extension SET extconfig = ARRAY['config'::regclass::oid], extcondition = ARRAY['WHERE NOT builtin'] WHERE extname = 'tsm_system_rows';`);
  const truth = await look(name, { digests: "none" });
  expect(truth.tables).toEqual([{ schema: "public", name: "config", kind: "table", rows: 2 }]);
  expect(truth.schema.kinds["table"]).toBeUndefined();
});

test("a subscription is part of the schema, whether enabled or not", async () => {
  const { name } = await createDatabase();
  await withSession(name, async (session) => {
    await session.execute("CREATE SUBSCRIPTION holdfast_truth_sub CONNECTION 'host=127.0.0.1 port=1' PUBLICATION p WITH (connect = false, slot_name = NONE)");
    try {
      expect((await readCatalog(session)).filter(({ kind }) => kind === "subscription").map(({ identity }) => identity)).toEqual(["holdfast_truth_sub"]);
    } finally {
      await session.execute("DROP SUBSCRIPTION holdfast_truth_sub");
    }
  });
});

const ledgerTables = `
  CREATE SCHEMA drizzle; CREATE SCHEMA app;
  CREATE TABLE app._prisma_migrations (id varchar(36), checksum varchar(64), finished_at timestamptz, migration_name varchar(255), logs text, rolled_back_at timestamptz, started_at timestamptz, applied_steps_count int);
  INSERT INTO app._prisma_migrations VALUES ('1', 'x', now(), 'one', NULL, NULL, '2024-01-01', 1), ('2', 'y', NULL, 'two', 'boom', NULL, '2024-01-02', 0);
  CREATE TABLE knex_migrations (id serial, name varchar(255), batch int, migration_time timestamptz); INSERT INTO knex_migrations (name, batch) VALUES ('b.js', 1), ('a.js', 1);
  CREATE TABLE drizzle.__drizzle_migrations (id serial, hash text, created_at bigint); INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES ('h1', 1), ('h2', 2);
  CREATE TABLE migrations (id serial, "timestamp" bigint, name varchar); INSERT INTO migrations ("timestamp", name) VALUES (1700000000000, 'Init1700000000000');
  CREATE TABLE flyway_schema_history (installed_rank int, version varchar(50), description varchar(200), type varchar(20), script varchar(1000), checksum int, installed_by varchar(100), installed_on timestamp, execution_time int, success boolean);
  INSERT INTO flyway_schema_history VALUES (1, '1', 'a', 'SQL', 'V1__a.sql', 5, 'u', now(), 1, true), (2, '2', 'b', 'SQL', 'V2__b.sql', 6, 'u', now(), 1, false), (3, NULL, 'c', 'SQL', 'R__c.sql', 7, 'u', now(), 1, true);
  CREATE TABLE alembic_version (version_num varchar(32)); INSERT INTO alembic_version VALUES ('b2'), ('a1');
  CREATE TABLE django_migrations (id bigint, app varchar(255), name varchar(255), applied timestamptz); INSERT INTO django_migrations VALUES (1, 'auth', '0001_initial', now());
  CREATE TABLE schema_migrations (version varchar); INSERT INTO schema_migrations VALUES ('20240102'), ('20230101');`;

test("the ledger of every tool is read, with its head and its failures", async () => {
  const { name } = await createDatabase();
  await runSql(name, ledgerTables);
  const ledgers = await withSession(name, readLedgers);
  expect(ledgers.map(({ sha256, ...ledger }) => ({ ...ledger, sha256: /^[0-9a-f]{64}$/.test(sha256) }))).toEqual([
    { tool: "prisma", table: "app._prisma_migrations", count: 2, head: "one", failed: 1, sha256: true },
    { tool: "drizzle", table: "drizzle.__drizzle_migrations", count: 2, head: "h2", failed: 0, sha256: true },
    { tool: "alembic", table: "public.alembic_version", count: 2, head: "a1, b2", failed: 0, sha256: true },
    { tool: "django", table: "public.django_migrations", count: 1, head: "auth.0001_initial", failed: 0, sha256: true },
    { tool: "flyway", table: "public.flyway_schema_history", count: 3, head: "1", failed: 1, sha256: true },
    { tool: "knex", table: "public.knex_migrations", count: 2, head: "a.js", failed: 0, sha256: true },
    { tool: "typeorm", table: "public.migrations", count: 1, head: "Init1700000000000", failed: 0, sha256: true },
    { tool: "rails", table: "public.schema_migrations", count: 2, head: "20240102", failed: 0, sha256: true },
  ]);
});

test.each([
  ["a migration's checksum", "UPDATE app._prisma_migrations SET checksum = 'z' WHERE id = '1'", "app._prisma_migrations"],
  ["the order", "UPDATE knex_migrations SET id = 3 - id", "public.knex_migrations"],
  ["a timestamp", 'UPDATE migrations SET "timestamp" = 1', "public.migrations"],
  ["a name", "UPDATE drizzle.__drizzle_migrations SET hash = 'h0' WHERE id = 1", "drizzle.__drizzle_migrations"],
])("the digest of a ledger depends on %s", async (_, sql, table) => {
  const { name } = await createDatabase();
  await runSql(name, ledgerTables);
  await withSession(name, async (session) => {
    const read = async () => new Map((await readLedgers(session)).map((ledger) => [ledger.table, ledger.sha256]));
    const before = await read();
    await session.execute(sql);
    const after = await read();
    expect([...after].filter(([key, sha256]) => before.get(key) !== sha256).map(([key]) => key)).toEqual([table]);
  });
});

test("tables that only share a ledger's name are not taken for one", async () => {
  const { name } = await createDatabase();
  await runSql(name, `CREATE TABLE migrations (id int, migration text, batch int); CREATE TABLE schema_migrations (version bigint, dirty boolean);
    CREATE TABLE _prisma_migrations (id int); CREATE TABLE alembic_version (version_num text, note text); CREATE VIEW django_migrations AS SELECT 1 AS id, 'a' AS app, 'n' AS name, now() AS applied;`);
  expect(await withSession(name, readLedgers)).toEqual([]);
});

test("the truth holds no row value, and a definition only as a digest", async () => {
  const { name } = await createDatabase();
  await runSql(name, `CREATE TABLE t (a text DEFAULT 'canary-default', b bytea); INSERT INTO t VALUES ('canary-row', 'canary-bytes'); SELECT lo_from_bytea(0, 'canary-object');
    COMMENT ON TABLE t IS 'canary-comment'; CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; CREATE USER MAPPING FOR PUBLIC SERVER s OPTIONS (password 'canary-password');`);
  await withSession(name, async (session) => {
    const catalog = await readCatalog(session);
    const text = JSON.stringify([catalog, await readTruth(session, { digests: "all", catalog })]);
    expect(text).not.toMatch(/canary|63616e617279/);
    expect(text).toContain("user-mapping");
  });
});

test("a role that may read everything reads the truth without being a superuser", async () => {
  const { name } = await createDatabase();
  await runSql(name, `${clinicSql({ patients: 3 })}
    DO $$ BEGIN CREATE ROLE truth_reader LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$; ALTER ROLE truth_reader BYPASSRLS; GRANT pg_read_all_data TO truth_reader;`);
  const all = await look(name, { digests: ["patients"] });
  const reader = await openSession(targetOf(name, { PGUSER: "truth_reader" }));
  const seen = await readTruth(reader, { digests: ["patients"] });
  await reader.close();
  expect(compareTruth(all, seen)).toEqual([]);
  expect(digestOf(all, "patients")).toMatch(/^sum64-sha256:[0-9a-f]{16}$/);
});

test("the clinic is the same database every time, and large enough to be believed", async () => {
  const [one, two] = [await createDatabase(), await createDatabase()];
  for (const { name } of [one, two]) await runSql(name, clinicSql({ patients: 40 }));
  const [first, second] = [await look(one.name), await look(two.name)];
  // The log's and the ledger's times are fixed too: nothing in it is taken from the clock.
  expect(compareTruth(first, second)).toEqual([]);
  expect(first.tables.filter(({ kind, rows }) => kind !== "partitioned" && rows === 0).every(({ name }) => name.startsWith("log_"))).toBe(true);
  expect(first.migrations).toMatchObject([{ tool: "prisma", count: 7, failed: 1, head: "20251118170905_row_level_security" }]);
});

test("sequences are read as they stand, beyond what a number holds", async () => {
  const { name } = await createDatabase();
  await runSql(name, "CREATE SEQUENCE a START 9223372036854775806; SELECT nextval('a'); CREATE SEQUENCE b INCREMENT -2; CREATE TEMP SEQUENCE c;");
  expect(await withSession(name, (session: Session) => readSequences(session))).toEqual([
    { schema: "public", name: "a", lastValue: "9223372036854775806", isCalled: true, increment: "1" },
    { schema: "public", name: "b", lastValue: "-1", isCalled: false, increment: "-2" },
  ]);
});

test("a SQL_ASCII database, whose bytes are no characters, has a truth too", async () => {
  const { name } = await createDatabase();
  const ascii = `${name}_ascii`;
  await withSession("postgres", (admin) => admin.execute(`CREATE DATABASE ${ascii} TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'`));
  try {
    await runSql(ascii, "CREATE TABLE t (a text); INSERT INTO t VALUES (E'\\xe9'), (E'\\xff\\xfe');");
    const before = await look(ascii);
    expect(before.tables[0]).toMatchObject({ rows: 2 });
    await runSql(ascii, "UPDATE t SET a = E'\\xe8' WHERE a = E'\\xe9';");
    expect(compareTruth(before, await look(ascii))).toMatchObject([{ what: "digest", object: "public.t" }]);
  } finally {
    await withSession("postgres", (admin) => admin.execute(`DROP DATABASE ${ascii}`));
  }
});
