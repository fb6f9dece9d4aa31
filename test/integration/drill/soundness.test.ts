/** What is unsound in a database by itself: indexes and keys that are switched off, files that are damaged. */
import { execa } from "execa";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { expect, inject, onTestFinished, test } from "vitest";

import { runCheck } from "../../../src/drill/checks/check.ts";
import { checkFiles, checkHealth } from "../../../src/drill/checks/soundness.ts";
import { type Cluster, startCluster } from "../../../src/postgres/cluster.ts";
import { readHealth } from "../../../src/postgres/health.ts";
import { openSession, type Session, type SessionTarget } from "../../../src/postgres/session.ts";
import { roles, source } from "../../harness/databases.ts";
import { runSql, targetOf, withSession } from "../../harness/postgres.ts";
import { planted, plantedRows } from "./planted.ts";

const clinic = `
  ${plantedRows}
  CREATE TABLE public.visits (id bigint PRIMARY KEY, person bigint REFERENCES public.people, note text);
  INSERT INTO public.visits SELECT i, 1, 'note ' || i FROM generate_series(1, 2000) i;
  CREATE INDEX visits_note ON public.visits (note);
`;

/** A session as the product opens it, with an empty search path. */
async function looking<T>(database: string, look: (session: Session) => Promise<T>): Promise<T> {
  const session = await openSession(targetOf(database));
  return look(session).finally(() => session.close());
}

const health = (database: string) => looking(database, checkHealth);
const files = (database: string, options?: { budgetMs: number }) => looking(database, (session) => checkFiles(session, options));

test("a sound database passes", async () => {
  const { name } = await source(clinic);
  expect(await health(name)).toEqual({ outcome: "pass", compared: 6, detail: "3 indexes are valid and every foreign key is enforced" });
});

test("an index that a failed CREATE INDEX CONCURRENTLY left invalid fails, without the row that broke it", async () => {
  const { name } = await source(`${clinic} INSERT INTO public.people VALUES (3, '${planted[0]}', '${planted[1]}')`);
  await expect(runSql(name, "CREATE UNIQUE INDEX CONCURRENTLY twice ON public.people (ssn)")).rejects.toThrow();
  const finding = await health(name);
  expect(finding).toMatchObject({ outcome: "fail", detail: "1 index is invalid: public.twice on public.people" });
  expect(await files(name), "an invalid index is not looked into").toMatchObject({ outcome: "pass" });
});

test("foreign keys that are switched off fail; definitions that are as weak at the source are only told", async () => {
  const { name } = await source(`${clinic}
    ALTER TABLE public.visits DISABLE TRIGGER ALL;`);
  expect(await health(name)).toMatchObject({ outcome: "fail", detail: "1 foreign key is switched off: visits_person_fkey on public.visits" });
  await runSql(name, `
    ALTER TABLE public.visits ENABLE TRIGGER ALL;
    ALTER TABLE public.people ADD CONSTRAINT old CHECK (id > 1) NOT VALID;
    CREATE FUNCTION public.t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TRIGGER asleep BEFORE INSERT ON public.people FOR EACH ROW EXECUTE FUNCTION public.t(); ALTER TABLE public.people DISABLE TRIGGER asleep;
    CREATE TABLE public.parted (id int) PARTITION BY LIST (id); CREATE TABLE public.part PARTITION OF public.parted DEFAULT; CREATE INDEX half ON ONLY public.parted (id);`);
  const { outcome, detail } = await health(name);
  expect(outcome).toBe("pass");
  expect(detail).toBe("4 indexes are valid and every foreign key is enforced; part of the schema, which is compared with the source's: constraints never validated: old on public.people; " +
    "indexes of partitioned tables that lack a partition's: public.half on public.parted; disabled triggers: asleep on public.people; 1 table has no primary key");
});

test("health that cannot be read verifies nothing", async () => {
  const { target } = await source("");
  const session = await openSession(target);
  session.kill();
  await session.close();
  expect(await runCheck("health", "health", () => checkHealth(session))).toMatchObject({ outcome: "unverified" });
});

