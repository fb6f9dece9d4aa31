/** What a pooler does to us, and that we do nothing to those who share it. */
import { expect, test } from "vitest";

import { parseDatabaseUrl } from "../../src/postgres/connection.ts";
import { openSession, type SessionTarget } from "../../src/postgres/session.ts";
import { runTool } from "../../src/process/run.ts";
import { workbench } from "../harness/cli.ts";
import { startPgBouncer } from "../harness/pgbouncer.ts";
import { createDatabase, targetOf } from "../harness/postgres.ts";

const through = (url: string, database: string): SessionTarget => ({ psql: targetOf(database).psql, env: { ...parseDatabaseUrl(url).env } });

test("a session of the server itself is not taken for a pooled one, whatever options the URL has", async () => {
  const { name } = await createDatabase();
  for (const extra of [{}, { PGOPTIONS: "-c search_path=odd -c statement_timeout=5s" }]) {
    const session = await openSession(targetOf(name, extra));
    expect(session.pooled).toBe(false);
    expect(await session.row("SELECT current_setting('statement_timeout') AS timeout, current_setting('search_path') AS path")).toEqual({ timeout: "0", path: "" });
    await session.close();
  }
});

test.each([
  ["a pool of several", {}],
  ["a pool of one", { default_pool_size: "1" }],
  ["a pool that leaves startup options out", { ignore_startup_parameters: "options, extra_float_digits" }],
  ["a pool that takes its backends in turn", { server_round_robin: "1", min_pool_size: "3", ignore_startup_parameters: "options" }],
])("%s in transaction mode is refused, with the way around it, and leaves no setting of ours behind", async (_, settings) => {
  const { name } = await createDatabase();
  const pooler = await startPgBouncer("transaction", settings);
  const error: unknown = await openSession(through(pooler.url(name), name)).catch((caught: unknown) => caught);
  expect(error).toMatchObject({ code: "configuration", exitCode: 10, message: expect.stringContaining("pooler in transaction mode") as string, hints: [expect.stringContaining("direct URL") as string] });
  await leavesBackendsAlone(pooler.url(name), name);
});

/** Asks as an application would: with psql alone, on the backends that we met. */
async function leavesBackendsAlone(url: string, database: string): Promise<void> {
  const { psql, env } = through(url, database);
  const asked = Array.from({ length: 3 }, () =>
    runTool(psql, ["-X", "-A", "-t", "-c", "SELECT current_setting('search_path') || ' ' || current_setting('row_security') || ' ' || current_setting('client_min_messages')"], { env }),
  );
  for (const { stdout } of await Promise.all(asked)) expect(stdout).toBe('"$user", public on notice\n');
}

test("a pool in statement mode, which allows no transaction, is refused as well", async () => {
  const { name } = await createDatabase();
  const pooler = await startPgBouncer("statement");
  expect(await openSession(through(pooler.url(name), name)).catch((caught: unknown) => caught)).toMatchObject({ code: "configuration" });
});

test.each([
  ["a pool of several", {}],
  ["a pool that leaves startup options out", { ignore_startup_parameters: "options" }],
])("%s in session mode is used, with our settings, and gets them back", async (_, settings) => {
  const { name } = await createDatabase();
  const pooler = await startPgBouncer("session", settings);
  const session = await openSession(through(pooler.url(name), name));
  expect(session.pooled).toBe(true);
  expect(await session.row("SELECT current_setting('row_security') AS rows, current_setting('search_path') AS path")).toEqual({ rows: "off", path: "" });
  await session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  await session.row("SELECT pg_export_snapshot() AS id");
  await session.close();
  await leavesBackendsAlone(pooler.url(name), name);
});

test("a wrong password at a pooler is a refused login, not a pooler", async () => {
  const { name } = await createDatabase();
  const pooler = await startPgBouncer("transaction");
  const target = through(pooler.url(name), name);
  expect(await openSession({ ...target, env: { ...target.env, PGPASSWORD: "wrong" } }).catch((caught: unknown) => caught)).toMatchObject({ code: "database-unreachable" });
});

test("backup and doctor name the direct URL when the configured one leads through a pool in transaction mode", async () => {
  const { name } = await createDatabase();
  const pooler = await startPgBouncer("transaction");
  const bench = await workbench(pooler.url(name));
  await bench.ok("repository", "init");
  const backup = await bench.run("backup", "--json");
  expect(backup.code).toBe(10);
  expect(backup.json()).toMatchObject({ error: { code: "configuration", message: expect.stringContaining("pooler in transaction mode") as string, hints: [expect.stringContaining("direct URL") as string] } });
  expect((await bench.ok("backup", "list", "--json")).json()).toEqual([]);
  const doctor = await bench.run("doctor", "--json");
  expect(doctor.code).toBe(10);
  expect(doctor.json<{ area: string; name: string; outcome: string; hint?: string }[]>().find(({ name: check, outcome }) => check === "server" && outcome === "fail")?.hint).toContain("direct URL");
});
