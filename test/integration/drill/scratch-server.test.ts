/** Scratch databases on a server that is shared with others: what is not the drill's stays, what is goes. */
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { expect, inject, onTestFinished, test } from "vitest";

import { createMissingRoles } from "../../../src/app/restore/restore-content.ts";
import { removeLeftovers } from "../../../src/drill/scratch/leftovers.ts";
import { serverProvider, type ServerOptions } from "../../../src/drill/scratch/server-scratch.ts";
import type { Scratch, ScratchRequest } from "../../../src/drill/scratch/scratch.ts";
import { startCluster } from "../../../src/postgres/cluster.ts";
import { parseDatabaseUrl } from "../../../src/postgres/connection.ts";
import { openSession } from "../../../src/postgres/session.ts";
import { bench } from "../../harness/context.ts";
import { roles, source } from "../../harness/databases.ts";
import { createDatabase, urlOf, withSession } from "../../harness/postgres.ts";
import { endedProcess, requestOf } from "../../harness/drill.ts";

const nowhere = parseDatabaseUrl("postgresql://nobody@127.0.0.1:1/none");

function optionsOf(change: Partial<ServerOptions> = {}): ServerOptions {
  const { binaries } = inject("postgres");
  return { url: urlOf("postgres"), source: { connection: nowhere, search: { pgBin: binaries } }, allowSourceServer: false, pgBin: binaries, host: hostname(), now: () => new Date(), ...change };
}

async function provisioned(change: Partial<ServerOptions> = {}, request: Partial<ScratchRequest> = {}): Promise<Scratch> {
  const scratch = await serverProvider(optionsOf(change)).provision(requestOf(request));
  onTestFinished(async () => { await scratch.destroy(); });
  return scratch;
}

const named = (name: string): Promise<string[]> => withSession("postgres", async (admin) => (await admin.rows<{ name: string }>(`
  SELECT datname AS name FROM pg_database WHERE starts_with(datname, '${name}') UNION ALL SELECT rolname FROM pg_roles WHERE starts_with(rolname, '${name}')`)).map((row) => row.name));

const roleExists = (name: string): Promise<boolean> => withSession("postgres", async (admin) => (await admin.rows(`SELECT 1 FROM pg_roles WHERE rolname = '${name}'`)).length === 1);

const code = (promise: Promise<unknown>): Promise<unknown> => promise.then(() => "no error", (error: unknown) => error);

function freshRole(): string {
  const role = `r_${randomBytes(4).toString("hex")}`;
  onTestFinished(async () => { await withSession("postgres", (admin) => admin.execute(`DROP ROLE IF EXISTS ${role}`)); });
  return role;
}

/** Makes a role as the drill's restore does. */
async function makeRole({ roleMarker = "" }: Scratch, role: string): Promise<void> {
  await withSession("postgres", async (admin) => {
    await admin.execute(`CREATE ROLE ${role}`);
    await admin.execute(`GRANT ${role} TO ${roleMarker}`);
  });
}

test("databases and roles of the drill go, whatever the restore wrote over them, and those that were there stay", async () => {
  const [before] = [freshRole()];
  await roles([before]);
  const scratch = await provisioned();
  const made = freshRole();
  const others = freshRole();
  await makeRole(scratch, made);
  await withSession("postgres", async (admin) => {
    // Somebody else's, made in the meantime; and one from before, granted by mistake.
    await admin.execute(`CREATE ROLE ${others}`);
    await admin.execute(`GRANT ${before} TO ${scratch.roleMarker!}`);
    await admin.execute(`CREATE DATABASE ${scratch.database} OWNER ${made}`);
    await admin.execute(`COMMENT ON DATABASE ${scratch.database} IS 'the comment of the source'`);
    await admin.execute(`CREATE DATABASE ${scratch.database}_holdfast_new_m1x`);
  });
  await withSession(scratch.database, (session) => session.execute(`GRANT CREATE ON SCHEMA public TO ${made}`));
  expect(await scratch.destroy()).toEqual([]);
  expect(await named(scratch.name)).toEqual([]);
  expect([await roleExists(made), await roleExists(others), await roleExists(before)]).toEqual([false, true, true]);
});