test("amcheck sees every B-tree and table of a sound copy, and leaves no trace in it", async () => {
  const { name } = await source(clinic);
  const before = await looking(name, readHealth);
  expect(await files(name)).toMatchObject({ outcome: "pass", detail: expect.stringMatching(/^nothing damaged; amcheck \S+: all 5 B-tree indexes looked into, all 2 tables looked into$/) as string });
  expect(await withSession(name, (session) => session.rows("SELECT extname FROM pg_extension WHERE extname = 'amcheck' UNION ALL SELECT nspname FROM pg_namespace WHERE nspname LIKE 'holdfast%'"))).toEqual([]);
  expect(await looking(name, readHealth)).toEqual(before);
});

test("amcheck that is installed already is used where it is, and stays", async () => {
  const { name } = await source(`${clinic} CREATE SCHEMA "Ext"; CREATE EXTENSION amcheck SCHEMA "Ext"`);
  expect(await files(name)).toMatchObject({ outcome: "pass" });
  expect(await withSession(name, (session) => session.rows("SELECT 1 AS there FROM pg_extension WHERE extname = 'amcheck'"))).toHaveLength(1);
});

test("a role that may not use amcheck leaves it out, with the reason", async () => {
  await roles(["amcheck stranger"], "LOGIN");
  const { name } = await source(`${clinic} GRANT CREATE ON DATABASE :"DBNAME" TO "amcheck stranger"`);
  const session = await openSession(targetOf(name, { PGUSER: "amcheck stranger" }));
  onTestFinished(() => session.close());
  expect(await checkFiles(session)).toEqual({ outcome: "left-out", detail: "the scratch's role may not make or use the extension amcheck" });
  expect(await session.rows("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'holdfast%'")).toEqual([]);
});

test("an index that leads to fewer rows than the table has is damaged", async () => {
  const { name } = await source(`${clinic}
    UPDATE pg_index SET indisready = false WHERE indexrelid = 'public.visits_note'::regclass; INSERT INTO public.visits VALUES (9999, 1, '${planted[2]}');
    UPDATE pg_index SET indisready = true WHERE indexrelid = 'public.visits_note'::regclass;`);
  const finding = await files(name);
  expect(finding).toMatchObject({ outcome: "fail", detail: expect.stringMatching(/^1 damaged: public\.visits_note, damaged data \(XX001\); amcheck/) as string });
  expect(JSON.stringify(finding)).not.toContain(planted[2]);
});

