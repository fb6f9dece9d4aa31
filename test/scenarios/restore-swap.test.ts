/** Swaps: the live database changes whole or not at all, is never closed, and comes back. */
import { execa } from "execa";
import { describe, expect, onTestFinished, test } from "vitest";

import { undoSwap } from "../../src/app/restore/undo-swap.ts";
import { identifier } from "../../src/postgres/session.ts";
import { workbench } from "../harness/cli.ts";
import { type Bench, bench, containing, databasesLike, runSqlNow } from "../harness/context.ts";
import { createDatabase, dropDatabase, runSql, targetOf, type TestDatabase, withSession } from "../harness/postgres.ts";

/** A live database with a backup behind it, and one row written since. */
async function live(name?: string): Promise<{ database: TestDatabase; here: Bench; rows: () => Promise<number> }> {
  const database = await createDatabase(name);
  onTestFinished(async () => { for (const left of await databasesLike(database.name)) await dropDatabase(left); });
  await runSql(database.name, "CREATE TABLE visits (id int PRIMARY KEY); INSERT INTO visits SELECT generate_series(1, 10)");
  const here = await bench(database.url);
  await here.backup();
  await runSql(database.name, "INSERT INTO visits VALUES (11)");
  const rows = (): Promise<number> => withSession(database.name, async (session) => (await session.row<{ count: number }>("SELECT count(*) FROM visits")).count);
  return { database, here, rows };
}

const swap = (name: string) => ({ into: name, swap: true, confirm: name, drainMs: 200 });