test("what is half gone goes whole, and what is gone is gone twice", async () => {
  const scratch = await provisioned();
  const made = freshRole();
  await makeRole(scratch, made);
  await withSession("postgres", (admin) => admin.execute(`CREATE DATABASE ${scratch.database}`));
  await withSession("postgres", (admin) => admin.execute(`DROP DATABASE ${scratch.database}`));
  expect(await scratch.destroy()).toEqual([]);
  expect(await scratch.destroy()).toEqual([]);
  expect(await roleExists(made)).toBe(false);
});

test("a role that owns something elsewhere is said to be still there, and found until it can go", async () => {
  const elsewhere = await createDatabase();
  const scratch = await provisioned({}, { owner: { ...requestOf().owner, pid: await endedProcess() } });
  const made = freshRole();
  await makeRole(scratch, made);
  await withSession(elsewhere.name, (session) => session.execute(`CREATE SCHEMA kept AUTHORIZATION ${made}`));
  const left = await scratch.destroy();
  expect(left).toEqual([expect.stringMatching(new RegExp(`^role ${made} \\(role .* cannot be dropped because some objects depend on it\\)$`)), `role ${scratch.name}`]);
  const again = await removeLeftovers([serverProvider(optionsOf())]);
  expect(again.stillThere.join()).toContain(made);
  expect(again.removed.map(({ name }) => name)).not.toContain(scratch.name);
  await withSession(elsewhere.name, (session) => session.execute("DROP SCHEMA kept"));
  expect((await removeLeftovers([serverProvider(optionsOf())])).removed.map(({ name }) => name)).toContain(scratch.name);
  expect(await roleExists(made)).toBe(false);
});

test("what a live drill uses is left alone, until its time is over", async () => {
  const scratch = await provisioned();
  await withSession("postgres", (admin) => admin.execute(`CREATE DATABASE ${scratch.database}`));
  const kept = await removeLeftovers([serverProvider(optionsOf())]);
  expect(kept.kept).toContainEqual(expect.objectContaining({ name: scratch.name, abandoned: false, owner: requestOf().owner }));
  expect(await named(scratch.name)).toHaveLength(2);
  // From another host, nobody knows whether the process lives.
  const elsewhere = optionsOf({ host: "another.example" });
  expect((await removeLeftovers([serverProvider(elsewhere)])).kept.map(({ name }) => name)).toContain(scratch.name);
  const late = optionsOf({ host: "another.example", now: () => new Date(requestOf().owner.expires) });
  expect((await serverProvider(late).leftovers()).find(({ name }) => name === scratch.name)).toMatchObject({ abandoned: true });
});

test("a killed drill's database, roles and running statements are found and removed", async () => {
  const scratch = await provisioned({}, { owner: { ...requestOf().owner, pid: await endedProcess() } });
  const made = freshRole();
  await makeRole(scratch, made);
  await withSession("postgres", (admin) => admin.execute(`CREATE DATABASE ${scratch.database}`));
  // A statement of the killed drill that runs on, through a session as the restore has it.
  const orphan = await openSession(scratch.server.target());
  onTestFinished(() => orphan.close());
  const sleeping = code(orphan.execute("DO 'BEGIN PERFORM pg_sleep(600); END'"));
  await expect.poll(() => withSession("postgres", (admin) => admin.rows(`SELECT 1 FROM pg_stat_activity WHERE application_name = '${scratch.name}' AND state = 'active'`)), { timeout: 20_000 }).toHaveLength(1);
  const { removed, stillThere } = await removeLeftovers([serverProvider(optionsOf())]);
  expect(removed.map(({ name }) => name)).toContain(scratch.name);
  expect(stillThere).toEqual([]);
  expect(await sleeping).toMatchObject({ code: "database-unreachable" });
  expect([...(await named(scratch.name)), await roleExists(made)]).toEqual([false]);
});

