/** Crypto-shredding as an auditor wants it: nothing opens, and the record stays. */
import { DeleteObjectCommand, ListObjectVersionsCommand, PutBucketVersioningCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { execa } from "execa";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";

import { shredBackup } from "../../src/app/keys/shred-backup.ts";
import { proveShredded } from "../../src/app/keys/shred-proof.ts";
import { openRepository } from "../../src/catalog/repository.ts";
import { readShredRecord } from "../../src/catalog/shredded.ts";
import { loadTrustedSigners } from "../../src/catalog/signatures.ts";
import { generateIdentity, recipientOf } from "../../src/pipeline/age-keys.ts";
import { sealBytes } from "../../src/pipeline/encrypt.ts";
import { openStore } from "../../src/store/open.ts";
import { lastEntry } from "../faults/leftovers.ts";
import { type BucketBench, contextOf, useScene } from "../faults/scene.ts";
import { s3Missing, s3Server } from "../harness/s3.ts";

const scene = useScene();

test("a shredded backup is not listed, verified, shown or restored any more, and each of them says why; its record stays", async () => {
  const bench = await scene().bench();
  const { id } = scene().backup;
  const folder = join(bench.repository, "ehr", "backups", id);
  const key = await readFile(join(folder, "key.age"));
  await bench.ok("backup", "--quiet");
  const unconfirmed = await bench.run("backup", "shred", id);
  expect([unconfirmed.code, unconfirmed.stderr]).toEqual([19, expect.stringContaining(`Confirm with --confirm ${id}.`)]);
  expect((await bench.run("backup", "shred", id, "--confirm", "latest")).code).toBe(19);
  expect(await readFile(join(folder, "key.age"))).toEqual(key);

  const shred = (await bench.ok("backup", "shred", id, "--confirm", id, "--reason", "erasure request 17", "--json")).json<object>();
  expect(shred).toMatchObject({ id, database: "ehr", reason: "erasure request 17", destroyed: 2, identities: 1, closedParts: ["globals", "database", "catalog", "schema", "data"] });
  expect(await lastEntry(bench)).toMatchObject({ action: "backup shred", outcome: "ok", reason: "erasure request 17", subject: { database: "ehr", backup: id, destroyed: "2" } });
  const listed = await bench.ok("backup", "list", "--json");
  expect(listed.json<{ id: string }[]>().map((one) => one.id)).not.toContain(id);
  expect(listed.stderr).toContain(`backup ${id} was shredded on`);
  for (const args of [["backup", "show", id], ["backup", "verify", id], ["restore", id, "--into", `${scene().database}_copy`]]) {
    expect(await bench.run(...args)).toMatchObject({ code: 16, stderr: expect.stringMatching(/was shredded on \S+ by \S+ on \S+ \(erasure request 17\): its key was destroyed, and nobody can open it/) as string });
  }
  await bench.ok("backup", "verify", "--all");
  for (const part of ["data.pgdump.zst.age", "globals.sql.zst.age"]) {
    expect((await execa("age", ["-d", "-i", bench.env["HOLDFAST_IDENTITY_FILE"]!, "-o", "/dev/null", join(folder, part)], { reject: false })).exitCode).not.toBe(0);
  }

  const again = (await bench.ok("backup", "shred", id, "--confirm", id, "--json")).json<object>();
  expect(again).toMatchObject({ id, reason: "erasure request 17", destroyed: 0 });
  await bench.ok("backup", "--quiet");
  expect(await bench.place.list()).not.toContainEqual(expect.stringContaining(`backups/${id}`));
  expect(await bench.place.list()).toContain(`ehr/shredded/${id}.json`);
}, 240_000);

test("somebody who puts the key or the manifest back is contradicted by the record", async () => {
  const bench = await scene().bench();
  const { id } = scene().backup;
  const folder = join(bench.repository, "ehr", "backups", id);
  const manifest = [await readFile(join(folder, "manifest.json")), await readFile(join(folder, "manifest.json.sig"))];
  await bench.ok("backup", "--quiet");
  await bench.ok("backup", "shred", id, "--confirm", id);
  await writeFile(join(folder, "manifest.json"), manifest[0]!);
  await writeFile(join(folder, "manifest.json.sig"), manifest[1]!);
  expect(await bench.run("backup", "verify", id)).toMatchObject({ code: 17, stderr: expect.stringContaining("key.age is missing: the backup was shredded on") as string });
  const record = join(bench.repository, "ehr", "shredded", `${id}.json`);
  await rm(join(folder, "manifest.json"));
  await writeFile(record, (await readFile(record, "utf8")).replace("ehr-", "crm-"));
  expect(await bench.run("backup", "show", id)).toMatchObject({ code: 17, stderr: expect.stringContaining("was changed, or a stranger signed it") as string });
});

test("the last backup, and the last proved one, are only shredded when that is spelled out; a held one not at all", async () => {
  const bench = await scene().bench();
  const { id } = scene().backup;
  const last = await bench.run("backup", "shred", id, "--confirm", id);
  expect([last.code, last.stderr]).toEqual([19, expect.stringContaining(`Confirm with --confirm '${id} is the last backup'.`)]);
  await bench.ok("backup", "verify", id);
  await bench.ok("backup", "--quiet");
  const proved = await bench.run("backup", "shred", id, "--confirm", id);
  expect([proved.code, proved.stderr]).toEqual([19, expect.stringContaining(`Confirm with --confirm '${id} is the last proved backup'.`)]);
  await bench.ok("backup", "hold", id, "--reason", "litigation 4");
  const held = await bench.run("backup", "shred", id, "--confirm", `${id} is the last proved backup`);
  expect([held.code, held.stderr]).toEqual([19, expect.stringContaining(`backup ${id} is held until it is released (litigation 4)`)]);
  await bench.ok("backup", "release", id, "--reason", "settled");
  await bench.ok("backup", "shred", id, "--confirm", `${id} is the last proved backup`);
}, 240_000);

test("a wrong id is 2, one that is not there 16, and without a signing key there is no record and no shredding", async () => {
  const bench = await scene().bench();
  expect((await bench.run("backup", "shred", "latest", "--confirm", "latest")).code).toBe(2);
  expect((await bench.run("backup", "shred", "ehr-20200101T000000Z-0000", "--confirm", "x")).code).toBe(16);
  delete bench.env["HOLDFAST_SIGNING_KEY_FILE"];
  expect((await bench.run("backup", "shred", scene().backup.id, "--confirm", scene().backup.id)).code).toBe(10);
});

test("the proof fails when a key is left, and when a part opens with an identity at hand", async () => {
  const bench = await scene().bench();
  const { id } = scene().backup;
  await bench.ok("backup", "--quiet");
  await bench.ok("backup", "shred", id, "--confirm", id);
  const store = await openStore(bench.env["HOLDFAST_REPOSITORY"]!);
  const repository = await openRepository(store, loadTrustedSigners(await readFile(bench.env["HOLDFAST_TRUSTED_SIGNERS"]!, "utf8"), "a test"));
  const record = (await readShredRecord(repository, "ehr", id))!;
  const { identity } = await generateIdentity();
  const key = `ehr/backups/${id}/key.age`;
  expect(await proveShredded(repository, record, [identity], [key])).toHaveLength(5);
  await store.put(`ehr/backups/${id}/globals.sql.zst.age`, await sealBytes(Buffer.from("in clear"), [await recipientOf(identity)]));
  await expect(proveShredded(repository, record, [identity], [key])).rejects.toMatchObject({ code: "integrity", message: expect.stringContaining("still opens with an identity at hand") as string });
  await store.put(key, Buffer.from("left"));
  await expect(proveShredded(repository, record, [], [key])).rejects.toMatchObject({ code: "integrity", message: expect.stringContaining("the store still shows 1 version of it") as string });
});

const missing = s3Missing();
if (missing !== undefined) {
  test.skip(`buckets with versions and with object lock (${missing})`);
} else {
  const versionsOf = async ({ place }: BucketBench, part: string): Promise<string[]> => {
    const { Versions: versions = [], DeleteMarkers: marks = [] } = await (await s3Server()).client.send(new ListObjectVersionsCommand({ Bucket: place.bucket }));
    return [...versions, ...marks].map(({ Key: key = "" }) => key).filter((key) => key.includes(part));
  };

  test("in a bucket with versions a rewrap tells what is left of the old keys, and a shredding leaves no version of any", async () => {
    const bench = await scene().bucketBench({ HOLDFAST_REPOSITORY_REQUEST_TIMEOUT: "20s" }, { repository: "none" });
    const { client } = await s3Server();
    await client.send(new PutBucketVersioningCommand({ Bucket: bench.place.bucket, VersioningConfiguration: { Status: "Enabled" } }));
    await bench.ok("repository", "init");
    const { id } = (await bench.ok("backup", "--json")).json<{ id: string }>();
    await bench.ok("backup");
    const [first, second] = [await generateIdentity(), await generateIdentity()];
    await bench.ok("keys", "rewrap", "--add", first.recipient);
    const rewrapped = await bench.ok("keys", "rewrap", "--add", second.recipient, "--remove", first.recipient);
    expect(rewrapped.stdout).toContain("the bucket keeps 4 earlier versions of these keys");
    await bench.ok("keys", "check");
    // A deletion mark before them hides versions from everyone who does not look for them.
    await client.send(new DeleteObjectCommand({ Bucket: bench.place.bucket, Key: `clinic/nightly/ehr/backups/${id}/key.json` }));
    expect((await versionsOf(bench, `${id}/key`)).length).toBeGreaterThan(8);
    const shred = (await bench.ok("backup", "shred", id, "--confirm", id, "--json")).json<object>();
    expect(shred).toMatchObject({ destroyed: 8, closedParts: { length: 5 } });
    expect(await versionsOf(bench, `${id}/key`)).toEqual([]);
    await bench.ok("backup", "verify", "--all", "--level", "archive");
    await client.send(new PutObjectCommand({ Bucket: bench.place.bucket, Key: `clinic/nightly/ehr/backups/${id}/key.age`, Body: "back" }));
    const { context } = await contextOf(bench);
    expect(await shredBackup(context, { id, confirm: id })).toMatchObject({ destroyed: 1 });
    expect(await versionsOf(bench, `${id}/key`)).toEqual([]);
  }, 240_000);

  test("under object lock a shredding is refused with the time when it will be possible, and nothing is changed", async () => {
    const lock = { HOLDFAST_REPOSITORY_OBJECT_LOCK_MODE: "GOVERNANCE", HOLDFAST_REPOSITORY_OBJECT_LOCK_DAYS: "2", HOLDFAST_REPOSITORY_REQUEST_TIMEOUT: "20s" };
    const bench = await scene().bucketBench(lock, { repository: "none", objectLock: true });
    await bench.ok("repository", "init");
    const { id } = (await bench.ok("backup", "--json")).json<{ id: string }>();
    await bench.ok("backup");
    const { recipient } = await generateIdentity();
    await bench.ok("keys", "rewrap", "--add", recipient);
    const before = await versionsOf(bench, id);
    const day = new Date(Date.now() + 2 * 86_400_000).toISOString().slice(0, 10);
    const refused = await bench.run("backup", "shred", id, "--confirm", id);
    expect([refused.code, refused.stderr]).toEqual([19, expect.stringContaining(`the key of backup ${id} is under object lock until ${day}`)]);
    expect(await versionsOf(bench, id)).toEqual(before);
    await bench.ok("backup", "verify", id, "--level", "archive");
  }, 240_000);
}
