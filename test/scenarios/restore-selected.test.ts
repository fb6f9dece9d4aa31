/** Less than all: some tables, definitions alone, rows alone; and all with several connections. */
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

import { bench, containing, databasesLike, runSqlNow } from "../harness/context.ts";
import { copyName, source } from "../harness/databases.ts";
import { createDatabase, runSql, withSession } from "../harness/postgres.ts";

const assorted = `
  CREATE SCHEMA lib; CREATE SCHEMA "odd, schema";
  GRANT USAGE ON SCHEMA lib TO PUBLIC;
  CREATE EXTENSION citext;
  CREATE TYPE lib.mood AS ENUM ('ok', 'sad');
  CREATE DOMAIN lib.code AS text CHECK (VALUE ~ '^[A-Z]+$');
  CREATE FUNCTION lib.stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.note := 'stamped'; RETURN NEW; END $$;
  CREATE FUNCTION lib.next() RETURNS int LANGUAGE sql AS 'SELECT 7';
  CREATE SEQUENCE lib.shared START 100;
  CREATE TABLE city (id serial PRIMARY KEY, name citext UNIQUE);
  INSERT INTO city (name) SELECT 'city ' || n FROM generate_series(1, 5) n;
  CREATE TABLE person (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, mood lib.mood DEFAULT 'ok', code lib.code, seven int DEFAULT lib.next(), shared bigint DEFAULT nextval('lib.shared'),
    city int REFERENCES city, note text, doubled int GENERATED ALWAYS AS (seven * 2) STORED, CONSTRAINT positive CHECK (seven > 0));
  INSERT INTO person (code, city) SELECT 'A', 1 + n % 5 FROM generate_series(1, 20) n;
  CREATE INDEX person_code ON person (lower(code));
  CREATE TRIGGER stamp BEFORE INSERT ON person FOR EACH ROW EXECUTE FUNCTION lib.stamp();
  CREATE STATISTICS person_stats ON code, city FROM person;
  COMMENT ON COLUMN person.code IS 'letters';
  GRANT SELECT (code) ON person TO PUBLIC;
  ALTER TABLE person ENABLE ROW LEVEL SECURITY; CREATE POLICY everybody ON person USING (true);
  CREATE TABLE visit (id int PRIMARY KEY, person int REFERENCES person);
  INSERT INTO visit SELECT n, n FROM generate_series(1, 10) n;
  CREATE TABLE log (at date NOT NULL, kind text NOT NULL, body text) PARTITION BY RANGE (at);
  CREATE TABLE log_2024 PARTITION OF log FOR VALUES FROM ('2024-01-01') TO ('2025-01-01') PARTITION BY LIST (kind);
  CREATE TABLE log_2024_a PARTITION OF log_2024 FOR VALUES IN ('a');
  CREATE TABLE log_2024_b PARTITION OF log_2024 FOR VALUES IN ('b');
  CREATE TABLE log_rest PARTITION OF log DEFAULT;
  CREATE INDEX log_kind ON log (kind);
  INSERT INTO log SELECT date '2024-06-01' + n * 30, CASE n % 2 WHEN 0 THEN 'a' ELSE 'b' END, 'x' FROM generate_series(1, 12) n;
  CREATE TABLE animal (name text); CREATE TABLE bird (wings int) INHERITS (animal);
  INSERT INTO animal VALUES ('cat'); INSERT INTO bird VALUES ('wren', 2), ('kiwi', 0);
  CREATE TABLE "odd, schema"."it's ""a.b"" table" (a int); INSERT INTO "odd, schema"."it's ""a.b"" table" VALUES (1), (2);
  CREATE TABLE a (x int); INSERT INTO a VALUES (1);
  CREATE TABLE "a b" (x int); INSERT INTO "a b" VALUES (1), (2);
  CREATE MATERIALIZED VIEW busy AS SELECT city, count(*) AS n FROM person GROUP BY city;
  CREATE UNIQUE INDEX busy_city ON busy (city);
`;

const relationsOf = (name: string): Promise<string[]> =>
  withSession(name, async (session) => (await session.rows<{ name: string }>("SELECT relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE relkind IN ('r', 'p', 'm', 'i', 'I', 'S') AND nspname !~ '^pg_' AND nspname <> 'information_schema' AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = c.oid AND deptype = 'e') ORDER BY 1")).map((row) => row.name));

