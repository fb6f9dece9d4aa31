/** How long checkpoints keep their backups, and what a check of the repository and a shredding say of it. */
import { randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

import { pruneBackups } from "../../../src/app/backup/prune-backups.ts";
import { manifestSha256 } from "../../../src/app/checkpoint/bound-backup.ts";
import { openWorkplace, requireSigner } from "../../../src/app/context.ts";
import { shredBackup } from "../../../src/app/keys/shred-backup.ts";
import { checkRepository } from "../../../src/app/repository/check-repository.ts";
import { readManifest, readSignedManifest } from "../../../src/catalog/authenticity.ts";
import { generateSigningKey, loadSigner } from "../../../src/catalog/signatures.ts";
import { identifier } from "../../../src/postgres/session.ts";
import type { Checkpoint } from "../../../src/rollback/checkpoint/checkpoint.ts";
import { publishCheckpoint, publishDeployed } from "../../../src/rollback/checkpoint/records.ts";
import { history, retentionOf } from "../../harness/backups.ts";
import { type Bench, bench, containing } from "../../harness/context.ts";
import { dropDatabase, runSql, urlOf, withSession } from "../../harness/postgres.ts";
import { checkpointOf, deployedOf } from "../../unit/rollback/checkpoint-fixture.ts";

const day = 86_400_000;
const database = `t_${randomBytes(5).toString("hex")}`;
const url = urlOf(database);

beforeAll(async () => {
  await withSession("postgres", (admin) => admin.execute(`CREATE DATABASE ${identifier(database)}`));
  await runSql(database, "CREATE TABLE people (id int PRIMARY KEY); INSERT INTO people VALUES (1)");
});
afterAll(() => dropDatabase(database));

interface Scene {
  readonly on: Bench;
  /** Of the backups, in the order of their ages. */
  readonly ids: readonly string[];
  readonly checkpoints: readonly Checkpoint[];
}

/** Backups as many days old as said, each with a checkpoint of the same day; a policy that by itself keeps the newest one only. */
async function scene(ages: readonly number[], checkpointed = ages): Promise<Scene> {
  const on = await bench(url, { database: { retention: retentionOf({ keepLast: 1, minimumAgeMs: 0 }) } });
  const ids = await history(on, ages.map((age) => age * day));
  const workplace = await openWorkplace(on.context);
  const signer = await requireSigner(on.context.config, "checkpoint");
  const checkpoints: Checkpoint[] = [];
  for (const [n, age] of ages.entries()) {
    if (!checkpointed.includes(age)) continue;
    const signed = (await readSignedManifest(workplace.repository, "ehr", ids[n]!))!;
    const at = new Date(Date.now() - age * day).toISOString();
    const checkpoint = checkpointOf(`2.${100 - n}`, `2.${99 - n}`, at, { backup: { id: ids[n]!, snapshotAt: signed.manifest.snapshotAt, manifestSha256: manifestSha256(signed), reused: false } });
    await publishCheckpoint(workplace.repository, checkpoint, signer);
    checkpoints.push(checkpoint);
  }
  await workplace.close();
  return { on, ids, checkpoints };
}

const kept = async ({ on }: Scene) => new Map((await pruneBackups(on.context, { dryRun: true })).keep.map(({ id, reasons }) => [id, reasons]));
const check = ({ on }: Scene) => checkRepository(on.context, { level: "stat", repair: false, graceMs: 0 });
const aboutCheckpoints = async (there: Scene) => (await check(there)).findings.filter(({ kind }) => kind.startsWith("checkpoint"));

test("a checkpoint keeps its backup while it is young or among the newest five, and no longer", async () => {
  const there = await scene([1, 50, 89, 100, 110, 120, 130]);
  const keep = await kept(there);
  expect([...keep.keys()]).toEqual(there.ids.slice(0, 5));
  expect(keep.get(there.ids[4]!)).toEqual([`belongs to checkpoint ${there.checkpoints[4]!.id}`]);
});

test("more than five keep theirs while they are younger than 90 days", async () => {
  const there = await scene([1, 10, 20, 30, 40, 50, 60, 91]);
  expect([...(await kept(there)).keys()]).toEqual(there.ids.slice(0, 7));
});

test("what is deployed beside a checkpoint, a signature and a stranger's checkpoint take no place among the five", async () => {
  const there = await scene([1, 100, 110, 120, 130], [100, 110, 120, 130]);
  const workplace = await openWorkplace(there.on.context);
  const signer = await requireSigner(there.on.context.config, "checkpoint");
  for (let n = 0; n < 6; n += 1) await publishDeployed(workplace.repository, deployedOf(there.checkpoints[0]!, new Date(Date.now() - n * 60_000).toISOString(), { problems: [`see ${there.ids[4]!}`] }), signer);
  for (let n = 0; n < 6; n += 1) await publishCheckpoint(workplace.repository, checkpointOf("9.9", "9.8", new Date(Date.now() + n * 60_000).toISOString()), loadSigner(generateSigningKey().privateKeyPem, "a stranger"));
  await workplace.close();
  const keep = await kept(there);
  expect([...keep.keys()]).toEqual(there.ids);
  expect(keep.get(there.ids[4]!)).toEqual([`belongs to checkpoint ${there.checkpoints[3]!.id}`]);
});

test("a prune removes nothing that a checkpoint needs, and afterwards the check finds nothing amiss", async () => {
  const there = await scene([1, 100, 110, 120, 130, 140]);
  expect((await pruneBackups(there.on.context, { dryRun: false })).removed).toEqual([there.ids[5]]);
  const [finding, ...more] = await aboutCheckpoints(there);
  expect([finding, more]).toEqual([expect.objectContaining({ kind: "checkpoint-backup", severity: "note", backup: there.ids[5] }), []]);
  expect((await check(there)).clean).toBe(true);
});

test("a checkpoint whose backup is gone though it must not be is damage", async () => {
  const there = await scene([1, 20]);
  await rm(join(there.on.folder, "repository", "ehr", "backups", there.ids[1]!), { recursive: true });
  expect(await aboutCheckpoints(there)).toEqual([expect.objectContaining({ kind: "checkpoint-backup", severity: "damage", backup: there.ids[1], detail: `it goes back to a backup that is gone: backup ${there.ids[1]!} is not in the repository any more` })]);
});

test("a checkpoint whose backup was made again under the same id is damage", async () => {
  const there = await scene([1, 20]);
  const workplace = await openWorkplace(there.on.context);
  const manifest = (await readManifest(workplace.repository, "ehr", there.ids[1]!))!;
  await workplace.close();
  await there.on.republish(manifest, (same) => ({ ...same, reason: "another" }));
  expect(await aboutCheckpoints(there)).toEqual([expect.objectContaining({ kind: "checkpoint-backup", severity: "damage", detail: containing("another manifest of") })]);
});

test("a checkpoint, or a look at a deploy, that was changed or signed by a stranger is damage", async () => {
  const there = await scene([1, 20]);
  const workplace = await openWorkplace(there.on.context);
  await publishDeployed(workplace.repository, deployedOf(there.checkpoints[1]!, "2026-11-20T02:10:00Z"), loadSigner(generateSigningKey().privateKeyPem, "a stranger"));
  await workplace.close();
  const folder = join(there.on.folder, "repository", "ehr", "checkpoints");
  const file = join(folder, `${there.checkpoints[0]!.id}.json`);
  expect(await readdir(folder)).toHaveLength(6);
  await writeFile(file, (await readFile(file, "utf8")).replace('"2.99"', '"2.98"'));
  expect((await aboutCheckpoints(there)).map(({ kind, severity, key }) => [kind, severity, key])).toEqual([
    ["checkpoint", "damage", `ehr/checkpoints/${there.checkpoints[1]!.id}.deployed-20261120T021000Z.json`],
    ["checkpoint", "damage", `ehr/checkpoints/${there.checkpoints[0]!.id}.json`],
  ].toSorted(([, , a], [, , b]) => a!.localeCompare(b!)));
});

test("what is no checkpoint keeps the backups that it names, and the check names it", async () => {
  const there = await scene([1, 200], []);
  await mkdir(join(there.on.folder, "repository", "ehr", "checkpoints"));
  await writeFile(join(there.on.folder, "repository", "ehr", "checkpoints", "old.json"), JSON.stringify({ backup: there.ids[1] }));
  expect((await kept(there)).get(there.ids[1]!)).toEqual(["belongs to checkpoint old, which cannot be trusted"]);
  expect(await aboutCheckpoints(there)).toEqual([expect.objectContaining({ kind: "checkpoint", severity: "damage", key: "ehr/checkpoints/old.json" })]);
});

test("a backup that a checkpoint goes back to is shredded only when that is spelled out, and the checkpoint then says so", async () => {
  const there = await scene([1, 20], [20]);
  const id = there.ids[1]!;
  const what = `the backup of checkpoint ${there.checkpoints[0]!.id}`;
  await expect(shredBackup(there.on.context, { id, confirm: id })).rejects.toMatchObject({ code: "refused", message: containing(`${id}, ${what} of ehr, and nobody can open it again`) });
  await shredBackup(there.on.context, { id, confirm: `${id} is ${what}` });
  expect(await aboutCheckpoints(there)).toEqual([expect.objectContaining({ kind: "checkpoint-backup", severity: "note", detail: containing("a backup that is shredded") })]);
});
