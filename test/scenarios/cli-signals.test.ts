/** A signal at each stage: the process ends soon, says once what holds, and leaves nothing behind. */
import { readdir, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, onTestFinished, test } from "vitest";

import { type RunningCli, type Workbench, workbench } from "../harness/cli.ts";
import { type Hold, heldTools } from "../harness/held-tools.ts";
import { createDatabase, dropDatabase, runSql, type TestDatabase, withSession } from "../harness/postgres.ts";
import { literal } from "../../src/postgres/session.ts";

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const limitMs = 5_000;

interface LogLine {
  readonly type: string;
  readonly step?: string;
  readonly message?: string;
}

/** What the log says so far, and waiting for a line of it. */
function logOf(cli: RunningCli) {
  const lines: LogLine[] = [];
  const waiting: { readonly wanted: (line: LogLine) => boolean; readonly found: () => void }[] = [];
  createInterface({ input: cli.stderr }).on("line", (text) => {
    const line = JSON.parse(text) as LogLine;
    lines.push(line);
    for (const { wanted, found } of waiting) if (wanted(line)) found();
  });
  return {
    lines,
    until: (wanted: (line: LogLine) => boolean) =>
      new Promise<void>((resolve, reject) => {
        if (lines.some(wanted)) { resolve(); return; }
        waiting.push({ wanted, found: resolve });
        void cli.then(() => { reject(new Error(`holdfast ended: ${JSON.stringify(lines)}`)); });
      }),
  };
}

/** Programs that still run for the workbench: their HOME is its folder. */
async function programsOf(folder: string): Promise<string[]> {
  const found = await Promise.all(
    (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(async (pid) => {
      const environment = await readFile(`/proc/${pid}/environ`, "utf8").catch(() => "");
      return environment.split("\0").includes(`HOME=${folder}`) ? await readlink(`/proc/${pid}/exe`).catch(() => undefined) : undefined;
    }),
  );
  return found.filter((program) => program !== undefined);
}

/** All files of the repository but its marker, its timeline and the lock that was given back. */
async function stored(bench: Workbench): Promise<string[]> {
  const names = await readdir(join(bench.folder, "repository"), { recursive: true, withFileTypes: true });
  return names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name).slice(join(bench.folder, "repository").length + 1)).filter((name) => name !== "holdfast.json" && name !== "ehr/locks/backup.json" && !/(?:^|\/)timeline\//.test(name)).sort();
}

async function backendsOf(database: string): Promise<unknown[]> {
  return withSession("postgres", (admin) => admin.rows(`SELECT datname, application_name, state, query FROM pg_stat_activity WHERE starts_with(datname, ${literal(database)}) OR query LIKE ${literal(`%${database}%`)} AND pid <> pg_backend_pid()`));
}

async function copiesOf(database: string): Promise<unknown[]> {
  return withSession("postgres", (admin) => admin.rows(`SELECT datname FROM pg_database WHERE starts_with(datname, ${literal(`${database}_copy`)})`));
}

/** Runs holdfast up to the place where a tool is held, sends the signal, and waits for the end. */
async function interrupted(bench: Workbench, command: readonly string[], stage: string, hold: Hold, signal: NodeJS.Signals) {
  const tools = await heldTools(join(bench.folder, `tools-${stage}`), hold);
  bench.env["HOLDFAST_PG_BIN"] = tools.folder;
  const cli = bench.start(...command, "--log-format", "json");
  const log = logOf(cli);
  await log.until((line) => line.type === "step-started" && line.step === stage);
  await tools.reached();
  const sent = performance.now();
  cli.kill(signal);
  const { exitCode, stdout } = await cli;
  const took = performance.now() - sent;
  await tools.release();
  // What filtered a psql's input ends now that nobody holds it; a program of PostgreSQL's would not.
  await expect.poll(() => programsOf(bench.folder), { message: `${stage}: programs` }).toEqual([]);
  return { exitCode, stdout, took, errors: log.lines.filter(({ type }) => type === "error"), warnings: log.lines.filter((line) => line.type === "note") };
}

async function people(): Promise<TestDatabase> {
  const database = await createDatabase();
  await runSql(database.name, "CREATE TABLE people (id int PRIMARY KEY, name text); INSERT INTO people SELECT n, 'person ' || n FROM generate_series(1, 1000) n");
  return database;
}

test("a signal at any stage of a backup ends it within five seconds, with nothing published and nothing left", async () => {
  const database = await people();
  const bench = await workbench(database.url);
  await bench.ok("repository", "init");
  const stages: readonly [string, Hold][] = [
    ["inspect", { tool: "psql", line: "server_version_num" }],
    ["snapshot", { tool: "psql", line: "pg_export_snapshot" }],
    ["globals", { tool: "pg_dumpall" }],
    ["schema", { tool: "pg_dump", given: "--schema-only" }],
    ["data", { tool: "pg_dump", unless: "--schema-only" }],
    ["truth", { tool: "psql", line: "FROM ONLY" }],
  ];
  for (const [at, [stage, hold]] of stages.entries()) {
    const signal = signals[at % signals.length]!;
    const end = await interrupted(bench, ["backup"], stage, hold, signal);
    expect(end, stage).toMatchObject({ exitCode: 130, stdout: "", warnings: [], errors: [{ code: "cancelled", message: `cancelled by ${signal}; nothing was published` }] });
    expect(end.took, stage).toBeLessThan(limitMs);
    expect(await stored(bench), stage).toEqual([]);
    await expect.poll(() => backendsOf(database.name), { message: `${stage}: backends` }).toEqual([]);
  }
}, 120_000);