describe("some tables", () => {
  test("come whole: sequences, keys, indexes, triggers, policies, types of other schemas; foreign keys where both sides come", async () => {
    const database = await source(assorted);
    const here = await bench(database.url);
    await here.backup();
    const restore = async (...tables: string[]) => {
      const into = copyName();
      return { into, ...(await here.restore({ into, tables })) };
    };

    const pair = await restore("person", "public.city");
    expect(pair).toMatchObject({ tables: 2, rows: 25 });
    expect(await relationsOf(pair.into)).toEqual(["city", "city_id_seq", "city_name_key", "city_pkey", "person", "person_code", "person_id_seq", "person_pkey", "shared"]);
    await withSession(pair.into, async (session) => {
      await session.execute("INSERT INTO person (code) VALUES ('NEW')");
      expect(await session.row("SELECT id, mood, seven, doubled, shared, note FROM person WHERE code = 'NEW'")).toEqual({ id: 21, mood: "ok", seven: 7, doubled: 14, shared: 120, note: "stamped" });
      await session.execute("INSERT INTO city (name) VALUES ('next')");
      expect(await session.row("SELECT id FROM city WHERE name = 'next'")).toEqual({ id: 6 });
      expect(await session.rows("SELECT conname FROM pg_constraint WHERE contype IN ('f', 'c') AND conrelid <> 0 ORDER BY 1")).toEqual([{ conname: "person_city_fkey" }, { conname: "positive" }]);
      expect(await session.row("SELECT (SELECT count(*) FROM pg_policy) AS policies, (SELECT count(*) FROM pg_statistic_ext) AS statistics, col_description('person'::regclass, 3) AS comment, has_column_privilege('public', 'person', 'code', 'SELECT') AS granted")
        .catch((error: unknown) => error)).toMatchObject({ policies: 1, statistics: 1, comment: "letters", granted: true });
    });

    const alone = await restore("visit");
    expect(alone).toMatchObject({ tables: 1, rows: 10 });
    expect(await relationsOf(alone.into)).toEqual(["visit", "visit_pkey"]);

    const partitioned = await restore("log");
    expect(partitioned).toMatchObject({ tables: 5, rows: 12 });
    await withSession(partitioned.into, async (session) => {
      expect(await session.row("SELECT count(*) FROM log")).toEqual({ count: 12 });
      expect(await session.row("SELECT count(*) AS indexes, bool_and(indisvalid) AS valid FROM pg_index WHERE indrelid IN (SELECT relid FROM pg_partition_tree('log'))")).toEqual({ indexes: 5, valid: true });
    });

    expect(await restore("animal")).toMatchObject({ tables: 2, rows: 3 });
    expect(await restore(`odd, schema.it's "a.b" table`)).toMatchObject({ tables: 1, rows: 2 });
    expect(await restore(`"odd, schema"."it's ""a.b"" table"`)).toMatchObject({ tables: 1, rows: 2 });
    const plain = await restore("a");
    expect(plain).toMatchObject({ tables: 1, rows: 1 });
    expect(await relationsOf(plain.into)).toEqual(["a"]);
    expect(await restore("busy", "person", "city")).toMatchObject({ tables: 3, rows: 30 });
  });

  test("that are not there are named, and a materialized view wants its tables with it; nothing is made", async () => {
    const database = await source(assorted);
    const here = await bench(database.url);
    await here.backup();
    const into = copyName();
    await expect(here.restore({ into, tables: ["city", "public.nobody"] })).rejects.toMatchObject({ code: "not-found", message: "the backup has no table public.nobody" });
    await expect(here.restore({ into, tables: ["busy"] })).rejects.toMatchObject({ code: "refused", message: containing("TABLE public person") });
    expect(await databasesLike(into)).toEqual([]);
  });
});

describe("rows alone", () => {
  const cyclic = `
    CREATE TABLE hen (id int PRIMARY KEY, egg int); CREATE TABLE egg (id int PRIMARY KEY, hen int REFERENCES hen);
    ALTER TABLE hen ADD FOREIGN KEY (egg) REFERENCES egg;
    INSERT INTO hen VALUES (1, NULL); INSERT INTO egg VALUES (1, 1); UPDATE hen SET egg = 1;
    CREATE TABLE fired (what text);
    CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO fired VALUES (TG_NAME); RETURN NEW; END $$;
    CREATE TRIGGER bang AFTER INSERT ON hen FOR EACH ROW EXECUTE FUNCTION fire();
    CREATE TRIGGER off AFTER INSERT ON egg FOR EACH ROW EXECUTE FUNCTION fire();
    ALTER TABLE egg DISABLE TRIGGER off;
    CREATE TABLE counted (id serial PRIMARY KEY); INSERT INTO counted SELECT FROM generate_series(1, 5);
    SELECT lo_from_bytea(99, 'large');`;

  test("fill a restored schema without firing triggers or checking keys in between, and leave triggers as they were", async () => {
    const database = await source(cyclic);
    const here = await bench(database.url);
    await here.backup();
    const into = copyName();
    expect(await here.restore({ into, mode: "schema-only" })).toMatchObject({ tables: 0, rows: 0 });
    expect(await here.restore({ into, mode: "data-only" })).toMatchObject({ rows: 7, kept: undefined });
    await withSession(into, async (session) => {
      expect(await session.row("SELECT (SELECT count(*) FROM fired) AS fired, (SELECT hen FROM egg) AS hen, nextval('counted_id_seq') AS next")).toEqual({ fired: 0, hen: 1, next: 6 });
      expect(await session.rows("SELECT tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1")).toEqual([{ tgname: "bang", tgenabled: "O" }, { tgname: "off", tgenabled: "D" }]);
    });
    await expect(here.restore({ into, mode: "data-only" })).rejects.toMatchObject({ code: "refused", message: containing("holds rows") });
  });

  test("are refused where something would fire, or no schema is, and are rolled back whole where one row does not fit", async () => {
    const database = await source(cyclic);
    const here = await bench(database.url);
    await here.backup();
    const into = copyName();
    await expect(here.restore({ into, mode: "data-only" })).rejects.toMatchObject({ code: "refused", message: containing("there is no database") });
    await here.restore({ into, mode: "schema-only" });
    await runSql(into, "ALTER TABLE hen ENABLE ALWAYS TRIGGER bang");
    await expect(here.restore({ into, mode: "data-only" })).rejects.toMatchObject({ code: "refused", message: containing("trigger bang") });
    await runSql(into, "ALTER TABLE hen ENABLE TRIGGER bang; ALTER TABLE counted ADD CHECK (id < 3)");
    await expect(here.restore({ into, mode: "data-only" })).rejects.toMatchObject({ code: "restore-failed", message: containing("counted_id_check") });
    await withSession(into, async (session) => { expect(await session.row("SELECT (SELECT count(*) FROM hen) + (SELECT count(*) FROM counted) + (SELECT count(*) FROM pg_largeobject_metadata) AS rows")).toEqual({ rows: 0 }); });
    const empty = await createDatabase();
    await expect(here.restore({ into: empty.name, mode: "data-only" })).rejects.toMatchObject({ code: "refused", message: containing("lacks the table") });
  });
});

