/** A repository that somebody left in disorder: each kind is made, found, named, and nothing else is. */
import { CreateMultipartUploadCommand, ListMultipartUploadsCommand, UploadPartCommand } from "@aws-sdk/client-s3";
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { mkdir, readFile, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";

import { readAudit } from "../../src/app/audit.ts";
import { type CheckOptions, checkRepository } from "../../src/app/repository/check-repository.ts";
import { openWorkplace } from "../../src/app/context.ts";
import type { CheckReport, Finding } from "../../src/app/repository/findings.ts";
import { openConfiguredStore } from "../../src/app/open-configured-store.ts";
import { verifyBackups } from "../../src/app/backup/verify-backup.ts";
import { writeKeySidecar } from "../../src/catalog/key-sidecar.ts";
import { backupKey, indexKey, lockKey } from "../../src/catalog/layout.ts";
import type { Manifest } from "../../src/catalog/manifest.ts";
import { publishManifest } from "../../src/catalog/publishing.ts";
import { openRepository, type Repository } from "../../src/catalog/repository.ts";
import { loadSigner, loadTrustedSigners, type Signer } from "../../src/catalog/signatures.ts";
import { listSummaries, refreshIndex } from "../../src/catalog/summaries.ts";
import { checkFailure, renderCheck } from "../../src/cli/check-view.ts";
import { acquireLock } from "../../src/lock/lease.ts";
import { encodeLock, readLock } from "../../src/lock/record.ts";
import type { Store } from "../../src/store/store.ts";
import { type Bench, bench } from "../harness/context.ts";
import { s3Missing, s3Server } from "../harness/s3.ts";
import { freshKeys, manifestOf } from "../unit/catalog/fixture.ts";

interface Scene {
  readonly bench: Bench;
  readonly store: Store;
  readonly repository: Repository;
  readonly signer: Signer;
  /** Two sound backups, and an index that knows them. */
  readonly backups: readonly Manifest[];
  readonly publish: (at: string, signer?: Signer) => Promise<Manifest>;
  /** Begins an upload and dies. */
  readonly abandonUpload: (key: string) => Promise<void>;
  /** Makes an object look as if it was last written years ago. @returns false where nobody can */
  readonly backdate: (key: string) => Promise<boolean>;
  readonly check: (options?: Partial<CheckOptions>) => Promise<CheckReport>;
}

const content = Buffer.from("not much");
const sha256 = createHash("sha256").update(content).digest("hex");
const parts = [
  { name: "schema", file: "schema.pgdump.zst.age", bytes: content.length, sha256, plainBytes: 9 },
  { name: "data", file: "data.pgdump.zst.age", bytes: content.length, sha256, plainBytes: 9 },
];

async function sceneOf(bench: Bench, { abandonUpload, backdate }: Pick<Scene, "abandonUpload" | "backdate">, graceMs = 0): Promise<Scene> {
  const { config } = bench.context;
  const store = await openConfiguredStore(config);
  onTestFinished(() => store.close());
  const own = loadSigner(await readFile(config.signingKeyFile!, "utf8"), "test");
  const repository = await openRepository(store, loadTrustedSigners(config.trustedSigners!, "test"));
  const publish = async (at: string, signer = own): Promise<Manifest> => {
    const manifest = manifestOf(at, { parts, signer: signer.id });
    for (const { file } of parts) await store.put(backupKey("ehr", manifest.id, file), content);
    await writeKeySidecar(store, manifest, manifest.encryption.recipient, Buffer.from(`key of ${manifest.id}`), signer);
    await publishManifest(store, manifest, signer);
    return manifest;
  };
  const backups = [await publish("2026-11-01T02:00:00Z"), await publish("2026-11-02T02:00:00Z")];
  await refreshIndex(repository, "ehr", own);
  const check = (options: Partial<CheckOptions> = {}): Promise<CheckReport> => checkRepository(bench.context, { level: "stat", repair: false, graceMs, ...options });
  return { bench, store, repository, signer: own, backups, publish, abandonUpload, backdate, check };
}

async function inFolder(): Promise<Scene> {
  const made = await bench("postgresql://nobody@127.0.0.1:1/none");
  return sceneOf(made, {
    abandonUpload: async (key) => {
      const file = join(made.folder, "repository", dirname(key), `.tmp-0123456789ab-${key.split("/").at(-1)!}`);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, "half");
    },
    backdate: async (key) => {
      await utimes(join(made.folder, "repository", key), new Date("2020-01-01"), new Date("2020-01-01"));
      return true;
    },
  });
}

async function inBucket(): Promise<Scene> {
  const server = await s3Server();
  process.env["AWS_ACCESS_KEY_ID"] = server.credentials.accessKeyId;
  process.env["AWS_SECRET_ACCESS_KEY"] = server.credentials.secretAccessKey;
  const bucket = await server.createBucket();
  const made = await bench("postgresql://nobody@127.0.0.1:1/none", { config: { repository: { url: server.location(bucket, "care") } } });
  const abandonUpload = async (key: string): Promise<void> => {
    const target = { Bucket: bucket, Key: `care/${key}` };
    const { UploadId } = await server.client.send(new CreateMultipartUploadCommand(target));
    await server.client.send(new UploadPartCommand({ ...target, UploadId, PartNumber: 1, Body: Buffer.alloc(1024) }));
    expect((await server.client.send(new ListMultipartUploadsCommand({ Bucket: bucket }))).Uploads).toHaveLength(1);
  };
  // The server's clock counts whole seconds, its objects' times do not.
  return sceneOf(made, { abandonUpload, backdate: () => Promise.resolve(false) }, -2_000);
}

