import { GetObjectRetentionCommand, HeadObjectCommand, ListObjectVersionsCommand, ListObjectsV2Command, PutObjectCommand } from "@aws-sdk/client-s3";
import { describe, expect, onTestFinished, test } from "vitest";

import type { StoreOptions } from "../../../src/store/options.ts";
import type { Store } from "../../../src/store/store.ts";
import { s3Missing, s3Server } from "../../harness/s3.ts";
import { bytesOf, collect } from "../../harness/streams.ts";

const miB = 2 ** 20;
const missing = s3Missing();

async function open(bucket: string, options: StoreOptions & { prefix?: string } = {}): Promise<Store> {
  const store = await (await s3Server()).open(bucket, { partBytes: 8 * miB, ...options });
  onTestFinished(() => store.close());
  return store;
}

if (missing !== undefined) {
  test.skip(`what is particular to S3 (${missing})`);
} else {
  describe("a store in a prefix", () => {
    test("sees nothing of its neighbours", async () => {
      const bucket = await (await s3Server()).createBucket();
      const own = await open(bucket, { prefix: "clinic" });
      const neighbour = await open(bucket, { prefix: "clinic-2" });
      await neighbour.put("ehr/x", Buffer.from("x"));
      expect(await collect(own.list(""))).toEqual([]);
      expect(await collect(own.listFolders(""))).toEqual([]);
      expect(await (await open(bucket)).get("clinic-2/ehr/x")).toBeDefined();
    });

    test("shows its place without region and credentials", async () => {
      const server = await s3Server();
      expect((await open("backups", { prefix: "clinic" })).url).toBe(`s3://backups/clinic?endpoint=${server.endpoint}`);
    });
  });

  test("a listing goes on after its first thousand", async () => {
    const server = await s3Server();
    const bucket = await server.createBucket();
    const names = Array.from({ length: 1050 }, (_, n) => `many/${String(n).padStart(4, "0")}/x`);
    for (let at = 0; at < names.length; at += 50) {
      await Promise.all(names.slice(at, at + 50).map((name) => server.client.send(new PutObjectCommand({ Bucket: bucket, Key: name, Body: "x" }))));
    }
    const store = await open(bucket);
    expect((await collect(store.list("many/"))).map(({ key }) => key)).toEqual(names);
    expect(await collect(store.listFolders("many/"))).toHaveLength(1050);
  });

  test("object lock retains all but a database's locks, whatever database and prefix are called", async () => {
    const server = await s3Server();
    const bucket = await server.createBucket({ objectLock: true });
    const store = await open(bucket, { prefix: "a/locks/b", objectLock: { mode: "governance", days: 1 } });
    for (const key of ["holdfast.json", "locks/backups/x/manifest.json", "timeline/2026/0000000001.json", "ehr/locks/backup.json"]) await store.put(key, Buffer.from("1"));
    const retained = async (key: string) => {
      const shown = await server.client.send(new GetObjectRetentionCommand({ Bucket: bucket, Key: `a/locks/b/${key}` })).catch(() => undefined);
      return shown?.Retention?.Mode;
    };
    expect(await Promise.all(["holdfast.json", "locks/backups/x/manifest.json", "timeline/2026/0000000001.json", "ehr/locks/backup.json"].map(retained))).toEqual(["GOVERNANCE", "GOVERNANCE", "GOVERNANCE", undefined]);
  });

  describe("storage class and encryption", () => {
    test.each([["own", 100], ["own", 9 * miB], ["sdk", 100], ["sdk", 9 * miB]] as const)("are those that were asked for, sent by %s, of a stream of %d bytes", async (uploader, total) => {
      const server = await s3Server();
      const bucket = await server.createBucket();
      const store = await open(bucket, { uploader, storageClass: "STANDARD_IA", serverSideEncryption: "aws:kms", kmsKeyId: "testkey-1" });
      await store.write("data", bytesOf(total));
      const found = await server.client.send(new HeadObjectCommand({ Bucket: bucket, Key: "data" }));
      expect(found).toMatchObject({ StorageClass: "STANDARD_IA", ServerSideEncryption: "aws:kms", SSEKMSKeyId: "testkey-1", ContentLength: total });
    });

    test("that the server does not know fail the write and leave nothing", async () => {
      const bucket = await (await s3Server()).createBucket();
      const store = await open(bucket, { storageClass: "NO_SUCH_CLASS", attempts: 1 });
      await expect(store.write("data", bytesOf(9 * miB))).rejects.toMatchObject({ code: "store-failed" });
      await expect(store.put("key", Buffer.from("x"))).rejects.toMatchObject({ code: "store-failed" });
      expect(await collect(store.unfinishedUploads(""))).toEqual([]);
    });
  });

  describe("object lock", () => {
    const objectLock = { mode: "governance", days: 30 } as const;

    test.each([["own", 100], ["own", 9 * miB], ["sdk", 100], ["sdk", 9 * miB]] as const)("is set and shown, sent by %s, on a stream of %d bytes, although the server drops it from an upload", async (uploader, total) => {
      const server = await s3Server();
      const bucket = await server.createBucket({ objectLock: true });
      const store = await open(bucket, { uploader, objectLock });
      await store.write("ehr/data", bytesOf(total));
      const { Retention: retention } = await server.client.send(new GetObjectRetentionCommand({ Bucket: bucket, Key: "ehr/data" }));
      expect(retention?.Mode).toBe("GOVERNANCE");
      expect(retention!.RetainUntilDate!.getTime() - Date.now()).toBeGreaterThan(29.9 * 86_400_000);
    });

    test("is set on small objects, and spares locks, whose deletion leaves no version behind", async () => {
      const server = await s3Server();
      const bucket = await server.createBucket({ objectLock: true });
      const store = await open(bucket, { objectLock });
      await store.put("ehr/manifest.json", Buffer.from("{}"));
      expect((await server.client.send(new GetObjectRetentionCommand({ Bucket: bucket, Key: "ehr/manifest.json" }))).Retention?.Mode).toBe("GOVERNANCE");
      await store.put("ehr/locks/backup", Buffer.from("1"));
      await store.put("ehr/locks/backup", Buffer.from("2"));
      await store.delete("ehr/locks/backup");
      const versions = await server.client.send(new ListObjectVersionsCommand({ Bucket: bucket, Prefix: "ehr/locks/" }));
      expect([...(versions.Versions ?? []), ...(versions.DeleteMarkers ?? [])]).toEqual([]);
    });

    test.each([["own", 100], ["own", 9 * miB], ["sdk", 9 * miB]] as const)("in a bucket without it fails a stream, sent by %s, of %d bytes and leaves no object", async (uploader, total) => {
      const server = await s3Server();
      const bucket = await server.createBucket();
      const store = await open(bucket, { uploader, objectLock });
      await expect(store.write("data", bytesOf(total))).rejects.toMatchObject({
        code: "store-failed",
        message: `bucket "${bucket}" has no object lock, so data cannot be retained`,
      });
      expect((await server.client.send(new ListObjectsV2Command({ Bucket: bucket }))).KeyCount).toBe(0);
    });

    test("in a bucket without it fails a small object that was to be new, and takes it back", async () => {
      const store = await open(await (await s3Server()).createBucket(), { objectLock });
      await expect(store.put("manifest.json", Buffer.from("{}"), { ifAbsent: true })).rejects.toMatchObject({ code: "store-failed" });
      expect(await collect(store.list(""))).toEqual([]);
    });
  });
}