test("a database that has lost its marker is found, and removed when nobody is connected to it", async () => {
  const scratch = await provisioned();
  await withSession("postgres", (admin) => admin.execute(`CREATE DATABASE ${scratch.database}`));
  await withSession("postgres", (admin) => admin.execute(`DROP ROLE ${scratch.roleMarker!}`));
  const find = async () => (await serverProvider(optionsOf()).leftovers()).find(({ name }) => name === scratch.name);
  await withSession(scratch.database, async () => { expect(await find()).toMatchObject({ abandoned: false, owner: undefined }); });
  await expect.poll(find, { timeout: 10_000 }).toMatchObject({ abandoned: true, owner: undefined });
  expect(await (await find())!.remove()).toEqual([]);
  expect(await named(scratch.name)).toEqual([]);
});

test("the source's own server is refused, however it is written, unless it is allowed", async () => {
  const { socket, port, binaries } = inject("postgres");
  const search = { pgBin: binaries };
  const overSocket = parseDatabaseUrl(`postgresql://postgres@localhost:${port}/postgres?host=${socket}`);
  for (const connection of [parseDatabaseUrl(urlOf("any")), overSocket]) {
    expect(await code(serverProvider(optionsOf({ source: { connection, search } })).provision(requestOf()))).toMatchObject({ code: "refused", message: expect.stringContaining("is the very server that was backed up") as string });
  }
  const scratch = await provisioned({ source: { connection: overSocket, search }, allowSourceServer: true });
  expect(await scratch.destroy()).toEqual([]);
});

test("without leave to read the server's identifier, it is known by the moment of its start", async () => {
  const { socket, port, binaries } = inject("postgres");
  const login = freshRole();
  await withSession("postgres", (admin) => admin.execute(`CREATE ROLE ${login} LOGIN PASSWORD 'pw-of-nobody'`));
  const connection = parseDatabaseUrl(`postgresql://${login}@localhost:${port}/postgres?host=${socket}`);
  await withSession("postgres", (admin) => admin.execute("REVOKE EXECUTE ON FUNCTION pg_catalog.pg_control_system() FROM PUBLIC"));
  onTestFinished(async () => { await withSession("postgres", (admin) => admin.execute("GRANT EXECUTE ON FUNCTION pg_catalog.pg_control_system() TO PUBLIC")); });
  expect(await code(serverProvider(optionsOf({ source: { connection, search: { pgBin: binaries } } })).provision(requestOf()))).toMatchObject({ code: "refused", message: expect.stringContaining("the very server") as string });
});

test("another server is taken, and one that answers but refuses us is not taken for another", async () => {
  const { binaries } = inject("postgres");
  const other = await startCluster({ binaries, tcp: true });
  onTestFinished(() => other.stop());
  const at = (password: string) => ({ connection: parseDatabaseUrl(`postgresql://postgres:${password}@127.0.0.1:${other.port}/postgres`), search: { pgBin: binaries } });
  const scratch = await provisioned({ source: at(other.password) });
  expect(scratch.description).toMatch(/^a scratch database of the PostgreSQL \S+ server 127\.0\.0\.1:\d+$/);
  expect(scratch.url).toBe(urlOf(scratch.name));
  expect(await scratch.destroy()).toEqual([]);
  const secret = "wrong-secret-8d1c";
  const denied = serverProvider(optionsOf({ source: at(secret) })).provision(requestOf());
  expect(await code(denied)).toMatchObject({ code: "refused", message: expect.stringContaining("cannot be told") as string });
  await expect(denied).rejects.not.toThrow(secret);
});

