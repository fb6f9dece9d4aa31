/** Owners, grants and properties: on the same server, on one that lacks the roles, and for a user who is no superuser. */
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { inject } from "vitest";

import { undoSwap } from "../../src/app/restore/undo-swap.ts";
import { type Cluster, startCluster } from "../../src/postgres/cluster.ts";
import { openSession, type Session } from "../../src/postgres/session.ts";
import { bench, containing, databasesLike } from "../harness/context.ts";
import { copyName, roles, source } from "../harness/databases.ts";
import { createDatabase, runSql, targetOf, urlOf, withSession } from "../harness/postgres.ts";

describe("properties of the database", () => {
  test("survive: settings of every kind, for a role too, limit, comment, owner and grants", async () => {
    const suffix = Math.random().toString(36).slice(2, 8);
    const [owner, app] = [`owner "${suffix}"`, `app_${suffix}`];
    await roles([owner, app]);
    const database = await source(`
      ALTER DATABASE :"DBNAME" SET search_path = "$user", clinic, "a,b ""c""";
      ALTER DATABASE :"DBNAME" SET app.secret = E'it''s "a\\\\b"\\nGRANT ALL; :DBNAME';
      ALTER DATABASE :"DBNAME" SET work_mem = '5MB';
      ALTER DATABASE :"DBNAME" SET default_transaction_read_only = on;
      ALTER DATABASE :"DBNAME" SET statement_timeout = '1min';
      ALTER ROLE ${app} IN DATABASE :"DBNAME" SET search_path = '';
      ALTER DATABASE :"DBNAME" CONNECTION LIMIT 7;
      COMMENT ON DATABASE :"DBNAME" IS E'line one\\nGRANT x TO y; it''s';
      ALTER DATABASE :"DBNAME" OWNER TO "owner ""${suffix}""";
      REVOKE ALL ON DATABASE :"DBNAME" FROM PUBLIC;
      GRANT CONNECT ON DATABASE :"DBNAME" TO ${app} WITH GRANT OPTION;`);
    const here = await bench(database.url);
    await here.backup();
    const into = copyName();
    await here.restore({ into });
    const properties = (name: string) => withSession(name, async (session) => ({
      database: await session.row("SELECT datconnlimit, pg_get_userbyid(datdba) AS owner, shobj_description(oid, 'pg_database') AS comment, ARRAY(SELECT a::text FROM unnest(datacl) a ORDER BY 1) AS acl FROM pg_database WHERE datname = current_database()"),
      settings: await session.rows("SELECT setrole, ARRAY(SELECT c FROM unnest(setconfig) c ORDER BY 1) AS settings FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase WHERE datname = current_database() ORDER BY 1"),
    }));
    const [before, after] = [await properties(database.name), await properties(into)];
    expect(before.settings).toHaveLength(2);
    expect(after).toEqual(before);
  });

  test("encoding and locale are the source's, ICU's too, and a locale that the server lacks is refused", async () => {
    const name = `icu_${Math.random().toString(36).slice(2, 8)}`;
    const { name: unused } = await createDatabase();
    await runSql(unused, `CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'de-u-co-phonebk' LC_COLLATE 'C' LC_CTYPE 'C.UTF-8'`);
    copyName("", name);
    await runSql(name, "CREATE TABLE t (a text)");
    const here = await bench(urlOf(name));
    const manifest = await here.backup();
    const into = copyName();
    await here.restore({ into });
    const locale = "SELECT datlocprovider, datcollate, datctype, daticulocale, pg_encoding_to_char(encoding) AS encoding FROM pg_database WHERE datname = current_database()";
    expect(await withSession(into, (session) => session.row(locale))).toEqual({ datlocprovider: "i", datcollate: "C", datctype: "C.UTF-8", daticulocale: "de-u-co-phonebk", encoding: "UTF8" });

    await here.republish(manifest, (real) => ({ ...real, truth: { ...real.truth, database: { ...real.truth.database, provider: "libc", collate: "xx_YY.UTF-8" } } }));
    const elsewhere = copyName();
    await expect(here.restore({ into: elsewhere })).rejects.toMatchObject({ code: "refused", hints: [containing("xx_YY.UTF-8")] });
    expect(await databasesLike(elsewhere)).toEqual([]);
  });
});

