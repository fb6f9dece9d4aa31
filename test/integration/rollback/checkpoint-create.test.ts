/** Taking checkpoints of a real database into a real repository, with an application that answers over HTTP. */
import { rmSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

import { readAudit } from "../../../src/app/audit.ts";
import { createCheckpoint } from "../../../src/app/checkpoint/create-checkpoint.ts";
import { openWorkplace } from "../../../src/app/context.ts";
import { acquireLock } from "../../../src/lock/lease.ts";
import { lockKey } from "../../../src/catalog/layout.ts";
import { checkpointSchema } from "../../../src/rollback/checkpoint/checkpoint.ts";
import { listCheckpoints } from "../../../src/rollback/checkpoint/records.ts";
import { containing, runSqlNow } from "../../harness/context.ts";
import { applied, type Deployment, deployment } from "../../harness/checkpoints.ts";

async function published({ on }: Deployment): Promise<string[]> {
  const workplace = await openWorkplace(on.context);
  try {
    return (await listCheckpoints(workplace.repository, "ehr")).map(({ id }) => id);
  } finally {
    await workplace.close();
  }
}

const backups = ({ on }: Deployment): Promise<string[]> => readdir(join(on.folder, "repository", "ehr", "backups")).catch(() => []);
const notes = ({ on }: Deployment): string[] => on.events.flatMap((event) => (event.type === "note" ? event.message : []));

test("a checkpoint holds what runs, what the database is and how the application was, and is bound to a backup of exactly that", async () => {
  const there = await deployment();
  const { checkpoint, id, warnings } = await there.checkpoint({ reason: "CHG-217" });
  const manifest = JSON.parse(await readFile(join(there.on.folder, "repository", "ehr", "backups", checkpoint.backup.id, "manifest.json"), "utf8")) as { label: string; reason: string; truth: { schema: { fingerprint: string }; migrations: { sha256: string }[] } };
  expect(id).toMatch(/^1\.4\.2-\d{8}T\d{6}Z$/);
  expect(checkpoint).toMatchObject({
    release: "1.4.2", running: "1.4.1", reason: "CHG-217", pending: ["2_widen"], health: { healthy: true, version: "1.4.1" }, backup: { reused: false },
    by: { user: "tester", host: "here" }, ledgers: [{ tool: "prisma", table: "public._prisma_migrations", head: "1_init", applied: ["1_init"], failed: 0 }],
  });
  expect(checkpoint.schemaFingerprint).toBe(manifest.truth.schema.fingerprint);
  expect(checkpoint.ledgers.map(({ sha256 }) => sha256)).toEqual(manifest.truth.migrations.map(({ sha256 }) => sha256));
  expect([manifest.label, manifest.reason]).toEqual(["pre-deploy", "before the deploy of 1.4.2: CHG-217"]);
  expect(checkpoint.state.workloads.flatMap(({ images }) => images.map(({ pinned }) => pinned))).toEqual([`holdfast/app:${id}`, `holdfast/worker:${id}`]);
  expect(warnings).toEqual([]);
  expect(await published(there)).toEqual([id]);
  const [entry] = await readAudit(there.on.context, { last: 1 });
  expect(entry).toMatchObject({ action: "checkpoint create", outcome: "ok", reason: "CHG-217", subject: { database: "ehr", release: "1.4.2", running: "1.4.1", checkpoint: id, backup: checkpoint.backup.id } });
  expect(checkpointSchema.parse(checkpoint)).toEqual(checkpoint);
});

describe("it is refused, and nothing is published,", () => {
  test("when a migration of the coming release is applied already: not even a backup is taken", async () => {
    const there = await deployment();
    await there.sql(applied("2_widen"));
    await expect(there.checkpoint()).rejects.toMatchObject({ code: "refused", message: containing("applied already: 2_widen") });
    expect([await published(there), await backups(there), there.platform.pins]).toEqual([[], [], []]);
    expect((await readAudit(there.on.context, { last: 1 }))[0]).toMatchObject({ action: "checkpoint create", outcome: "failed", code: "refused" });
  });

  test("when the coming release runs already, unless that is said", async () => {
    const there = await deployment();
    there.app.answer = { ...there.app.answer, version: "1.4.2" };
    await expect(there.checkpoint()).rejects.toMatchObject({ code: "refused", message: "1.4.2 runs already, but a checkpoint is taken before the deploy of its release" });
    expect(await backups(there)).toEqual([]);
    expect((await there.checkpoint({ running: "1.4.2" })).checkpoint.running).toBe("1.4.2");
  });

  test("when the database is reached through a service of the release", async () => {
    const there = await deployment();
    const { state } = there.platform;
    const published = new URL(there.database.url).port || "5432";
    const [app, worker] = state.workloads;
    there.platform.state = { ...state, workloads: [{ ...app!, name: "localhost", resolved: { ports: [{ target: 5432, published }] } }, worker!] };
    await expect(there.checkpoint()).rejects.toMatchObject({ code: "configuration", message: "the database is reached through a service of the release: localhost" });
    expect(await backups(there)).toEqual([]);
  });

  test("when nothing runs, as where another project is named; a service of which nothing runs is told of", async () => {
    const there = await deployment();
    const { state } = there.platform;
    there.platform.state = { ...state, workloads: state.workloads.map((each) => ({ ...each, replicas: 0 })) };
    await expect(there.checkpoint()).rejects.toMatchObject({ code: "configuration", message: "nothing runs of app, worker (project ehr, files /srv/ehr/compose.yaml), so there is nothing to go back to" });
    expect([await published(there), await backups(there)]).toEqual([[], []]);
    there.platform.state = { ...state, workloads: state.workloads.map((each) => (each.name === "worker" ? { ...each, replicas: 0 } : each)) };
    expect((await there.checkpoint()).warnings).toEqual(["nothing runs of worker: a rollback to this checkpoint would come back to that"]);
  });

  test.each([
    ["after the snapshot was taken", "data", "moved from 1_init to 2_widen while the backup was taken"],
    ["before it", "inspect", "moved from 1_init to 2_widen while the backup was taken"],
  ])("when the ledger moves during the backup, %s", async (_when, step, message) => {
    const there = await deployment();
    there.on.listen((event) => { if (event.type === "step-started" && event.step === step) runSqlNow(there.database.name, applied("2_widen")); });
    await expect(there.checkpoint()).rejects.toMatchObject({ code: "refused", message: containing(message) });
    expect([await published(there), there.platform.pins]).toEqual([[], []]);
    expect(await backups(there)).toHaveLength(1);
  });

  test("when the schema changes after the snapshot, though the ledger does not know of it", async () => {
    const there = await deployment();
    there.on.listen((event) => { if (event.type === "step-started" && event.step === "publish") runSqlNow(there.database.name, "ALTER TABLE people ADD note text"); });
    await expect(there.checkpoint()).rejects.toMatchObject({ code: "refused", message: containing("the schema changed since its snapshot") });
    expect(await published(there)).toEqual([]);
  });

  test("when other images run after the backup than before it", async () => {
    const there = await deployment();
    there.on.listen((event) => { if (event.type === "step-started" && event.step === "data") there.platform.deploy("1.4.2"); });
    await expect(there.checkpoint()).rejects.toMatchObject({ code: "refused", message: containing("what runs changed while the backup was taken") });
    expect(await published(there)).toEqual([]);
  });

  test("when its backup is removed before it is published", async () => {
    const there = await deployment();
    there.on.listen((event) => {
      if (event.type === "step-started" && event.step === "look-again") rmSync(join(there.on.folder, "repository", "ehr", "backups"), { recursive: true });
    });
    await expect(there.checkpoint()).rejects.toMatchObject({ code: "not-found", message: containing("which the checkpoint would be bound to, is gone") });
    expect(await published(there)).toEqual([]);
  });

  test("when the backup fails", async () => {
    const there = await deployment();
    there.on.listen((event) => { if (event.type === "step-started" && event.step === "data") runSqlNow(there.database.name, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'holdfast ehr-%'"); });
    await expect(there.checkpoint()).rejects.toMatchObject({ code: expect.stringMatching(/^(?:dump-failed|database-unreachable)$/) as unknown });
    expect([await published(there), there.platform.pins]).toEqual([[], []]);
  });

  test("when nobody tells what runs", async () => {
    const there = await deployment({ rollback: { health: undefined } });
    await expect(there.checkpoint()).rejects.toMatchObject({ code: "usage", message: containing("nobody tells which release runs now") });
    expect(await backups(there)).toEqual([]);
  });

  test.each(["1.4.2/../x", "", "-1", "release 2", "v1-20261121T020000Z.deployed"])("when %j is to be the name of the release", async (release) => {
    const there = await deployment();
    await expect(there.checkpoint({ release })).rejects.toMatchObject({ code: "usage" });
  });

  test("when nothing is configured about the deployment", async () => {
    const there = await deployment({ database: { rollback: undefined } });
    await expect(there.checkpoint()).rejects.toMatchObject({ code: "configuration", message: "nothing is configured about the deployment of ehr" });
  });

  test("when somebody prunes at that moment", async () => {
    const there = await deployment();
    const workplace = await openWorkplace(there.on.context);
    const { actor, clock } = there.on.context;
    const lock = await acquireLock(workplace.repository.store, lockKey("ehr", "prune"), { action: "prune", actor, clock });
    await expect(there.checkpoint()).rejects.toMatchObject({ code: "lock-held" });
    await lock.release();
    await workplace.close();
    expect(await published(there)).toEqual([]);
  });
});

test("images that were pinned for a checkpoint that was not published are told", async () => {
  const there = await deployment();
  const stop = new AbortController();
  const stopping = there.on.with({ signal: stop.signal });
  there.on.listen((event) => { if (event.type === "step-finished" && event.step === "pin") stop.abort(); });
  await expect(createCheckpoint(stopping.context, { release: "1.4.2", coming: { how: "none" }, runsOn: there.platform })).rejects.toMatchObject({ code: "cancelled", message: "cancelled; no checkpoint was published" });
  expect(notes(there)).toContainEqual(expect.stringMatching(/^no checkpoint was published, but its images were pinned already, which is harmless: holdfast\/app:1\.4\.2-\S+, holdfast\/worker:1\.4\.2-/));
  expect(await published(there)).toEqual([]);
});

test("an application that is not healthy is recorded as such, with a warning", async () => {
  const there = await deployment();
  there.app.answer = { ...there.app.answer, database: "disconnected" };
  const { checkpoint, warnings } = await there.checkpoint();
  expect(checkpoint.health).toMatchObject({ healthy: false, version: "1.4.1" });
  expect(warnings).toEqual([containing("the application is not healthy now (status 200, status=healthy, database=disconnected, but must be connected)")]);
});

test("what runs is what the operator says, then what the configuration knows", async () => {
  const there = await deployment();
  expect((await there.checkpoint({ running: "1.4.0" })).warnings).toEqual(["--running says 1.4.0, but the application says that it is 1.4.1"]);
  const quiet = await deployment({ rollback: { health: undefined }, database: { appVersion: "1.3.9" } });
  const { checkpoint, warnings } = await quiet.checkpoint();
  expect([checkpoint.running, checkpoint.health]).toEqual(["1.3.9", null]);
  expect(warnings).toEqual(["that 1.3.9 runs is known from the configuration only", containing("no health check is configured")]);
});

describe("a recent backup", () => {
  test("is reused while it is young enough and of the same ledgers and schema", async () => {
    const there = await deployment();
    const { id } = await there.on.backup();
    const { checkpoint } = await there.checkpoint({ reuseWithinMs: 1_800_000 });
    expect(checkpoint.backup).toMatchObject({ id, reused: true });
    expect(await backups(there)).toEqual([id]);
  });

  test("is not reused unasked", async () => {
    const there = await deployment();
    const { id } = await there.on.backup();
    expect((await there.checkpoint()).checkpoint.backup.id).not.toBe(id);
  });

  test.each([
    ["the ledger moved since", applied("1_later"), "the ledger public._prisma_migrations moved from 1_init to 1_later since its snapshot"],
    ["the schema changed since", "CREATE INDEX ON people (name)", "the schema changed since its snapshot"],
  ])("is not reused when %s", async (_what, sql, why) => {
    const there = await deployment();
    const { id } = await there.on.backup();
    await there.sql(sql);
    const { checkpoint } = await there.checkpoint({ reuseWithinMs: 1_800_000 });
    expect(checkpoint.backup).toMatchObject({ reused: false });
    expect(notes(there)).toContain(`${id} is not reused: ${why}`);
  });

  test("is not reused when it is too old", async () => {
    const there = await deployment();
    await there.on.backup();
    expect((await there.checkpoint({ reuseWithinMs: 1 })).checkpoint.backup.reused).toBe(false);
    expect(notes(there)).toContainEqual(expect.stringMatching(/is not reused: its snapshot is .* old$/));
  });

  test("is not reused when a part of it is missing or cut", async () => {
    const there = await deployment();
    const { id } = await there.on.backup();
    await writeFile(join(there.on.folder, "repository", "ehr", "backups", id, "data.pgdump.zst.age"), "x");
    expect((await there.checkpoint({ reuseWithinMs: 1_800_000 })).checkpoint.backup.reused).toBe(false);
    expect(notes(there)).toContainEqual(expect.stringMatching(/is not reused: part data: the size in bytes is 1,/));
  });
});