test("a signal at any stage of a restore ends it within five seconds, with the copy dropped and the target untouched", async () => {
  const database = await people();
  const bench = await workbench(database.url);
  await bench.ok("repository", "init");
  await bench.ok("backup");
  const before = await stored(bench);
  const target = `${database.name}_copy`;
  onTestFinished(() => dropDatabase(target));
  const stages: readonly [string, Hold, string][] = [
    ["preflight", { tool: "psql", line: "pg_available_extension_versions" }, "nothing was changed"],
    ["create", { tool: "psql", line: "CREATE DATABASE" }, `the copy was dropped, and ${target} is untouched`],
    ["restore", { tool: "pg_restore" }, `the copy was dropped, and ${target} is untouched`],
    ["analyze", { tool: "psql", line: "ANALYZE" }, `the copy was dropped, and ${target} is untouched`],
    ["compare", { tool: "psql", line: "FROM ONLY" }, `the copy was dropped, and ${target} is untouched`],
  ];
  for (const [at, [stage, hold, holds]] of stages.entries()) {
    const signal = signals[at % signals.length]!;
    const end = await interrupted(bench, ["restore", "latest", "--into", target], stage, hold, signal);
    expect(end, stage).toMatchObject({ exitCode: 130, stdout: "", warnings: [], errors: [{ code: "cancelled", message: `cancelled by ${signal}; ${holds}` }] });
    expect(end.took, stage).toBeLessThan(limitMs);
    expect(await copiesOf(database.name), stage).toEqual([]);
    expect(await stored(bench), stage).toEqual(before);
    await expect.poll(() => backendsOf(database.name), { message: `${stage}: backends` }).toEqual([]);
  }
}, 120_000);

test("a cleaning up that hangs is given up within five seconds, and the message says what may be left", async () => {
  const database = await people();
  const bench = await workbench(database.url);
  await bench.ok("repository", "init");
  await bench.ok("backup");
  const target = `${database.name}_copy`;
  // The copy cannot be dropped while somebody holds a lock on it.
  const tools = await heldTools(join(bench.folder, "tools"), { tool: "pg_restore" });
  bench.env["HOLDFAST_PG_BIN"] = tools.folder;
  const cli = bench.start("restore", "latest", "--into", target, "--json");
  await tools.reached();
  const sent = await withSession("postgres", async (admin) => {
    const { datname } = await admin.row<{ datname: string }>(`SELECT datname FROM pg_database WHERE starts_with(datname, ${literal(target)})`);
    onTestFinished(() => dropDatabase(datname));
    await admin.execute("BEGIN");
    await admin.execute(`COMMENT ON DATABASE "${datname}" IS 'held'`);
    const at = performance.now();
    cli.kill("SIGTERM");
    const { exitCode, stdout } = await cli;
    expect(exitCode).toBe(130);
    expect(JSON.parse(stdout)).toEqual({
      error: { code: "cancelled", message: "cancelled by SIGTERM, but cleaning up did not end within 5 s", hints: [expect.stringContaining("_holdfast_new_")] },
    });
    await admin.execute("ROLLBACK");
    return at;
  });
  expect(performance.now() - sent).toBeLessThan(limitMs + 500);
  await tools.release();
  await expect.poll(() => programsOf(bench.folder)).toEqual([]);
}, 60_000);

test("a second signal, later than the first, ends at once", async () => {
  const database = await people();
  const bench = await workbench(database.url);
  await bench.ok("repository", "init");
  await bench.ok("backup");
  const tools = await heldTools(join(bench.folder, "tools"), { tool: "pg_restore" });
  bench.env["HOLDFAST_PG_BIN"] = tools.folder;
  const target = `${database.name}_copy`;
  const cli = bench.start("restore", "latest", "--into", target);
  await tools.reached();
  await withSession("postgres", async (admin) => {
    const { datname } = await admin.row<{ datname: string }>(`SELECT datname FROM pg_database WHERE starts_with(datname, ${literal(target)})`);
    onTestFinished(() => dropDatabase(datname));
    await admin.execute("BEGIN");
    await admin.execute(`COMMENT ON DATABASE "${datname}" IS 'held'`);
    const sent = performance.now();
    cli.kill("SIGINT");
    // The same press, as a wrapper passes it on: it must not count as a second one.
    cli.kill("SIGINT");
    const presses = setInterval(() => cli.kill("SIGINT"), 500);
    const { exitCode } = await cli;
    clearInterval(presses);
    const took = performance.now() - sent;
    expect(exitCode).toBe(130);
    expect(took).toBeGreaterThan(400);
    expect(took).toBeLessThan(3_000);
    await admin.execute("ROLLBACK");
  });
  await tools.release();
}, 60_000);