const owned = (old: string) => `
  CREATE SCHEMA clinic;
  CREATE TABLE clinic.patients (id int PRIMARY KEY, name text, secret text);
  INSERT INTO clinic.patients VALUES (1, 'x', 'y');
  COMMENT ON TABLE clinic.patients IS E'$$ odd\\nGRANT SELECT ON x TO ${old};';
  ALTER TABLE clinic.patients OWNER TO ${old};
  ALTER SCHEMA clinic OWNER TO ${old};
  GRANT SELECT ON clinic.patients TO ${old}_reader;
  GRANT UPDATE (name) ON clinic.patients TO ${old}_reader;
  ALTER DEFAULT PRIVILEGES FOR ROLE ${old} IN SCHEMA clinic GRANT SELECT ON TABLES TO ${old}_reader;
  ALTER TABLE clinic.patients ENABLE ROW LEVEL SECURITY;
  CREATE POLICY own ON clinic.patients FOR SELECT TO ${old}_reader USING (name = '${old}_reader');
  CREATE FUNCTION clinic.f() RETURNS text LANGUAGE plpgsql AS $$ BEGIN
  -- not to be touched:
  GRANT x TO ${old};
  RETURN 'x'; END $$;
  ALTER FUNCTION clinic.f() OWNER TO ${old};
  CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;
  CREATE USER MAPPING FOR ${old} SERVER s OPTIONS ("user" '${old}');
  SELECT lo_from_bytea(4711, 'large');
  ALTER LARGE OBJECT 4711 OWNER TO ${old};
  ALTER DATABASE :"DBNAME" OWNER TO ${old};
  GRANT CONNECT ON DATABASE :"DBNAME" TO ${old}_reader;
  ALTER ROLE ${old} IN DATABASE :"DBNAME" SET work_mem = '3MB';`;

test("a role map gives everything to other roles, and leaves texts alone", async () => {
  const id = Math.random().toString(36).slice(2, 8);
  const [old, next] = [`old_${id}`, `new role ${id}`];
  await roles([old, `${old}_reader`, next, `${next} reader`]);
  const database = await source(owned(old));
  const here = await bench(database.url);
  await here.backup();
  const into = copyName();
  const result = await here.restore({ into, roleMap: new Map([[old, next], [`${old}_reader`, `${next} reader`]]) });
  expect(result).toMatchObject({ tables: 1, rows: 1 });
  await withSession(into, async (session) => {
    const named = await session.rows<{ role: string }>("SELECT DISTINCT r.rolname AS role FROM pg_shdepend d JOIN pg_roles r ON r.oid = d.refobjid JOIN pg_database b ON b.oid = d.dbid OR d.dbid = 0 AND d.objid = b.oid WHERE b.datname = current_database() ORDER BY 1");
    expect(named.map(({ role }) => role)).toEqual([next, `${next} reader`]);
    expect(await session.row(`SELECT pg_get_userbyid(datdba) AS owner, datacl::text AS acl FROM pg_database WHERE datname = current_database()`)).toMatchObject({ owner: next, acl: containing(`${next} reader`) });
    expect(await session.row("SELECT relacl::text AS acl, (SELECT attacl::text FROM pg_attribute WHERE attrelid = c.oid AND attname = 'name') AS column, obj_description(oid) AS comment FROM pg_class c WHERE relname = 'patients'")).toEqual({
      acl: containing(`"${next} reader\\"=r/`.replace('"', '\\"')) , column: containing(`${next} reader`), comment: `$$ odd\nGRANT SELECT ON x TO ${old};`,
    });
    expect(await session.row("SELECT polroles::regrole[]::text AS roles, pg_get_expr(polqual, polrelid) AS condition FROM pg_policy")).toMatchObject({ roles: containing(`${next} reader`), condition: containing(`${old}_reader`) });
    expect(await session.row("SELECT usename, umoptions FROM pg_user_mappings")).toEqual({ usename: next, umoptions: [`user=${old}`] });
    expect(await session.row("SELECT prosrc FROM pg_proc WHERE proname = 'f'")).toMatchObject({ prosrc: containing(`GRANT x TO ${old};`) });
    expect(await session.row("SELECT defaclacl::text AS acl, pg_get_userbyid(defaclrole) AS role FROM pg_default_acl")).toMatchObject({ acl: containing(`${next} reader`), role: next });
    expect(await session.row("SELECT pg_get_userbyid(lomowner) AS owner, convert_from(lo_get(oid), 'UTF8') AS text FROM pg_largeobject_metadata")).toEqual({ owner: next, text: "large" });
    expect(await session.row("SELECT setrole::regrole::text AS role FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase WHERE datname = current_database()")).toEqual({ role: `"${next}"` });
  });
  await expect(here.restore({ into: copyName(), roleMap: new Map([[old, "nobody there"]]) })).rejects.toMatchObject({ code: "refused", message: containing("nobody there") });
  const schemaOnly = copyName();
  await here.restore({ into: schemaOnly, mode: "schema-only", roleMap: new Map([[old, next]]) });
  await withSession(schemaOnly, async (session) => { expect(await session.row("SELECT tableowner FROM pg_tables WHERE tablename = 'patients'")).toEqual({ tableowner: next }); });
});

