import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";

import { openStore } from "../../../src/store/open.ts";
import { probeStore } from "../../../src/store/probe.ts";
import type { PutCondition, Store } from "../../../src/store/store.ts";
import { s3Missing, s3Server } from "../../harness/s3.ts";
import { collect } from "../../harness/streams.ts";

const missing = s3Missing();
let store: Store;

beforeEach(async () => {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-store-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  store = await openStore(pathToFileURL(join(folder, "repository")).href);
});

/** The store, with one of its doings gone wrong. */
function faulty(fault: Partial<Store>): Store {
  return new Proxy(store, {
    get: (target, name: keyof Store) => {
      const own: unknown = Reflect.get(fault, name) ?? Reflect.get(target, name);
      return typeof own === "function" ? (own.bind(target) as unknown) : own;
    },
  });
}

async function failing(fault: Partial<Store>): Promise<string[]> {
  const probe = await probeStore(faulty(fault));
  expect(probe.ok).toBe(false);
  for (const check of probe.checks) if (!check.ok) expect(check.detail).not.toBe("");
  return probe.checks.filter(({ ok }) => !ok).map(({ name }) => name);
}

describe("the probe of a store", () => {
  test("finds a sound folder sound, and leaves nothing behind", async () => {
    const probe = await probeStore(store);
    expect(probe.checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(probe.checks.map(({ name }) => name)).toEqual(["write", "read", "list", "conditional-write", "conditional-replace", "stream", "delete", "unfinished-uploads", "free-space"]);
    expect(await collect(store.list(""))).toEqual([]);
    expect(await collect(store.listFolders(""))).toEqual([]);
  });

  test("finds a store that ignores conditions", async () => {
    const ignoring = { put: (key: string, bytes: Uint8Array) => store.put(key, bytes) };
    expect(await failing(ignoring)).toEqual(["conditional-write", "conditional-replace"]);
    expect(await collect(store.list(""))).toEqual([]);
  });

  test("finds a store that takes conditions and never writes", async () => {
    expect(await failing({ put: async (key: string, bytes: Uint8Array, condition?: PutCondition) => (condition ? undefined : store.put(key, bytes)) })).toEqual(["conditional-write", "conditional-replace"]);
  });

  test("finds a store that gives back something else", async () => {
    expect(await failing({ get: () => Promise.resolve({ bytes: Buffer.from("else"), version: "1" }) })).toEqual(["read", "conditional-write", "conditional-replace"]);
  });

  test("finds a store that lists nothing", async () => {
    expect(await failing({ list: () => store.list("nothing/") })).toEqual(["list"]);
  });

  test("finds a store that deletes nothing", async () => {
    expect(await failing({ delete: () => Promise.resolve() })).toEqual(["delete"]);
  });

  test("finds a stream that lost its end", async () => {
    expect(await failing({ read: async (key, signal) => (await store.read(key, signal)).take(1) as never })).toEqual(["stream"]);
  });

  test("finds a clock that is off", async () => {
    expect(await failing({ clock: () => Promise.resolve(new Date(Date.now() - 20 * 60_000)) })).toEqual(["clock"]);
  });

  test("finds a disk that is nearly full", async () => {
    expect(await failing({ freeBytes: () => Promise.resolve(1e6) })).toEqual(["free-space"]);
  });

  if (missing !== undefined) {
    test.skip(`finds a sound bucket sound (${missing})`);
    return;
  }

  test.each([false, true])("finds a sound bucket sound (object lock: %s), and leaves nothing behind", async (objectLock) => {
    const server = await s3Server();
    const bucket = await server.createBucket({ objectLock });
    const s3 = await server.open(bucket, objectLock ? { objectLock: { mode: "compliance", days: 1 } } : {});
    const probe = await probeStore(s3);
    expect(probe.checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(probe.checks.map(({ name }) => name)).toContain("clock");
    expect(await collect(s3.list(""))).toEqual([]);
    await s3.close();
  });

  test("finds a bucket without the object lock that is asked for", async () => {
    const server = await s3Server();
    const s3 = await server.open(await server.createBucket(), { objectLock: { mode: "compliance", days: 1 } });
    const probe = await probeStore(s3);
    expect(probe.checks.filter(({ ok }) => !ok)).toMatchObject([{ name: "object-lock", hint: expect.stringContaining("object lock enabled") as string }]);
    await s3.close();
  });

  test("of a bucket that is missing says so once for writing, and goes on", async () => {
    const server = await s3Server();
    const s3 = await server.open("no-such-bucket");
    const probe = await probeStore(s3);
    expect(probe.ok).toBe(false);
    expect(probe.checks[0]).toMatchObject({ name: "write", ok: false, hint: expect.stringContaining("create-bucket") as string });
    await s3.close();
  });
});
