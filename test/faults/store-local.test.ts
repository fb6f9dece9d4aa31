import { mkdir, mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, onTestFinished, test } from "vitest";

import { runTool } from "../../src/process/run.ts";
import { openStore } from "../../src/store/open.ts";
import { bytesOf, collect, digestOf } from "../harness/streams.ts";

const miB = 2 ** 20;

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-store-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A file system of `size`, or why there can be none. */
async function smallDisk(size: string): Promise<{ folder: string } | { reason: string }> {
  const folder = await temporaryFolder();
  try {
    await runTool(["mount"], ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", folder]);
  } catch (error) {
    return { reason: `no small disk can be mounted: ${error instanceof Error ? error.message : String(error)}` };
  }
  onTestFinished(async () => { await runTool(["umount"], [folder]); });
  return { folder };
}

test("a full disk fails the write, names the free space and leaves nothing behind", async (context) => {
  const disk = await smallDisk("20m");
  if ("reason" in disk) return context.skip(disk.reason);
  const store = await openStore(pathToFileURL(disk.folder).href);
  await store.put("ehr/manifest.json", Buffer.from("{}"));
  await expect(store.write("ehr/data", bytesOf(40 * miB))).rejects.toMatchObject({
    code: "store-failed",
    message: expect.stringMatching(/^cannot write ehr\/data: the disk is full; 2\d\.\d MB are free in \//) as string,
  });
  await expect(store.put("big", Buffer.alloc(30 * miB))).rejects.toMatchObject({ code: "store-failed" });
  expect((await collect(store.list(""))).map(({ key }) => key)).toEqual(["ehr/manifest.json"]);
  expect(await collect(store.unfinishedUploads(""))).toEqual([]);
  expect(await store.freeBytes()).toBeGreaterThan(15 * miB);
  await store.write("ehr/data", bytesOf(10 * miB));
});

test("a read-only repository says so", async (context) => {
  const disk = await smallDisk("5m");
  if ("reason" in disk) return context.skip(disk.reason);
  const store = await openStore(pathToFileURL(disk.folder).href);
  await store.put("key", Buffer.from("x"));
  await runTool(["mount"], ["-o", "remount,ro", disk.folder]);
  await expect(store.put("other", Buffer.from("x"))).rejects.toMatchObject({ code: "store-failed", hints: [expect.stringContaining("writable") as string] });
  expect((await store.get("key"))?.bytes.toString()).toBe("x");
});

test.each([
  ["truncated", 10 * miB],
  ["lengthened", 40 * miB],
])("an object that is %s while it is read fails the read", async (_, length) => {
  const root = await temporaryFolder();
  const store = await openStore(pathToFileURL(root).href);
  await store.write("data", bytesOf(20 * miB));
  let bytes = 0;
  const reading = (async () => {
    for await (const chunk of (await store.read("data")) as AsyncIterable<Buffer>) {
      if (bytes === 0) await truncate(join(root, "data"), length);
      bytes += chunk.length;
    }
  })();
  await expect(reading).rejects.toMatchObject({ code: "store-failed", message: expect.stringContaining("cannot read data: it had 20971520 bytes when it was opened") as string });
});

test("a folder under the name of an object is no object", async () => {
  const root = await temporaryFolder();
  await mkdir(join(root, "ehr"));
  await writeFile(join(root, "ehr", "x"), "x");
  const store = await openStore(pathToFileURL(root).href);
  expect(await store.get("ehr")).toBeUndefined();
  expect(await store.head("ehr")).toBeUndefined();
  await expect(digestOf(await store.read("ehr/x"))).resolves.toMatchObject({ bytes: 1 });
  await expect(store.read("ehr")).rejects.toMatchObject({ code: "not-found" });
  await store.delete("ehr");
  expect((await store.get("ehr/x"))?.bytes.toString()).toBe("x");
});