/** A client of its own: it runs `sql`, and then stays connected until the test ends, its connection does, or `leaves`. */
function client(database: string, sql: string, leaves = false): { ended: Promise<{ exitCode?: number | undefined; stderr: string }> } {
  const { psql, env } = targetOf(database);
  const ended = execa(psql[0], ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", "-"], { env, reject: false, stdin: "pipe" });
  ended.stdin.write(`${sql};\n`);
  if (leaves) ended.stdin.end();
  onTestFinished(() => { ended.kill("SIGKILL"); });
  return { ended };
}

async function connected(database: string, clients: number): Promise<void> {
  await withSession("postgres", async (admin) => {
    for (;;) if ((await admin.row<{ n: number }>(`SELECT count(*) AS n FROM pg_stat_activity WHERE datname = '${database}' AND application_name = 'psql' AND state IS NOT NULL`)).n >= clients) return;
  });
}

describe("a swap", () => {
  test("wants the name typed", async () => {
    const { database, here, rows } = await live();
    await expect(here.restore({ into: database.name, swap: true })).rejects.toMatchObject({ code: "refused" });
    await expect(here.restore({ into: database.name, swap: true, confirm: "ehr" })).rejects.toMatchObject({ code: "refused", message: containing("--confirm says ehr") });
    expect(await rows()).toBe(11);
    expect(await databasesLike(database.name)).toEqual([database.name]);
  });

  test("is undone, and the undo is undone, and nothing is lost on the way", async () => {
    const { database, here, rows } = await live();
    const { kept } = await here.restore(swap(database.name));
    expect(await rows()).toBe(10);
    await runSql(database.name, "INSERT INTO visits VALUES (100), (101)");
    await expect(withSession(kept!, () => Promise.resolve())).rejects.toThrow("not currently accepting connections");

    await expect(undoSwap(here.context, { drainMs: 0 })).rejects.toMatchObject({ code: "refused" });
    const undone = await undoSwap(here.context, { drainMs: 0, confirm: database.name });
    expect(undone).toMatchObject({ target: database.name, restored: kept });
    expect(await rows()).toBe(11);
    await expect(withSession(undone.kept!, () => Promise.resolve())).rejects.toThrow("not currently accepting connections");
    const again = await undoSwap(here.context, { drainMs: 0, confirm: database.name });
    expect(again.restored).toBe(undone.kept);
    expect(await rows()).toBe(12);
    expect(await databasesLike(database.name)).toEqual([database.name, again.kept]);
  });

  test("undoes what was swapped last, and says so when there is nothing", async () => {
    const { database, here, rows } = await live();
    await expect(undoSwap(here.context, { drainMs: 0, confirm: database.name })).rejects.toMatchObject({ code: "not-found" });
    await here.restore(swap(database.name));
    await runSql(database.name, "DELETE FROM visits WHERE id > 5");
    await here.restore(swap(database.name));
    expect(await rows()).toBe(10);
    await undoSwap(here.context, { drainMs: 0, confirm: database.name });
    expect(await rows()).toBe(5);
  });

  test("ends clients that are idle, in a transaction or running a query", async () => {
    const { database, here, rows } = await live();
    const clients = [client(database.name, "SELECT 1"), client(database.name, "BEGIN; SELECT 1"), client(database.name, "SELECT pg_sleep(60)")];
    await connected(database.name, 3);
    await here.restore(swap(database.name));
    expect(await rows()).toBe(10);
    expect((await clients[2]!.ended).stderr).toContain("terminating connection due to administrator command");
    await withSession("postgres", async (admin) => {
      expect(await admin.rows(`SELECT 1 FROM pg_stat_activity a JOIN pg_database d ON d.oid = a.datid WHERE d.datname LIKE '${database.name}\\_holdfast%'`)).toEqual([]);
    });
  });

  test("lets a transaction that is under way end first", async () => {
    const { database, here } = await live();
    const writer = client(database.name, "BEGIN; INSERT INTO visits VALUES (12); SELECT pg_sleep(3); COMMIT", true);
    await connected(database.name, 1);
    const { kept } = await here.restore({ ...swap(database.name), drainMs: 20_000 });
    expect((await writer.ended).exitCode).toBe(0);
    await undoSwap(here.context, { drainMs: 0, confirm: database.name });
    expect(kept).toBeDefined();
    await withSession(database.name, async (session) => { expect(await session.row("SELECT count(*) FROM visits WHERE id = 12")).toEqual({ count: 1 }); });
  });

  test("lets no client in between that reconnects as fast as it can, and loses none of what was acknowledged", async () => {
    const { database, here } = await live();
    await runSql(database.name, "CREATE TABLE pings (at timestamptz DEFAULT clock_timestamp())");
    await here.backup();
    const { psql, env } = targetOf(database.name);
    const state = { stop: false, done: 0 };
    const loops = Array.from({ length: 2 }, async () => {
      while (!state.stop) {
        const { exitCode } = await execa(psql[0], ["-X", "-q", "-c", "INSERT INTO pings DEFAULT VALUES"], { env, reject: false });
        if (exitCode === 0) state.done += 1;
      }
    });
    const { kept } = await here.restore({ ...swap(database.name), drainMs: 300 });
    state.stop = true;
    await Promise.all(loops);
    const after = await withSession(database.name, async (session) => (await session.row<{ count: number }>("SELECT count(*) FROM pings")).count);
    await undoSwap(here.context, { drainMs: 0, confirm: database.name });
    const before = await withSession(database.name, async (session) => (await session.row<{ count: number }>("SELECT count(*) FROM pings")).count);
    expect(kept).toBeDefined();
    // A connection that is ended after its commit and before its answer did write: there may be more rows than answers, never less.
    expect(before + after).toBeGreaterThanOrEqual(state.done);
  });

  test("that cannot rename the copy leaves the live database open under its name, and keeps the copy", async () => {
    const { database, here, rows } = await live();
    let beside = "";
    here.listen((event) => {
      if (event.type === "step-finished" && event.step === "create") beside = event.detail ?? "";
      // The first rename succeeds inside the transaction, the second finds no copy under its name.
      if (event.type === "step-started" && event.step === "finish") runSqlNow("postgres", `ALTER DATABASE ${identifier(beside)} RENAME TO ${identifier(`${beside}_gone`)}`);
    });
    const error: unknown = await here.restore(swap(database.name)).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: "restore-failed", message: containing("is unchanged and open") });
    expect(await rows()).toBe(11);
    expect(await databasesLike(database.name)).toEqual([database.name, `${beside}_gone`]);
  });

  test("is refused while a prepared transaction holds the database, and warns of what does not follow the name", async () => {
    const { database, here, rows } = await live();
    await runSql(database.name, "BEGIN; INSERT INTO visits VALUES (50); PREPARE TRANSACTION 'two phases'");
    await expect(here.restore(swap(database.name))).rejects.toMatchObject({ code: "refused", message: containing("two phases") });
    await runSql(database.name, "ROLLBACK PREPARED 'two phases'");
    await runSql(database.name, `SELECT pg_create_logical_replication_slot('slot_${database.name}', 'pgoutput')`);
    onTestFinished(() => withSession("postgres", (admin) => admin.rows(`SELECT pg_drop_replication_slot('slot_${database.name}')`)).then(() => undefined));
    const { checks, kept } = await here.restore(swap(database.name));
    expect(checks.find(({ name }) => name === "target database")).toMatchObject({ outcome: "warn", detail: containing(`slot_${database.name}`) });
    expect(await rows()).toBe(10);
    // Undone, so that the slot's own database can be reached again to be dropped.
    expect(kept).toBeDefined();
    await undoSwap(here.context, { drainMs: 0, confirm: database.name });
  });

  test("of a prepared transaction that came meanwhile fails whole, and says what holds it", async () => {
    const { database, here, rows } = await live();
    here.listen((event) => { if (event.type === "step-started" && event.step === "finish") runSqlNow(database.name, "BEGIN; INSERT INTO visits VALUES (50); PREPARE TRANSACTION 'late'"); });
    onTestFinished(() => runSql(database.name, "ROLLBACK PREPARED 'late'"));
    await expect(here.restore(swap(database.name))).rejects.toMatchObject({ code: "restore-failed", message: containing("1 prepared transactions") });
    expect(await rows()).toBe(11);
  });

  test("carries settings, connection limit, comment and grants over", async () => {
    const { database, here } = await live();
    await runSql("postgres", `ALTER DATABASE ${database.name} SET app.greeting = 'it''s "me"'; ALTER DATABASE ${database.name} CONNECTION LIMIT 77; COMMENT ON DATABASE ${database.name} IS 'the one'; REVOKE TEMPORARY ON DATABASE ${database.name} FROM PUBLIC`);
    await here.backup();
    await here.restore(swap(database.name));
    await withSession(database.name, async (session) => {
      expect(await session.row("SELECT current_setting('app.greeting') AS greeting, datconnlimit, shobj_description(oid, 'pg_database') AS comment, datacl::text AS acl FROM pg_database WHERE datname = current_database()")).toEqual({
        greeting: `it's "me"`, datconnlimit: 77, comment: "the one", acl: "{postgres=CTc/postgres,=c/postgres}",
      });
    });
  });

  test("works on a name of 63 bytes, and never takes another database's kept one for its own", async () => {
    const base = `l_${Math.random().toString(36).slice(2, 10)}`;
    const [a, b] = [await live(`${base}_`.padEnd(62, "x") + "a"), await live(`${base}_`.padEnd(62, "x") + "b")];
    await a.here.restore(swap(a.database.name));
    await expect(undoSwap(b.here.context, { drainMs: 0, confirm: b.database.name })).rejects.toMatchObject({ code: "not-found" });
    await undoSwap(a.here.context, { drainMs: 0, confirm: a.database.name });
    expect(await a.rows()).toBe(11);
    for (const left of await databasesLike(base)) await dropDatabase(left);
  });
});

