import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, readdir, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { beforeEach, expect, onTestFinished, test } from "vitest";

import { runTool } from "../../../src/process/run.ts";
import { openStore } from "../../../src/store/open.ts";
import type { Store } from "../../../src/store/store.ts";
import { bytesOf, collect } from "../../harness/streams.ts";

let root: string;
let store: Store;

beforeEach(async () => {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-store-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  root = join(folder, "repository");
  store = await openStore(pathToFileURL(root).href);
});

test("files and folders are for their owner only", async () => {
  await store.write("ehr/data", bytesOf(10));
  await store.put("ehr/manifest.json", Buffer.from("{}"));
  const modeOf = async (path: string) => ((await stat(join(root, path))).mode & 0o777).toString(8);
  expect(await modeOf("")).toBe("700");
  expect(await modeOf("ehr")).toBe("700");
  expect(await modeOf("ehr/data")).toBe("600");
  expect(await modeOf("ehr/manifest.json")).toBe("600");
});

test("an object's version is the SHA-256 of its bytes", async () => {
  expect(await store.put("key", Buffer.from("x"))).toBe(createHash("sha256").update("x").digest("hex"));
});

test("a temporary file of a writer that was killed is an unfinished upload, and no object", async () => {
  await store.put("ehr/backups/a/manifest.json", Buffer.from("{}"));
  await writeFile(join(root, "ehr/backups/a/.tmp-0123456789ab-data.pgdump.zst.age"), "half");
  expect((await collect(store.list(""))).map(({ key }) => key)).toEqual(["ehr/backups/a/manifest.json"]);
  expect((await collect(store.unfinishedUploads(""))).map(({ key }) => key)).toEqual(["ehr/backups/a/data.pgdump.zst.age"]);
  expect(await store.abortUploads("ehr/backups/b")).toBe(0);
  expect(await store.abortUploads("ehr/backups/a/da")).toBe(1);
  expect(await readdir(join(root, "ehr/backups/a"))).toEqual(["manifest.json"]);
});

test("a folder that holds only leftovers is not listed", async () => {
  await mkdir(join(root, "ehr/backups/dead"), { recursive: true });
  await writeFile(join(root, "ehr/backups/dead/.tmp-0123456789ab-data"), "half");
  expect(await collect(store.listFolders("ehr/backups/"))).toEqual([]);
});

test("what stands in the way of a folder is named", async () => {
  await store.put("ehr", Buffer.from("a file"));
  await expect(store.put("ehr/manifest.json", Buffer.from("{}"))).rejects.toMatchObject({ code: "store-failed" });
  expect(await store.get("ehr/manifest.json")).toBeUndefined();
});

test("a lock left by a process that was killed does not hold anybody up", async () => {
  await store.put("head", Buffer.from("0"));
  const gone = await runTool(["node"], ["-e", "process.stdout.write(String(process.pid))"]);
  const boot = (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).slice(0, 8);
  const namespace = (await stat("/proc/self/ns/pid")).ino;
  await mkdir(join(root, ".lock-head"));
  await writeFile(join(root, ".lock-head", `${boot}_${namespace}-${gone.stdout}-0123456789ab`), "");
  expect(await store.put("head", Buffer.from("1"))).toBeDefined();
  expect(await readdir(root)).toEqual(["head"]);
});

test("a lock of another machine or container counts until it is a minute old", async () => {
  await store.put("head", Buffer.from("0"));
  await mkdir(join(root, ".lock-head"));
  const foreign = join(root, ".lock-head", "elsewhere_1-1-0123456789ab");
  await writeFile(foreign, "");
  let done = false;
  const putting = store.put("head", Buffer.from("1")).then(() => { done = true; });
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(done).toBe(false);
  await utimes(foreign, new Date(), new Date(Date.now() - 61_000));
  await putting;
  expect((await store.get("head"))?.bytes.toString()).toBe("1");
});

test("counting by compare-and-replace in several processes loses no count", async () => {
  await store.put("counter", Buffer.from("0"));
  const script = `
    const { openStore } = await import(${JSON.stringify(new URL("../../../src/store/open.ts", import.meta.url).href)});
    const store = await openStore(${JSON.stringify(store.url)});
    for (let counted = 0; counted < 25; ) {
      const { bytes, version } = await store.get("counter");
      if (await store.put("counter", Buffer.from(String(Number(bytes) + 1)), { ifVersion: version }) !== undefined) counted++;
    }`;
  await Promise.all([1, 2, 3].map(() => runTool([process.execPath], ["--input-type=module", "-e", script])));
  expect((await store.get("counter"))?.bytes.toString()).toBe("75");
  expect(await readdir(root)).toEqual(["counter"]);
});