test("an ordinary user may drop what the restore gave to the roles that it made", async () => {
  const login = freshRole();
  await withSession("postgres", (admin) => admin.execute(`CREATE ROLE ${login} LOGIN CREATEDB CREATEROLE PASSWORD 'pw-${login}'`));
  const url = `postgresql://${login}:pw-${login}@127.0.0.1:${inject("postgres").port}/postgres`;
  const scratch = await provisioned({ url });
  const made = freshRole();
  const session = await openSession(scratch.server.target());
  try {
    for (const sql of [`CREATE ROLE ${made}`, `GRANT ${made} TO ${scratch.roleMarker!}`, `CREATE DATABASE ${scratch.database}`, `ALTER DATABASE ${scratch.database} OWNER TO ${made}`]) await session.execute(sql);
  } finally {
    await session.close();
  }
  expect(await scratch.destroy()).toEqual([]);
  expect([...(await named(scratch.name)), await roleExists(made)]).toEqual([false]);
});

test("why a server cannot be used is said without its password", async () => {
  const login = freshRole();
  const why = (url: string | undefined, major = 15) => serverProvider(optionsOf({ url })).unavailable(major);
  expect(await why(undefined)).toBe("no server is configured to make scratch databases on");
  expect(await why(urlOf("postgres"))).toBeUndefined();
  expect(await why(urlOf("postgres"), 99)).toMatch(/is PostgreSQL \S+, but the backup needs 99 or newer$/);
  expect(await why("postgresql://u:secret-5e1f@127.0.0.1:1/x")).toMatch(/^(?!.*secret-5e1f)cannot connect to the database: .*Connection refused/s);
  await withSession("postgres", (admin) => admin.execute(`CREATE ROLE ${login} LOGIN PASSWORD 'pw-${login}'`));
  const asLogin = `postgresql://${login}:pw-${login}@127.0.0.1:${inject("postgres").port}/postgres`;
  expect(await why(asLogin)).toContain(`user ${login} of the server`);
  expect(await code(serverProvider(optionsOf({ url: asLogin })).provision(requestOf()))).toMatchObject({ code: "drill-unverified", message: expect.stringContaining("needs CREATEDB and CREATEROLE") as string });
  expect(await code(serverProvider(optionsOf({ url: "postgresql://u@127.0.0.1:1/x" })).provision(requestOf()))).toMatchObject({ code: "drill-unverified" });
});

test("a subscription in the copy does not hold it", async () => {
  const scratch = await provisioned();
  await withSession("postgres", (admin) => admin.execute(`CREATE DATABASE ${scratch.database}`));
  await withSession(scratch.database, (session) => session.execute("CREATE SUBSCRIPTION orders CONNECTION 'host=127.0.0.1 port=1' PUBLICATION p WITH (connect = false)"));
  expect(await scratch.destroy()).toEqual([]);
  expect(await named(scratch.name)).toEqual([]);
});

test("roles that a restore makes are granted to the marker, and go with the copy", async () => {
  const owner = freshRole();
  await withSession("postgres", (admin) => admin.execute(`CREATE ROLE ${owner} LOGIN`));
  const database = await source(`CREATE SCHEMA s AUTHORIZATION ${owner}; CREATE TABLE s.t (id int); ALTER TABLE s.t OWNER TO ${owner};`);
  const place = await bench(database.url);
  const manifest = await place.backup();
  await withSession(database.name, (session) => session.execute(`DROP OWNED BY ${owner}`));
  await withSession("postgres", (admin) => admin.execute(`DROP ROLE ${owner}`));
  const scratch = await provisioned();
  const work = await place.work(manifest, { into: scratch.database, createRoles: true });
  await createMissingRoles({ ...work, roleMarker: scratch.roleMarker });
  expect(await roleExists(owner)).toBe(true);
  expect(await scratch.destroy()).toEqual([]);
  expect(await roleExists(owner)).toBe(false);
});