describe("an undo", () => {
  test("finds nothing when the kept database was renamed by hand, and says how it comes back", async () => {
    const { database, here, rows } = await live();
    const { kept } = await here.restore(swap(database.name));
    await runSql("postgres", `ALTER DATABASE ${identifier(kept!)} RENAME TO ${identifier(`${database.name}_mine`)}`);
    await expect(undoSwap(here.context, { drainMs: 0, confirm: database.name })).rejects.toMatchObject({ code: "not-found", hints: [containing("RENAME TO")] });
    expect(await rows()).toBe(10);
  });

  test("brings the kept database back when the live one was dropped or renamed by hand", async () => {
    const { database, here, rows } = await live();
    const { kept } = await here.restore(swap(database.name));
    await runSql("postgres", `ALTER DATABASE ${database.name} RENAME TO ${database.name}_away`);
    expect(await undoSwap(here.context, { drainMs: 0, confirm: database.name })).toEqual({ target: database.name, restored: kept, kept: undefined });
    expect(await rows()).toBe(11);
  });

  test("and a swap work on a database that was left closed to connections", async () => {
    const { database, here, rows } = await live();
    await runSql("postgres", `ALTER DATABASE ${database.name} WITH ALLOW_CONNECTIONS false`);
    await here.restore(swap(database.name));
    expect(await rows()).toBe(10);
    await undoSwap(here.context, { drainMs: 0, confirm: database.name });
    expect(await rows()).toBe(11);
  });
});

test("a swap that is killed leaves the live database open, and the next run names what is left and swaps", async () => {
  const { database, here, rows } = await live();
  const { config } = here.context;
  const shell = await workbench(database.url, {
    HOLDFAST_REPOSITORY: config.repository!.url,
    HOLDFAST_IDENTITY_FILE: config.identityFile!,
    HOLDFAST_SIGNING_KEY_FILE: config.signingKeyFile!,
    HOLDFAST_TRUSTED_SIGNERS: config.trustedSigners!,
    HOLDFAST_TEMP_DIR: here.folder,
  });
  client(database.name, "BEGIN; SELECT 1");
  await connected(database.name, 1);
  const run = shell.start("restore", "latest", "--into", database.name, "--swap", "--confirm", database.name, "--drain", "60", "--log-format", "json");
  let told = "";
  await new Promise<void>((resolve, reject) => {
    run.stderr.on("data", (text: Buffer) => { if (/"step-started".*"finish"|"finish".*"step-started"/.test((told += text.toString()))) resolve(); });
    void run.then(() => { reject(new Error(told)); });
  });
  run.kill("SIGKILL");
  await run;
  // The client is at its transaction still, and others may come.
  expect(await rows()).toBe(11);
  const left = (await databasesLike(database.name)).filter((name) => name !== database.name);
  expect(left).toEqual([containing("_holdfast_new_")]);
  const { checks } = await here.restore({ ...swap(database.name), dryRun: true });
  expect(checks.find(({ name }) => name === "leftovers")?.detail).toContain(`DROP DATABASE ${identifier(left[0]!)}`);
  await here.restore(swap(database.name));
  expect(await rows()).toBe(10);
});