test("what the time does not suffice for, and what refuses to be looked at, is said; nothing seen verifies nothing", async () => {
  const { name } = await source(`${clinic}
    CREATE TABLE public.marks (on_ boolean);
    CREATE FUNCTION public.slow(bigint) RETURNS bigint IMMUTABLE LANGUAGE plpgsql AS 'BEGIN IF EXISTS (SELECT FROM public.marks) THEN PERFORM pg_sleep(60); END IF; RETURN $1; END';
    CREATE FUNCTION public.moody(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN IF EXISTS (SELECT FROM public.marks) THEN RAISE EXCEPTION 'not %', $1; END IF; RETURN $1; END $$;
    CREATE INDEX moody ON public.people (public.moody(name)); CREATE TABLE public.few (id bigint); INSERT INTO public.few SELECT generate_series(1, 3); CREATE INDEX slow ON public.few (public.slow(id));
    INSERT INTO public.marks VALUES (true)`);
  const finding = await files(name, { budgetMs: 6_000 });
  expect(finding).toMatchObject({ outcome: "pass", detail: expect.stringMatching(/of \d B-tree indexes looked into \(\d+ % of their bytes\).*; [1-9]\d* not looked at, because the time of 6 s was over; 1 could not be looked at: public.moody, the database's own code raised an exception \(P0001\)/) as string });
  for (const value of planted) expect(JSON.stringify(finding)).not.toContain(value);
  expect(await files(name, { budgetMs: 0 })).toMatchObject({ outcome: "unverified", compared: 0 });
});

test("functions of indexes find what they name without a schema", async () => {
  const { name } = await source(`CREATE TABLE rates (factor int); INSERT INTO rates VALUES (2); CREATE FUNCTION scaled(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1 * (SELECT factor FROM rates); END';
    CREATE TABLE amounts (id int); INSERT INTO amounts VALUES (1); CREATE INDEX ON amounts (scaled(id))`);
  expect((await files(name)).detail).toContain(": all 1 B-tree indexes looked into");
});

interface Place { readonly cluster: Cluster; readonly target: SessionTarget; readonly session: () => Promise<Session>; readonly restart: (change: () => Promise<void>) => Promise<void> }

/** A server of the test's own, whose files may be damaged. */
async function ownServer(): Promise<Place> {
  const { binaries } = inject("postgres");
  const cluster = await startCluster({ binaries });
  onTestFinished(() => cluster.stop());
  const target: SessionTarget = { psql: [join(binaries, "psql")], env: { PGHOST: cluster.socket, PGPORT: String(cluster.port), PGUSER: "postgres", PGDATABASE: "postgres" } };
  const account = process.getuid?.() === 0 ? { uid: Number((await execa("id", ["-u", "postgres"])).stdout), gid: Number((await execa("id", ["-g", "postgres"])).stdout) } : {};
  const control = (...args: string[]) => execa(join(binaries, "pg_ctl"), ["-D", join(cluster.folder, "data"), "-l", join(cluster.folder, "server.log"), "-w", ...args], { ...account, cwd: cluster.folder, stdio: "ignore" });
  const session = async (): Promise<Session> => {
    const opened = await openSession(target);
    onTestFinished(() => opened.close());
    return opened;
  };
  return { cluster, target, session, restart: async (change) => { await control("-m", "fast", "stop"); await change(); await control("start"); } };
}

const pageHeader = 24;

/** Overwrites bytes of a relation's file as `change` says. */
async function damage(path: string, at: number, length: number, change: (bytes: Buffer) => Buffer): Promise<void> {
  const file = await open(path, "r+");
  const bytes = Buffer.alloc(length);
  await file.read(bytes, 0, length, at);
  await file.write(change(bytes), 0, length, at);
  await file.close();
}

test("a B-tree and a heap whose pages were damaged on disk fail, by name", async () => {
  const place = await ownServer();
  const first = await place.session();
  for (const sql of [`CREATE TABLE public.people (id int, name text, hobby text)`, `INSERT INTO public.people SELECT i, '${planted[0]} ' || i, 'chess' FROM generate_series(1, 50) i`, "CREATE INDEX by_name ON public.people (name)",
    "CREATE TABLE public.notes (id int)", "INSERT INTO public.notes SELECT generate_series(1, 50)"]) await first.execute(sql);
  const { tree, heap } = await first.row<{ tree: string; heap: string }>("SELECT pg_relation_filepath('public.by_name') AS tree, pg_relation_filepath('public.notes') AS heap");
  expect(await checkFiles(first)).toMatchObject({ outcome: "pass" });
  await first.close();

  const data = join(place.cluster.folder, "data");
  await place.restart(async () => {
    // Block 1 is the only leaf: its first two entries change places, so that the tree is out of order.
    await damage(join(data, tree), 8192 + pageHeader, 8, (bytes) => Buffer.concat([bytes.subarray(4), bytes.subarray(0, 4)]));
    // The first row begins where no row may.
    await damage(join(data, heap), pageHeader, 1, (bytes) => Buffer.from([bytes[0]! ^ 1]));
  });
  const finding = await checkFiles(await place.session());
  expect(finding).toMatchObject({ outcome: "fail", detail: expect.stringMatching(/^2 damaged: public\.notes, 1 damaged place on its first damaged page, public\.by_name, a damaged index \(XX002\); amcheck/) as string });
  for (const value of planted) expect(JSON.stringify(finding)).not.toContain(value);
});