describe("several connections", () => {
  test("restore the same, and the spool is gone after success, failure and cancellation", async () => {
    const database = await source(assorted);
    const here = await bench(database.url);
    await here.backup();
    const spools = async (): Promise<string[]> => (await readdir(here.folder)).filter((name) => name.startsWith("holdfast-restore-"));
    let seen: string[] = [];
    const one = await here.restore({ into: copyName() });
    here.listen((event) => { if (event.type === "progress") void spools().then((found) => { seen = [...seen, ...found]; }); });
    const four = await here.restore({ into: copyName(), jobs: 4 });
    expect([four.tables, four.rows]).toEqual([one.tables, one.rows]);
    expect(await spools()).toEqual([]);

    const into = copyName();
    const controller = new AbortController();
    const cancelling = here.with({ signal: controller.signal });
    cancelling.listen((event) => { if (event.type === "progress") controller.abort(); });
    await expect(cancelling.restore({ into, jobs: 4 })).rejects.toMatchObject({ code: "cancelled" });
    expect(await spools()).toEqual([]);
    expect(await databasesLike(into)).toEqual([]);
    expect(seen.length).toBeGreaterThan(0);
  });

  test("that fail leave neither spool nor copy", async () => {
    const database = await source(assorted);
    const here = await bench(database.url);
    await here.backup();
    const into = copyName();
    here.listen((event) => { if (event.type === "step-finished" && event.step === "create") runSqlNow(event.detail ?? "", "CREATE TABLE public.city (other int)"); });
    await expect(here.restore({ into, jobs: 2 })).rejects.toMatchObject({ code: "restore-failed", message: containing('relation "city" already exists') });
    expect((await readdir(here.folder)).filter((name) => name.startsWith("holdfast-restore-"))).toEqual([]);
    expect(await databasesLike(into)).toEqual([]);
  });

  test("are refused before anything starts where the temporary folder is too small or not there, and leftovers are named", async () => {
    const database = await source(assorted);
    const here = await bench(database.url);
    const manifest = await here.backup();
    await here.republish(manifest, (real) => ({ ...real, parts: real.parts.map((part) => (part.name === "data" ? { ...part, plainBytes: 1e15 } : part)) }));
    const into = copyName();
    await expect(here.restore({ into, jobs: 2 })).rejects.toMatchObject({ code: "refused", message: containing("--jobs needs 1000000000000000 bytes") });
    expect(await databasesLike(into)).toEqual([]);
    const elsewhere = join(here.folder, "elsewhere");
    const moved = here.with({ config: { ...here.context.config, tempDir: elsewhere } });
    await expect(moved.restore({ into, jobs: 2 })).rejects.toMatchObject({ code: "refused", message: containing(elsewhere) });
    await mkdir(join(elsewhere, "holdfast-restore-dead"), { recursive: true });
    await writeFile(join(elsewhere, "holdfast-restore-dead", "data.pgdump"), "clear");
    await createDatabase(`${into}_holdfast_new_abc`);
    const { checks } = await moved.restore({ into, dryRun: true });
    expect(checks.find(({ name }) => name === "leftovers")).toMatchObject({ outcome: "warn", detail: containing(`DROP DATABASE "${into}_holdfast_new_abc"`) });
    expect(checks.find(({ name }) => name === "leftovers")?.detail).toContain(`rm -r ${elsewhere}/holdfast-restore-dead`);
  });
});
