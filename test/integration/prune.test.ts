/** Pruning real repositories: copies of one backup under the times of many. */
import { randomBytes } from "node:crypto";
import { cpSync } from "node:fs";
import { cp, mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { readAudit } from "../../src/app/audit.ts";
import { backUpAndPrune } from "../../src/app/backup/back-up-and-prune.ts";
import { openWorkplace } from "../../src/app/context.ts";
import { holdBackup, releaseBackup } from "../../src/app/backup/hold-backup.ts";
import { pruneBackups } from "../../src/app/backup/prune-backups.ts";
import { listDatabaseBackups } from "../../src/app/backup/show-backups.ts";
import { verifyBackups } from "../../src/app/backup/verify-backup.ts";
import { backupKey, lockKey, manifestFile } from "../../src/catalog/layout.ts";
import type { Manifest } from "../../src/catalog/manifest.ts";
import type { RetentionSettings } from "../../src/config/retention-settings.ts";
import { acquireLock } from "../../src/lock/lease.ts";
import { identifier } from "../../src/postgres/session.ts";
import { openStore } from "../../src/store/open.ts";
import { history, retentionOf } from "../harness/backups.ts";
import { type Bench, bench, containing } from "../harness/context.ts";
import { dropDatabase, runSql, urlOf, withSession } from "../harness/postgres.ts";

const day = 86_400_000;
const database = `t_${randomBytes(5).toString("hex")}`;
const url = urlOf(database);

beforeAll(async () => {
  await withSession("postgres", (admin) => admin.execute(`CREATE DATABASE ${identifier(database)}`));
  await runSql(database, "CREATE TABLE people (id int PRIMARY KEY, name text); INSERT INTO people SELECT n, 'person ' || n FROM generate_series(1, 50) n");
});
afterAll(() => dropDatabase(database));

/** A bench with a retention, and with one backup for each age in days, newest first. */
async function benchWith(retention: Partial<RetentionSettings>, ages: readonly number[], changes: (n: number) => Partial<Manifest> = () => ({})): Promise<{ bench: Bench; ids: string[] }> {
  const made = await bench(url, { database: { retention: retentionOf({ keepLast: 2, ...retention }) } });
  return { bench: made, ids: await history(made, ages.map((age) => age * day), changes) };
}

const listed = async ({ context }: Bench): Promise<string[]> => (await listDatabaseBackups(context)).map(({ id }) => id);
const prune = (on: Bench, dryRun = false) => pruneBackups(on.context, { dryRun });
const storeOf = (on: Bench) => openStore(on.context.config.repository!.url);

test("a dry run gives every backup its decision and reasons, and changes nothing, not even the timeline", async () => {
  const { bench: on, ids } = await benchWith({}, [1, 50, 100, 200]);
  const before = (await readAudit(on.context, {})).length;
  const { keep, remove, removed } = await prune(on, true);
  expect(keep.map(({ id, reasons }) => [id, reasons])).toEqual([
    [ids[0], ["last 1 of 2", "1 of 1, the minimum count", "younger than 90 days, the minimum age"]],
    [ids[1], ["last 2 of 2", "younger than 90 days, the minimum age"]],
  ]);
  expect(remove.map(({ id, reasons }) => [id, reasons])).toEqual([
    [ids[2], ["no rule keeps it (last 2)", "100 days old, past the minimum age of 90 days"]],
    [ids[3], ["no rule keeps it (last 2)", "200 days old, past the minimum age of 90 days"]],
  ]);
  expect(removed).toEqual([]);
  expect(await listed(on)).toEqual(ids);
  expect(await readAudit(on.context, {})).toHaveLength(before);
});

test("what goes leaves no file, what stays verifies to its archive, and the timeline has told before and after", async () => {
  const { bench: on, ids } = await benchWith({}, [1, 50, 100, 200]);
  const { removed } = await prune(on);
  expect(removed).toEqual(ids.slice(2));
  expect(await listed(on)).toEqual(ids.slice(0, 2));
  expect((await readdir(join(on.folder, "repository", "ehr", "backups"))).sort()).toEqual(ids.slice(0, 2).sort());
  expect((await verifyBackups(on.context, { choice: "all", level: "archive" })).map(({ ok }) => ok)).toEqual([true, true]);
  const [decision, ...removals] = (await readAudit(on.context, { last: 5 })).filter(({ action }) => action === "prune" || action === "remove backup");
  expect(decision).toMatchObject({ action: "prune", outcome: "ok", subject: { database: "ehr", keep: "2", remove: "2" } });
  expect(decision!.message).toContain(`remove ${ids[2]!} (no rule keeps it (last 2)`);
  expect(removals.map(({ subject, reason }) => [subject["backup"], reason])).toEqual(ids.slice(2).map((id) => [id, containing("no rule keeps it")]));
  expect((await prune(on)).remove).toEqual([]);
});

test("without a configured retention nothing is ever removed, neither by prune nor after a backup", async () => {
  const on = await bench(url);
  const ids = await history(on, [1 * day, 4000 * day]);
  await expect(prune(on)).rejects.toMatchObject({ code: "configuration", message: "no retention is configured for ehr, so nothing is ever removed" });
  expect((await backUpAndPrune(on.context, {})).pruned).toBeUndefined();
  expect(await listed(on)).toEqual([expect.any(String), ...ids]);
});

test("a backup that failed verification does not count, nor one below the level that is asked for", async () => {
  const { bench: on, ids } = await benchWith({ keepLast: 1, requireVerified: "hash" }, [100, 110, 120, 130]);
  await verifyBackups(on.context, { choice: { id: ids[1]! }, level: "stat" });
  await verifyBackups(on.context, { choice: { id: ids[2]! }, level: "hash" });
  await verifyBackups(on.context, { choice: { id: ids[0]! }, level: "hash" });
  await writeFile(join(on.folder, "repository", backupKey("ehr", ids[0]!, "data.pgdump.zst.age")), "x");
  const [verdict] = await verifyBackups(on.context, { choice: { id: ids[0]! }, level: "hash" });
  expect(verdict!.ok).toBe(false);
  const { keep, remove } = await prune(on);
  expect(keep.map(({ id }) => id)).toEqual([ids[2]]);
  expect(remove.map(({ reasons }) => reasons[0])).toEqual([expect.stringMatching(/^does not count: it failed verification at .*part data/), "does not count: it was verified no deeper than stat, and the policy asks for hash", "does not count: it was never verified, and the policy asks for hash"]);
});

test("a proof in the timeline that no trusted key has signed proves nothing, but a failure is believed", async () => {
  const { bench: on, ids } = await benchWith({ keepLast: 1, requireVerified: "hash" }, [100, 110, 120]);
  const unsigned = on.with({ config: { ...on.context.config, signingKeyFile: undefined } });
  await verifyBackups(on.context, { choice: { id: ids[1]! }, level: "hash" });
  await verifyBackups(unsigned.context, { choice: { id: ids[0]! }, level: "hash" });
  expect((await prune(on, true)).keep.map(({ id }) => id)).toEqual([ids[1]]);
  await verifyBackups(on.context, { choice: { id: ids[0]! }, level: "hash" });
  expect((await prune(on, true)).keep.map(({ id }) => id)).toEqual([ids[0]]);
  const part = join(on.folder, "repository", backupKey("ehr", ids[0]!, "data.pgdump.zst.age"));
  await writeFile(part, "x");
  await verifyBackups(unsigned.context, { choice: { id: ids[0]! }, level: "hash" });
  expect((await prune(on, true)).keep.map(({ id }) => id)).toEqual([ids[1]]);
});

test("a policy under which nothing would count any more is refused, and removes nothing", async () => {
  const { bench: on, ids } = await benchWith({ requireVerified: "hash" }, [100, 110, 120]);
  await expect(prune(on)).rejects.toMatchObject({ code: "refused", message: "the policy would remove 3 backups of ehr, and none of those left would count" });
  expect(await listed(on)).toEqual(ids);
  expect((await readAudit(on.context, { last: 1 }))[0]).toMatchObject({ action: "prune", outcome: "failed", code: "refused" });
});

test("nothing is removed while the last backup run has failed, and it is once one has succeeded", async () => {
  const { bench: on, ids } = await benchWith({}, [1, 2, 200]);
  const ehr = { ...on.context.config.databases.get("ehr")!, url: url.replace(/:\d+\//, ":1/") };
  await expect(backUpAndPrune({ ...on.context, config: { ...on.context.config, databases: new Map([["ehr", ehr]]) } }, {})).rejects.toMatchObject({ code: "database-unreachable" });
  expect((await prune(on)).keep.at(-1)!.reasons[0]).toMatch(/^nothing is removed while the last backup run has failed \(.*: cannot connect/);
  expect(await listed(on)).toEqual(ids);
  const { pruned } = await backUpAndPrune(on.context, {});
  expect(pruned!.removed).toEqual([ids[2]]);
});

test("when only the pruning after a backup fails, the run ends with 3, and the backup is there", async () => {
  const { bench: on, ids } = await benchWith({ requireVerified: "hash" }, [100, 110]);
  const policy = { ...on.context.config.databases.get("ehr")!, retention: retentionOf({ keepLast: 1, requireVerified: "archive", minimumAgeMs: 0 }) };
  const context = { ...on.context, config: { ...on.context.config, databases: new Map([["ehr", policy]]) } };
  const failure: unknown = await backUpAndPrune(context, {}).then(() => undefined, (error: unknown) => error);
  expect(failure).toMatchObject({ code: "done-with-warnings", exitCode: 3, message: expect.stringMatching(/^ehr-\S+ was backed up, but pruning failed: the policy would remove 3 backups/) as unknown, details: { failed: [{ step: "pruning", code: "refused" }] } });
  expect(await listed(on)).toEqual([expect.any(String), ...ids]);
});

test("prune: never leaves pruning to the one who asks for it", async () => {
  const { bench: on, ids } = await benchWith({ prune: "never" }, [1, 2, 200]);
  expect((await backUpAndPrune(on.context, {})).pruned).toBeUndefined();
  expect(await listed(on)).toContain(ids[2]);
  expect((await prune(on)).removed).toEqual([ids[2]]);
});

test("labels have their own rules", async () => {
  const { bench: on, ids } = await benchWith({ labels: { "pre-deploy": { ...retentionOf({ keepLast: 1, minimumAgeMs: 14 * day }) } } }, [1, 5, 20, 30, 100, 200], (n) => ({ label: n % 2 === 0 ? null : "pre-deploy" }));
  expect((await prune(on)).removed).toEqual([ids[3], ids[5], ids[4]].toSorted((a, b) => ids.indexOf(a!) - ids.indexOf(b!)));
  expect(await listed(on)).toEqual([ids[0], ids[1], ids[2]]);
});

describe("what is never removed", () => {
  test("a backup that cannot be trusted: it is left for a person, and counts for nothing", async () => {
    const { bench: on, ids } = await benchWith({ keepLast: 1 }, [100, 110, 120]);
    await writeFile(join(on.folder, "repository", backupKey("ehr", ids[0]!, `${manifestFile}.sig`)), Buffer.alloc(64));
    const { keep, removed } = await prune(on);
    expect(removed).toEqual([ids[2]]);
    expect(keep.find(({ id }) => id === ids[0])!.reasons[0]).toBe("not ours to remove: its manifest cannot be trusted");
  });

  test("a backup that a checkpoint names which cannot be trusted", async () => {
    const { bench: on, ids } = await benchWith({}, [1, 2, 200, 201]);
    await mkdir(join(on.folder, "repository", "ehr", "checkpoints"));
    await writeFile(join(on.folder, "repository", "ehr", "checkpoints", "release-1.4.2.json"), JSON.stringify({ backup: ids[3] }));
    const { keep, removed } = await prune(on);
    expect(removed).toEqual([ids[2]]);
    expect(keep.at(-1)!.reasons).toEqual(["belongs to checkpoint release-1.4.2, which cannot be trusted"]);
  });

  test("the newest backup that a drill has proved", async () => {
    const { bench: on, ids } = await benchWith({}, [1, 2, 200, 201, 202]);
    const workplace = await openWorkplace(on.context);
    for (const [backup, verdict] of [[ids[2], "fail"], [ids[3], "pass"], [ids[4], "pass"]] as const) {
      await workplace.timeline.record({ action: "drill restore", subject: { database: "ehr", backup, drill: "drill-1", verdict }, outcome: verdict === "pass" ? "ok" : "failed", seconds: 1 });
    }
    await workplace.close();
    const { keep, removed } = await prune(on);
    expect(removed).toEqual([ids[2], ids[4]]);
    expect(keep.at(-1)!.reasons[0]).toMatch(/^the newest backup that a drill has proved/);
  });

  test("a held backup, until it is released; both stand in the timeline, and the record of the hold stays", async () => {
    const { bench: on, ids } = await benchWith({}, [1, 2, 200]);
    const id = ids[2]!;
    expect(await holdBackup(on.context, { id, reason: "litigation 17" })).toEqual({ id, database: "ehr", hold: { reason: "litigation 17", until: null }, lockedUntil: null });
    expect((await prune(on)).keep.at(-1)!.reasons).toEqual(["held until it is released: litigation 17"]);
    await releaseBackup(on.context, { id, reason: "settled" });
    expect((await prune(on)).removed).toEqual([id]);
    const told = (await readAudit(on.context, {})).filter(({ action }) => action.startsWith("backup "));
    expect(told.map(({ action, reason, subject }) => [action, reason, subject["backup"]])).toEqual([["backup hold", "litigation 17", id], ["backup release", "settled", id]]);
    expect(await readdir(join(on.folder, "repository", "ehr", "holds"))).toEqual([`${id}.json`]);
  });

  test("one that is held in the middle of the prune, just before its turn", async () => {
    const { bench: on, ids } = await benchWith({}, [1, 2, 200, 201]);
    // The hold waits for the prune's lock; what it must not wait for is simulated by a record that comes from elsewhere.
    const other = await bench(url);
    await cp(join(on.folder, "repository"), join(other.folder, "copy"), { recursive: true });
    const elsewhere = other.with({ config: { ...on.context.config, repository: { url: `file://${join(other.folder, "copy")}` } } });
    await holdBackup(elsewhere.context, { id: ids[3]!, reason: "just now" });
    const key = join("ehr", "holds", `${ids[3]!}.json`);
    on.listen((event) => {
      if (event.type === "note" && event.message.startsWith(`removed ${ids[2]!}`)) cpSync(join(other.folder, "copy", key), join(on.folder, "repository", key), { recursive: true });
    });
    const { removed, spared } = await prune(on);
    expect(removed).toEqual([ids[2]]);
    expect(spared).toEqual([{ id: ids[3], why: "it is held now: just now" }]);
    expect(await listed(on)).toEqual([ids[0], ids[1], ids[3]]);
  });
});

describe("holds", () => {
  test("one that is past, without a reason, of no backup or shorter than another is refused", async () => {
    const { bench: on, ids: [id = ""] } = await benchWith({}, [1]);
    await expect(holdBackup(on.context, { id, reason: "x", until: new Date(0) })).rejects.toMatchObject({ code: "usage", message: "the hold would end at 1970-01-01T00:00:00.000Z, which is past" });
    await expect(holdBackup(on.context, { id, reason: " " })).rejects.toMatchObject({ code: "usage" });
    await expect(holdBackup(on.context, { id: "latest", reason: "x" })).rejects.toMatchObject({ code: "usage", message: '"latest" is not the id of a backup' });
    await expect(holdBackup(on.context, { id: "ehr-20200101T000000Z-0000", reason: "x" })).rejects.toMatchObject({ code: "not-found" });
    await expect(releaseBackup(on.context, { id, reason: "x" })).rejects.toMatchObject({ code: "not-found", message: `no hold on ${id} is in force` });
    const [sooner, later] = [new Date(Date.now() + day), new Date(Date.now() + 9 * day)];
    await holdBackup(on.context, { id, reason: "audit", until: later });
    await expect(holdBackup(on.context, { id, reason: "x", until: sooner })).rejects.toMatchObject({ code: "refused" });
    await holdBackup(on.context, { id, reason: "for good" });
    await expect(holdBackup(on.context, { id, reason: "x", until: later })).rejects.toMatchObject({ code: "refused", message: expect.stringContaining("is held already, until it is released") as unknown });
  });

  test("without a signing key there is no hold", async () => {
    const { bench: on, ids: [id = ""] } = await benchWith({}, [1]);
    await expect(holdBackup({ ...on.context, config: { ...on.context.config, signingKeyFile: undefined } }, { id, reason: "x" })).rejects.toMatchObject({ code: "configuration" });
  });

  test("a hold does not come while a prune removes, and exits with the holder's name", async () => {
    const { bench: on, ids: [id = ""] } = await benchWith({}, [1]);
    const store = await storeOf(on);
    const lock = await acquireLock(store, lockKey("ehr", "prune"), { action: "prune", actor: on.context.actor, clock: on.context.clock });
    await expect(holdBackup(on.context, { id, reason: "x" })).rejects.toMatchObject({ code: "lock-held" });
    await lock.release();
    await holdBackup(on.context, { id, reason: "x" });
    await store.close();
  });
});

test("a prune waits for the lock of a backup that runs, or says who holds it", async () => {
  const { bench: on } = await benchWith({}, [1, 2, 200]);
  const store = await storeOf(on);
  const lock = await acquireLock(store, lockKey("ehr", "backup"), { action: "backup", actor: on.context.actor, clock: on.context.clock });
  await expect(prune(on)).rejects.toMatchObject({ code: "lock-held" });
  await lock.release();
  expect((await prune(on)).removed).toHaveLength(1);
  await store.close();
});

test("a repository without backups has nothing to prune", async () => {
  const { bench: on } = await benchWith({}, []);
  expect(await prune(on)).toMatchObject({ keep: [], remove: [], removed: [] });
  await rm(on.folder, { recursive: true });
});
