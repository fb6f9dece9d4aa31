/** What a check of a repository leaves alone, and what it tells of itself. */
import { writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";

import { readAudit } from "../../src/app/audit.ts";
import { checkRepository } from "../../src/app/repository/check-repository.ts";
import { backupKey, indexKey, lockKey } from "../../src/catalog/layout.ts";
import { checkFailure, renderCheck } from "../../src/cli/check-view.ts";
import { acquireLock } from "../../src/lock/lease.ts";
import { bench } from "../harness/context.ts";
import { at, content, found, id, inFolder, litter } from "./checked-repository.ts";

test("garbage is left in peace for as long as it is young", async () => {
  const scene = await inFolder();
  const { bench: made } = scene;
  await litter(scene);
  // The clock of the host, since a folder has none of its own.
  const later = (hours: number) => made.with({ clock: { now: () => new Date(Date.now() + hours * 3_600_000) } }).context;
  const options = { level: "stat", repair: true, graceMs: 86_400_000 } as const;
  const young = await checkRepository(later(23), options);
  expect(found(young.findings)).toEqual([`garbage expired-lock ${lockKey("ehr", "backup")}`, `garbage unusable-index ${indexKey("ehr")}`]);
  const old = await checkRepository(later(25), options);
  expect(found(old.findings)).toHaveLength(7);
  expect(old.clean).toBe(true);
});

test("garbage beside a lock that is held is named with the holder and left", async () => {
  const { check, store, bench: made } = await inFolder();
  await store.put(at(1, "data.pgdump.zst.age"), content);
  const later = { now: () => new Date(Date.now() + 3_600_000) };
  const lock = await acquireLock(store, lockKey("ehr", "backup"), { action: "backup", actor: { user: "u", host: "db1" }, clock: later });
  const report = await checkRepository(made.with({ clock: later }).context, { level: "stat", repair: true, graceMs: 0 });
  expect(report.findings).toMatchObject([{ kind: "unfinished-backup", repaired: false, unrepaired: expect.stringContaining("held by backup on db1") as string }]);
  expect(report.clean).toBe(false);
  expect(await store.head(at(1, "data.pgdump.zst.age"))).toBeDefined();
  await lock.release();
  expect((await check({ repair: true })).clean).toBe(true);
  expect(await store.head(at(1, "data.pgdump.zst.age"))).toBeUndefined();
});

test("what becomes a backup between the finding and the removal stays", async () => {
  const { check, store, bench: made, publish } = await inFolder();
  const whole = await publish("2026-10-01T02:00:00Z");
  const manifest = await readFile(join(made.folder, "repository", "ehr", "backups", whole.id, "manifest.json"));
  await store.delete(backupKey("ehr", whole.id, "manifest.json"));
  made.listen((event) => {
    if (event.type === "step-started" && event.step === "repair") writeFileSync(join(made.folder, "repository", "ehr", "backups", whole.id, "manifest.json"), manifest);
  });
  const report = await check({ repair: true });
  expect(report.findings).toMatchObject([{ kind: "unfinished-backup", repaired: false }]);
  expect(found((await check()).findings)).toEqual([`note outdated-index ${indexKey("ehr")}`]);
});

test("a gap in the timeline and a foreign object in it are damage", async () => {
  const { check, store } = await inFolder();
  await check();
  await check();
  const [first] = await (async () => { const keys: string[] = []; for await (const { key } of store.list("timeline/")) keys.push(key); return keys; })();
  await store.delete(first!.replace("0000000001", "0000000002"));
  await store.put("timeline/2026/notes.txt", content);
  const report = await check();
  expect(report.findings.filter(({ kind }) => kind === "timeline").length).toBeGreaterThanOrEqual(2);
  expect(checkFailure(report)?.exitCode).toBe(17);
});

test("a repository without a backup proves nothing", async () => {
  const made = await bench("postgresql://nobody@127.0.0.1:1/none");
  const report = await checkRepository(made.context, { level: "stat", repair: false, graceMs: 0 });
  expect(report).toMatchObject({ clean: false, findings: [] });
  expect(checkFailure(report)?.exitCode).toBe(16);
  expect(renderCheck(report)).toContain("no backup was there to be checked");
});

test("whoever trusts nobody is told so, and a database that is not there is named", async () => {
  const { bench: made, check } = await inFolder();
  await expect(check({ database: "portal" })).rejects.toMatchObject({ code: "not-found", message: expect.stringContaining("portal") as string });
  const { config } = made.context;
  await expect(checkRepository(made.with({ config: { ...config, signingKeyFile: undefined, trustedSigners: undefined } }).context, { level: "stat", repair: false, graceMs: 0 })).rejects.toMatchObject({ code: "configuration" });
  expect((await check({ database: "ehr" })).checked).toMatchObject({ backups: 2, entries: null });
});

test("every removal stands in the timeline, and so does a check that found damage", async () => {
  const { check, store, bench: { context } } = await inFolder();
  await store.put(at(1, "data.pgdump.zst.age"), content);
  await check({ repair: true });
  await store.put("somebody's.txt", content);
  await check();
  const entries = (await readAudit(context, {})).map(({ action, outcome, code, subject }) => ({ action, outcome, code, subject }));
  expect(entries).toContainEqual({ action: "repository repair", outcome: "ok", code: null, subject: { database: "ehr", backup: id(1) } });
  expect(entries.at(-1)).toEqual({ action: "repository check", outcome: "failed", code: "integrity", subject: {} });
});
