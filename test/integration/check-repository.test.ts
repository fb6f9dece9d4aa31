/** A repository that somebody left in disorder: each kind is made, found, named, and nothing else is. */
import { describe, expect, onTestFinished, test } from "vitest";

import { openWorkplace } from "../../src/app/context.ts";
import { verifyBackups } from "../../src/app/backup/verify-backup.ts";
import { backupKey, lockKey } from "../../src/catalog/layout.ts";
import { listSummaries } from "../../src/catalog/summaries.ts";
import { checkFailure, renderCheck } from "../../src/cli/check-view.ts";
import { acquireLock } from "../../src/lock/lease.ts";
import { readLock } from "../../src/lock/record.ts";
import { s3Missing } from "../harness/s3.ts";
import { at, content, found, id, inBucket, inFolder, keysIn, litter, ruin } from "./checked-repository.ts";

const missing = s3Missing();

describe.each([["a folder", inFolder], ["a bucket", inBucket]] as const)("in %s", (place, open) => {
  const skipped = place === "a bucket" && missing !== undefined;
  if (skipped) {
    test.skip(`not tried: ${missing}`, () => undefined);
    return;
  }

  test("a sound repository is clean, and nothing in it is named", async () => {
    const { check } = await open();
    const report = await check({ level: "hash", repair: true });
    expect(found(report.findings)).toEqual([]);
    expect(report.clean).toBe(true);
    expect(report.checked).toMatchObject({ databases: ["ehr"], backups: 2, parts: 4, drills: 0, entries: 1 });
    expect(checkFailure(report)).toBeUndefined();
    expect(renderCheck(report)).toContain("clean");
  });

  test("each kind of garbage is found, and nothing else; a repair removes it and leaves the backups as they were", async () => {
    const scene = await open();
    const { check, store, bench: { context }, repository, backups } = scene;
    const sound = await keysIn(store);
    const expected = await litter(scene);
    const littered = await keysIn(store);

    const first = await check();
    expect(found(first.findings)).toEqual(expected);
    expect(first.clean).toBe(false);
    expect(checkFailure(first)).toBeUndefined();
    expect(await keysIn(store)).toEqual(littered);

    const repaired = await check({ repair: true });
    expect(found(repaired.findings)).toEqual(expected);
    // What cannot be read counts as held for a lease from its last change.
    const held = (await scene.backdate(lockKey("ehr", "prune"))) ? [] : [`garbage unreadable-lock ${lockKey("ehr", "prune")}`];
    expect(found(repaired.findings.filter((finding) => finding.repaired !== true))).toEqual([`garbage unreadable-lock ${lockKey("ehr", "prune")}`]);
    if (held.length === 0) expect(await check({ repair: true })).toMatchObject({ clean: true, findings: [{ kind: "unreadable-lock", repaired: true }] });
    expect(await keysIn(store)).toEqual(sound);
    expect((await readLock(store, lockKey("ehr", "backup")))?.record).toMatchObject({ fence: 42 + (held.length === 0 ? 1 : 0), released: expect.any(String) as string });

    expect(found((await check()).findings)).toEqual(held);
    expect((await verifyBackups(context, { database: "ehr", choice: "all", level: "hash" })).map(({ id: verified, ok }) => [verified, ok])).toEqual(backups.map((backup) => [backup.id, true]).reverse());
    expect(await listSummaries(repository, "ehr")).toMatchObject({ fetched: 0, indexProblem: undefined });
  });

  test("each kind of damage is found, and nothing else; a repair leaves it alone", async () => {
    const scene = await open();
    const { check, store } = scene;
    const expected = await ruin(scene);
    const report = await check({ level: "hash" });
    expect(found(report.findings)).toEqual(expected);
    expect(report.clean).toBe(false);
    expect(checkFailure(report)?.exitCode).toBe(17);
    const ruined = await keysIn(store);
    const repaired = await check({ repair: true, level: "hash" });
    expect(found(repaired.findings)).toEqual(expected);
    expect(checkFailure(repaired)?.code).toBe("integrity");
    expect((await keysIn(store)).sort()).toEqual(ruined.filter((key) => !repaired.findings.some((finding) => finding.severity === "garbage" && key.startsWith(finding.key))).sort());
    expect(found((await check({ level: "hash" })).findings)).toEqual(expected.filter((line) => line.startsWith("damage")));
  });

  test("a part of the right size and the wrong content is found by its hash only", async () => {
    const { check, store, backups } = await open();
    const key = backupKey("ehr", backups[0]!.id, "data.pgdump.zst.age");
    await store.put(key, Buffer.from("not muck"));
    expect(found((await check({ level: "stat" })).findings)).toEqual([]);
    expect(found((await check({ level: "hash" })).findings)).toEqual([`damage wrong-hash ${key}`]);
  });

  test("a published backup that lost its manifest is damage, unless its removal was announced", async () => {
    const { check, store, backups, bench: { context } } = await open();
    const workplace = await openWorkplace(context);
    onTestFinished(() => workplace.close());
    const lost = backups[0]!;
    await workplace.timeline.record({ action: "backup", subject: { database: "ehr", backup: lost.id }, outcome: "ok", seconds: 1 });
    await store.delete(backupKey("ehr", lost.id, "manifest.json"));
    const folder = `ehr/backups/${lost.id}/`;
    const report = await check({ repair: true });
    expect(found(report.findings)).toContain(`damage lost-manifest ${folder}`);
    expect(await store.head(`${folder}data.pgdump.zst.age`)).toBeDefined();
    await workplace.timeline.record({ action: "prune", subject: { database: "ehr", keep: "1", remove: "1" }, outcome: "ok", message: `remove ${lost.id} (too old), keep ${backups[1]!.id} (newest)`, seconds: 0 });
    expect(found((await check()).findings)).toContain(`garbage unfinished-backup ${folder}`);
    await check({ repair: true });
    expect(await store.head(`${folder}data.pgdump.zst.age`)).toBeUndefined();
  });

  test("what a running backup writes is left alone, and so is garbage beside it", async () => {
    const { check, store, bench: { context } } = await open();
    await store.put(at(1, "data.pgdump.zst.age"), content);
    const lock = await acquireLock(store, lockKey("ehr", "backup"), { action: "backup", actor: { user: "u", host: "db1" }, clock: context.clock });
    await store.put(at(2, "data.pgdump.zst.age"), content);
    const report = await check({ repair: true });
    expect(report.findings.filter(({ repaired }) => repaired === true)).toEqual([]);
    expect(found(report.findings)).toContain(`note being-written ehr/backups/${id(2)}/`);
    expect(await store.head(at(1, "data.pgdump.zst.age"))).toBeDefined();
    expect(await store.head(at(2, "data.pgdump.zst.age"))).toBeDefined();
    await lock.assertHeld();
    await lock.release();
    expect(found((await check({ repair: true })).findings)).toEqual([`garbage unfinished-backup ehr/backups/${id(1)}/`, `garbage unfinished-backup ehr/backups/${id(2)}/`]);
    expect(await store.head(at(2, "data.pgdump.zst.age"))).toBeUndefined();
  });
});