describe("another server", () => {
  let other: Cluster;
  beforeAll(async () => { other = await startCluster({ binaries: inject("postgres").binaries, tcp: true }); });
  afterAll(() => other.stop());
  const url = (database: string, user = "postgres", password = other.password): string => `postgresql://${encodeURIComponent(user)}:${password}@127.0.0.1:${other.port}/${encodeURIComponent(database)}`;
  const there = async <T>(database: string, work: (session: Session) => Promise<T>): Promise<T> => {
    const session = await openSession(targetOf(database, { PGHOST: other.socket, PGPORT: String(other.port) }));
    try {
      return await work(session);
    } finally {
      await session.close();
    }
  };

  test("that lacks the roles is refused naming them, gets them with --create-roles, and keeps those that it had", async () => {
    const id = Math.random().toString(36).slice(2, 8);
    const [old, group] = [`odd_${id}`, `group "${id}"; x`];
    await roles([group, `${old}_reader`]);
    await roles([old], "LOGIN CREATEDB PASSWORD 'canary password' VALID UNTIL '2030-01-01' CONNECTION LIMIT 3");
    await runSql("postgres", `ALTER ROLE ${old} SET search_path = clinic, "$user"; GRANT "group ""${id}""; x" TO ${old} WITH ADMIN OPTION; COMMENT ON ROLE ${old} IS 'it''s'`);
    const database = await source(owned(old));
    const here = await bench(database.url, { database: { rolePasswords: true } });
    await here.backup();

    const refused: unknown = await here.restore({ into: url("copy") }).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: "refused", message: `the target server lacks the roles ${old}, ${old}_reader` });
    await there("postgres", async (admin) => {
      await admin.execute(`CREATE ROLE ${old}_reader LOGIN CONNECTION LIMIT 42`);
      expect(await admin.rows("SELECT 1 FROM pg_database WHERE datname LIKE 'copy%'")).toEqual([]);
    });
    expect(await here.restore({ into: url("copy"), createRoles: true })).toMatchObject({ target: "copy", rows: 1 });
    await there("copy", async (session) => {
      expect(await session.rows(`SELECT rolname, rolcanlogin, rolcreatedb, rolconnlimit, rolpassword, rolconfig, shobj_description(oid, 'pg_authid') AS comment FROM pg_authid LEFT JOIN LATERAL (SELECT setconfig AS rolconfig FROM pg_db_role_setting WHERE setdatabase = 0 AND setrole = pg_authid.oid) c ON true WHERE rolname LIKE '%${id}%' ORDER BY rolname`)).toEqual([
        { rolname: group, rolcanlogin: false, rolcreatedb: false, rolconnlimit: -1, rolpassword: null, rolconfig: null, comment: null },
        { rolname: old, rolcanlogin: true, rolcreatedb: true, rolconnlimit: 3, rolpassword: null, rolconfig: ['search_path=clinic, "$user"'], comment: "it's" },
        { rolname: `${old}_reader`, rolcanlogin: true, rolcreatedb: false, rolconnlimit: 42, rolpassword: null, rolconfig: null, comment: null },
      ]);
      expect(await session.row("SELECT roleid::regrole::text AS role, admin_option FROM pg_auth_members WHERE member = " + `'${old}'::regrole`)).toEqual({ role: `"group ""${id}""; x"`, admin_option: true });
      expect(await session.row("SELECT tableowner FROM pg_tables WHERE tablename = 'patients'")).toEqual({ tableowner: old });
    });
    await expect(here.restore({ into: url("copy") })).rejects.toMatchObject({ code: "refused", message: containing("is not empty") });
  });

  test("that lacks a policy's role fails under --no-owner saying so, and without the policy restores for a user who is no superuser", async () => {
    const id = Math.random().toString(36).slice(2, 8);
    await roles([`r_${id}`, `p_${id}`]);
    await there("postgres", (admin) => admin.execute(`CREATE ROLE app_${id} LOGIN CREATEDB PASSWORD 'pw12345'`));
    const database = await source(`CREATE EXTENSION citext; CREATE TABLE t (a int PRIMARY KEY, b citext); INSERT INTO t VALUES (1, 'x'); ALTER TABLE t OWNER TO r_${id}; GRANT SELECT ON t TO p_${id}; ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON t TO p_${id} USING (true)`);
    const here = await bench(database.url);
    await here.backup();
    const asApp = url(`copy_${id}`, `app_${id}`, "pw12345");
    await expect(here.restore({ into: asApp, noOwner: true })).rejects.toMatchObject({ code: "restore-failed", message: containing(`role "p_${id}" does not exist`), hints: [containing("policies"), containing("Nothing of it is left")] });
    await runSql(database.name, "DROP POLICY p ON t; ALTER TABLE t DISABLE ROW LEVEL SECURITY");
    await here.backup();
    expect(await here.restore({ into: asApp, noOwner: true })).toMatchObject({ rows: 1 });
    await there(`copy_${id}`, async (session) => {
      expect(await session.row("SELECT tableowner, pg_get_userbyid(datdba) AS owner FROM pg_tables, pg_database WHERE tablename = 't' AND datname = current_database()")).toEqual({ tableowner: `app_${id}`, owner: `app_${id}` });
    });
    // With owners it may not act for, it is told beforehand.
    await there("postgres", async (admin) => { for (const role of [`r_${id}`, `p_${id}`]) await admin.execute(`CREATE ROLE ${role}`); });
    await expect(here.restore({ into: url(`other_${id}`, `app_${id}`, "pw12345") })).rejects.toMatchObject({ code: "refused", message: containing(`neither a superuser nor a member`) });
    await there("postgres", (admin) => admin.execute(`ALTER ROLE app_${id} NOCREATEDB`));
    await expect(here.restore({ into: url(`other_${id}`, `app_${id}`, "pw12345"), noOwner: true })).rejects.toMatchObject({ code: "refused", message: containing("may not create databases") });
  });

  test("refuses extensions that only a superuser may create before it makes anything, and restores what a user owns itself", async () => {
    const id = Math.random().toString(36).slice(2, 8);
    onTestFinished(() => undefined);
    await roles([`app_${id}`], "LOGIN CREATEDB PASSWORD 'pw12345'");
    await there("postgres", (admin) => admin.execute(`CREATE ROLE app_${id} LOGIN CREATEDB PASSWORD 'pw12345'`));
    const database = await source(`ALTER DATABASE :"DBNAME" OWNER TO app_${id}; SET SESSION AUTHORIZATION app_${id}; CREATE EXTENSION pg_trgm; CREATE TABLE t (a serial PRIMARY KEY, b text); INSERT INTO t (b) VALUES ('x'); CREATE INDEX ON t USING gin (b gin_trgm_ops);`);
    const here = await bench(database.url);
    await here.backup();
    expect(await here.restore({ into: url(`own_${id}`, `app_${id}`, "pw12345") })).toMatchObject({ rows: 1 });
    await runSql(database.name, "CREATE EXTENSION pageinspect");
    await here.backup();
    await expect(here.restore({ into: url(`own2_${id}`, `app_${id}`, "pw12345") })).rejects.toMatchObject({ code: "refused", message: containing("pageinspect") });
    await expect(here.restore({ into: url(`own_${id}`, `app_${id}`, "pw12345"), mode: "data-only" })).rejects.toMatchObject({ code: "refused", message: containing("--data-only keeps triggers from firing") });
  });

  test("is swapped and undone through its URL", async () => {
    const database = await source("CREATE TABLE t (a int)");
    const here = await bench(database.url);
    await here.backup();
    await here.restore({ into: url("swapped") });
    await there("swapped", (session) => session.execute("INSERT INTO public.t VALUES (1)"));
    const { kept } = await here.restore({ into: url("swapped"), swap: true, confirm: "swapped" });
    expect(kept).toBeDefined();
    await undoSwap(here.context, { target: url("swapped"), confirm: "swapped", drainMs: 0 });
    await there("swapped", async (session) => { expect(await session.row("SELECT count(*) FROM public.t")).toEqual({ count: 1 }); });
  });
});
