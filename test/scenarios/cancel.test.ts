/** Cancellation at moments that no signal hits by chance: told to the stories directly, at the very event. */
import { randomBytes } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, inject, onTestFinished, test } from "vitest";

import type { Context } from "../../src/app/context.ts";
import { createBackup } from "../../src/app/backup/create-backup.ts";
import { initialiseRepository } from "../../src/app/repository/initialise-repository.ts";
import { restoreBackup, type RestoreOptions } from "../../src/app/restore/restore-backup.ts";
import { systemActor } from "../../src/audit/actor.ts";
import { loadConfig } from "../../src/config/load.ts";
import { HoldfastError } from "../../src/errors.ts";
import type { Event } from "../../src/ports.ts";
import { startCluster } from "../../src/postgres/cluster.ts";
import { literal, openSession, type SessionTarget } from "../../src/postgres/session.ts";
import { workbench } from "../harness/cli.ts";
import { createDatabase, dropDatabase, runSql, withSession } from "../harness/postgres.ts";

/** A repository with one backup of a small database, and contexts whose story is cancelled when `when` says so. */
async function bench(url?: string) {
  const database = url === undefined ? await createDatabase() : { name: "own", url };
  if (url === undefined) await runSql(database.name, "CREATE TABLE people (id int); INSERT INTO people VALUES (1)");
  const { env, folder } = await workbench(database.url);
  const config = await loadConfig({ env, cwd: folder });
  const contextOf = (when: (event: Event, cancel: () => void) => void): Context => {
    const controller = new AbortController();
    const cancel = (): void => { controller.abort(new HoldfastError("cancelled", "cancelled by SIGTERM")); };
    return {
      config,
      clock: { now: () => new Date() },
      ids: { suffix: () => randomBytes(2).toString("hex") },
      reporter: { emit: (event) => { when(event, cancel); } },
      signal: controller.signal,
      actor: systemActor(null, false),
      version: "0.0.0",
    };
  };
  const quiet = contextOf(() => undefined);
  await initialiseRepository(quiet);
  const target = `${database.name}_copy`;
  if (url === undefined) onTestFinished(() => dropDatabase(target));
  const options: RestoreOptions = { choice: { latest: true }, into: target, swap: false, dryRun: false, tables: [], mode: "all", jobs: 1, noOwner: false, roleMap: new Map(), createRoles: false, drainMs: 0 };
  return { contextOf, quiet, target, options, parts: async () => (await readdir(join(folder, "repository/ehr"), { recursive: true }).catch(() => [])).filter((name) => name.startsWith("backups/")) };
}

const copiesOf = (target: string) => withSession("postgres", (admin) => admin.rows(`SELECT datname FROM pg_database WHERE starts_with(datname, ${literal(target)})`));

test("a backup that is cancelled when it is about to be published is not published, and its parts are gone", async () => {
  const { contextOf, parts } = await bench();
  const context = contextOf((event, cancel) => { if (event.type === "step-started" && event.step === "publish") cancel(); });
  await expect(createBackup(context, {})).rejects.toMatchObject({ code: "cancelled", message: "cancelled by SIGTERM; nothing was published" });
  expect(await parts()).toEqual([]);
});

test("a restore that is cancelled when it is about to hand over does not, and its copy is gone", async () => {
  const { contextOf, quiet, options, target } = await bench();
  await createBackup(quiet, {});
  const context = contextOf((event, cancel) => { if (event.type === "step-started" && event.step === "finish") cancel(); });
  await expect(restoreBackup(context, options)).rejects.toMatchObject({ code: "cancelled", message: `cancelled by SIGTERM; the copy was dropped, and ${target} is untouched` });
  expect(await copiesOf(target)).toEqual([]);
});

test("a CREATE DATABASE that the server is at when its client is cancelled makes no database afterwards", async () => {
  // A server of its own: the lock that holds CREATE DATABASE up holds up everybody.
  const { binaries } = inject("postgres");
  const cluster = await startCluster({ binaries, tcp: true });
  onTestFinished(() => cluster.stop());
  const server: SessionTarget = { psql: [join(binaries, "psql")], env: { PGHOST: cluster.socket, PGPORT: String(cluster.port), PGUSER: cluster.user, PGDATABASE: "postgres" } };
  const [holder, watcher] = await Promise.all([openSession(server), openSession(server)]);
  onTestFinished(async () => { await Promise.all([holder.close(), watcher.close()]); });

  const { contextOf, quiet, options, target } = await bench(`postgresql://postgres:${cluster.password}@127.0.0.1:${cluster.port}/postgres`);
  await createBackup(quiet, {});
  let cancel: () => void = () => undefined;
  const context = contextOf((_, cancelIt) => { cancel = cancelIt; });
  const working = (statement: string) => watcher.rows(`SELECT pid FROM pg_stat_activity WHERE query LIKE ${literal(`${statement} DATABASE%${target}%`)} AND state = 'active' AND pid <> pg_backend_pid()`);
  await holder.execute("BEGIN");
  await holder.execute("LOCK TABLE pg_database IN SHARE MODE");
  const outcome = restoreBackup(context, options).catch((error: unknown) => error);
  await expect.poll(() => working("CREATE"), { timeout: 20_000 }).toHaveLength(1);
  cancel();
  await expect.poll(() => working("DROP"), { timeout: 20_000 }).toHaveLength(1);
  await holder.execute("ROLLBACK");
  expect(await outcome).toMatchObject({ code: "cancelled", message: `cancelled by SIGTERM; the copy was dropped, and ${target} is untouched` });
  await expect.poll(() => working("CREATE"), { timeout: 20_000 }).toEqual([]);
  expect(await watcher.rows(`SELECT datname FROM pg_database WHERE starts_with(datname, ${literal(target)})`)).toEqual([]);
}, 60_000);