const found = (findings: readonly Finding[]): string[] => findings.map(({ severity, kind, key }) => `${severity} ${kind} ${key}`).sort();
const id = (number: number): string => `ehr-20261010T0200${String(number).padStart(2, "0")}Z-0001`;
const at = (number: number, file: string): string => backupKey("ehr", id(number), file);

async function keysIn(store: Store): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list("")) if (!key.startsWith("timeline/") && !key.includes("/locks/")) keys.push(key);
  return keys;
}

const expired = (database: string) => encodeLock({ format: 1, holder: "dead", host: "db9", user: "postgres", pid: 9, action: "backup", since: "2020-01-01T00:00:00.000Z", expires: "2020-01-01T00:02:00.000Z", fence: 41, released: null, ...(database === "" && { holder: "" }) });

/** Makes one of each kind of garbage. @returns what a check has to say of it */
async function litter({ store, abandonUpload }: Scene): Promise<string[]> {
  for (const key of [at(1, "data.pgdump.zst.age"), at(1, "schema.pgdump.zst.age"), at(2, "data.pgdump.zst.age"), at(2, "key.age"), at(2, "key.age.sig"), at(3, "key.age"), at(3, "key.age.sig"), at(4, "manifest.json.sig")]) {
    await store.put(key, content);
  }
  await abandonUpload(at(5, "data.pgdump.zst.age"));
  await store.put(lockKey("ehr", "backup"), expired("ehr"));
  await store.put(lockKey("ehr", "prune"), Buffer.from("rubbish"));
  await store.put(indexKey("ehr"), Buffer.from("rubbish"));
  await store.put("probe/locks/0123456789ab/object", content);
  return [
    `garbage unfinished-backup ehr/backups/${id(1)}/`, `garbage unfinished-backup ehr/backups/${id(2)}/`, `garbage orphaned-key ehr/backups/${id(3)}/`, `garbage orphaned-signature ehr/backups/${id(4)}/`,
    `garbage stale-upload ${at(5, "data.pgdump.zst.age")}`, `garbage expired-lock ${lockKey("ehr", "backup")}`, `garbage unreadable-lock ${lockKey("ehr", "prune")}`, `garbage unusable-index ${indexKey("ehr")}`,
    "garbage stale-probe probe/locks/0123456789ab/object",
  ].sort();
}

/** A message that was changed in the timeline, one of each kind of damage. @returns what a check has to say of it */
async function ruin(scene: Scene): Promise<string[]> {
  const { store, publish } = scene;
  const stranger = freshKeys().signer;
  const day = async (number: number, signer?: Signer): Promise<string> => (await publish(`2026-10-${String(number).padStart(2, "0")}T02:00:00Z`, signer)).id;
  const victims = { missing: await day(1), short: await day(2), unsigned: await day(3), stranger: await day(4, stranger), changed: await day(5), moved: await day(6), keyless: await day(7), swapped: await day(8), extra: await day(9), lost: await day(10) };
  const file = (backup: string, name: string): string => backupKey("ehr", backup, name);
  await store.delete(file(victims.missing, "data.pgdump.zst.age"));
  await store.put(file(victims.short, "data.pgdump.zst.age"), content.subarray(1));
  await store.delete(file(victims.unsigned, "manifest.json.sig"));
  const manifest = (await store.get(file(victims.changed, "manifest.json")))!.bytes.toString();
  await store.put(file(victims.changed, "manifest.json"), Buffer.from(manifest.replace('"db1"', '"db2"')));
  const moved = "ehr-20260909T020000Z-0001";
  for (const name of ["manifest.json", "manifest.json.sig"]) await store.put(file(moved, name), (await store.get(file(victims.moved, name)))!.bytes);
  await store.delete(file(victims.keyless, "key.age"));
  await store.put(file(victims.swapped, "key.age"), Buffer.from("another"));
  await store.put(file(victims.extra, "more.sql.zst.age"), content);
  await store.put(file(victims.extra, "notes.txt"), content);
  await store.put("somebody's.txt", content);
  await store.delete(file(victims.lost, "manifest.json"));
  return [
    `damage missing-part ${file(victims.missing, "data.pgdump.zst.age")}`, `damage wrong-size ${file(victims.short, "data.pgdump.zst.age")}`, `damage unsigned-manifest ${file(victims.unsigned, "manifest.json")}`,
    `damage strangers-manifest ${file(victims.stranger, "manifest.json")}`, `damage changed-manifest ${file(victims.changed, "manifest.json")}`, `damage misplaced-manifest ${file(moved, "manifest.json")}`,
    `damage missing-key ${file(victims.keyless, "key.age")}`, `damage wrong-key ${file(victims.swapped, "key.age")}`, `damage foreign-object ${file(victims.extra, "more.sql.zst.age")}`,
    `damage foreign-object ${file(victims.extra, "notes.txt")}`, "damage foreign-object somebody's.txt",
    // Nothing tells this one from a run that was killed just before it published: see the test of a recorded one.
    `garbage unfinished-backup ehr/backups/${victims.lost}/`,
    `note outdated-index ${indexKey("ehr")}`,
  ].sort();
}

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
