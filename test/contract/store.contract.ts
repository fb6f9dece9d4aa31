/** What every store keeps, whatever it is made of. Run by a test file a store. */
import { beforeEach, describe, expect, test } from "vitest";

import type { Store } from "../../src/store/store.ts";
import { bytesOf, collect } from "../harness/streams.ts";
import { keepsStreams } from "./stream.contract.ts";

const miB = 2 ** 20;

/** @param open - gives an empty store whose parts are 8 MiB, where it has parts */
export function storeContract(open: () => Promise<Store>): void {
  describe("keeps objects:", () => { keepsObjects(open); });
  describe("keeps streams:", () => { keepsStreams(open); });
}

const bytes = (text: string) => Buffer.from(text);

function keepsObjects(open: () => Promise<Store>): void {
  let store: Store;
  beforeEach(async () => { store = await open(); });

  const keysBelow = async (prefix: string) => (await collect(store.list(prefix))).map(({ key }) => key);

  describe("small objects", () => {
    test("are read back as they were put, with the version that put returned", async () => {
      const version = await store.put("a/manifest.json", bytes("{}"));
      expect(await store.get("a/manifest.json")).toEqual({ bytes: bytes("{}"), version });
    });

    test("may be empty", async () => {
      await store.put("empty", Buffer.alloc(0));
      expect((await store.get("empty"))?.bytes).toHaveLength(0);
      expect((await store.head("empty"))?.bytes).toBe(0);
    });

    test("are replaced whole, under another version", async () => {
      const first = await store.put("key", bytes("a longer first text"));
      const second = await store.put("key", bytes("second"));
      expect(second).not.toBe(first);
      expect((await store.get("key"))?.bytes.toString()).toBe("second");
    });

    test("that do not exist are undefined, and deleting them succeeds", async () => {
      expect(await store.get("no/such")).toBeUndefined();
      expect(await store.head("no/such")).toBeUndefined();
      await store.delete("no/such");
    });

    test("are gone after they were deleted, and their folder with them", async () => {
      await store.put("ehr/backups/x/key.age", bytes("k"));
      await store.delete("ehr/backups/x/key.age");
      expect(await store.get("ehr/backups/x/key.age")).toBeUndefined();
      expect(await collect(store.listFolders(""))).toEqual([]);
      await store.put("ehr/backups/x/key.age", bytes("again"));
      expect((await store.get("ehr/backups/x/key.age"))?.bytes.toString()).toBe("again");
    });

    test("show their size and the time they were written", async () => {
      await store.put("key", bytes("12345"));
      const found = await store.head("key");
      expect(found).toMatchObject({ key: "key", bytes: 5 });
      expect(Math.abs(Date.now() - found!.modified.getTime())).toBeLessThan(60_000);
    });

    test.each(["a b/ü ß/日本", "quo'te\"s", "plus+and%2Fpercent%20", "-leading/--dash", "semi;colon&amp=1?x#y", "emoji-🩺", "$(touch x)", "tilde~*!()"])("may be called %s", async (key) => {
      await store.put(key, bytes(key));
      expect((await store.get(key))?.bytes.toString()).toBe(key);
      expect(await keysBelow("")).toEqual([key]);
      await store.delete(key);
      expect(await keysBelow("")).toEqual([]);
    });

    test.each(["", "/absolute", "a//b", "a/../b", "..", "./a", "a/", "a\0b", "a\\b", ".tmp-x", "a/.lock-b", "x".repeat(1000)])("may not be called %j", async (key) => {
      const refused = { code: "store-failed" };
      await expect(store.put(key, bytes("x"))).rejects.toMatchObject(refused);
      await expect(store.get(key)).rejects.toMatchObject(refused);
      await expect(store.head(key)).rejects.toMatchObject(refused);
      await expect(store.read(key)).rejects.toMatchObject(refused);
      await expect(store.write(key, bytesOf(1))).rejects.toMatchObject(refused);
      await expect(store.delete(key)).rejects.toMatchObject(refused);
    });
  });

  describe("a conditional put", () => {
    test("if absent writes once, and then says that somebody was first", async () => {
      expect(await store.put("lock", bytes("mine"), { ifAbsent: true })).toBeDefined();
      expect(await store.put("lock", bytes("yours"), { ifAbsent: true })).toBeUndefined();
      expect((await store.get("lock"))?.bytes.toString()).toBe("mine");
    });

    test("if absent has exactly one winner of many at once", async () => {
      const versions = await Promise.all(Array.from({ length: 12 }, (_, n) => store.put("race", bytes(`writer ${n}`), { ifAbsent: true })));
      const winners = versions.flatMap((version, n) => (version === undefined ? [] : [n]));
      expect(winners).toHaveLength(1);
      expect((await store.get("race"))?.bytes.toString()).toBe(`writer ${winners[0]!}`);
    });

    test("over a version replaces exactly that version", async () => {
      const first = await store.put("head", bytes("1"));
      const second = await store.put("head", bytes("2"), { ifVersion: first! });
      expect(second).toBeDefined();
      expect(await store.put("head", bytes("3"), { ifVersion: first! })).toBeUndefined();
      expect(await store.get("head")).toEqual({ bytes: bytes("2"), version: second });
    });

    test("over a version has exactly one winner of many at once", async () => {
      const first = await store.put("race", bytes("first"));
      const versions = await Promise.all(Array.from({ length: 12 }, (_, n) => store.put("race", bytes(`writer ${n}`), { ifVersion: first! })));
      const winners = versions.flatMap((version, n) => (version === undefined ? [] : [n]));
      expect(winners).toHaveLength(1);
      expect((await store.get("race"))?.bytes.toString()).toBe(`writer ${winners[0]!}`);
    });

    test("over the version of an object that is gone writes nothing", async () => {
      const first = await store.put("head", bytes("1"));
      await store.delete("head");
      expect(await store.put("head", bytes("2"), { ifVersion: first! })).toBeUndefined();
      expect(await store.get("head")).toBeUndefined();
    });
  });

  describe("reading a stream", () => {
    test("of an object that does not exist rejects before the first byte", async () => {
      await expect(store.read("no/such")).rejects.toMatchObject({ code: "not-found" });
    });

    test("ends with the cancellation when the signal aborts", async () => {
      await store.write("data", bytesOf(20 * miB));
      const cancel = new AbortController();
      const stream = await store.read("data", cancel.signal);
      const reading = (async () => {
        for await (const chunk of stream as AsyncIterable<Buffer>) if (chunk.length > 0) cancel.abort();
      })();
      await expect(reading).rejects.toMatchObject({ code: "cancelled" });
    });

    test("is not begun when the signal has aborted", async () => {
      await store.put("data", bytes("x"));
      await expect(store.read("data", AbortSignal.abort())).rejects.toMatchObject({ code: "cancelled" });
    });

    test("may be left before its end", async () => {
      await store.write("data", bytesOf(20 * miB));
      for await (const chunk of (await store.read("data")) as AsyncIterable<Buffer>) {
        expect(chunk.length).toBeGreaterThan(0);
        break;
      }
      expect((await store.get("data"))?.bytes).toHaveLength(20 * miB);
    });
  });

  describe("a listing", () => {
    test("of an empty repository is empty", async () => {
      expect(await keysBelow("")).toEqual([]);
      expect(await keysBelow("ehr/")).toEqual([]);
      expect(await collect(store.listFolders("ehr/"))).toEqual([]);
      expect(await collect(store.unfinishedUploads(""))).toEqual([]);
      expect(await store.abortUploads("")).toBe(0);
    });

    test("shows all objects below the prefix in the order of their bytes", async () => {
      const keys = ["B", "a", "a-b/c", "a/b", "a/b-c/d", "a/b/c", "a0", "ehr2/x", "ehr/x", "é", "\u{ff5e}", "🩺"].sort((x, y) => Buffer.compare(Buffer.from(x), Buffer.from(y)));
      // A folder store cannot hold both a and a/b; S3 can, and nothing of ours needs it.
      const stored = keys.filter((key) => key !== "a" && key !== "a/b");
      for (const key of [...stored].reverse()) await store.put(key, bytes(key));
      expect(await keysBelow("")).toEqual(stored);
      expect(await keysBelow("a/b")).toEqual(["a/b-c/d", "a/b/c"]);
      expect(await keysBelow("a/b/")).toEqual(["a/b/c"]);
      expect(await keysBelow("ehr")).toEqual(["ehr/x", "ehr2/x"]);
      expect(await keysBelow("no")).toEqual([]);
    });

    test("goes on after any key, also one that is no object's", async () => {
      const keys = ["a-b/c", "a/b/c", "a/b/d", "a/c", "b", "é", "🩺"];
      for (const key of keys) await store.put(key, bytes(key));
      const order = await keysBelow("");
      for (const after of ["", ...keys, "a/", "a/b/", "a/b/c0", "a0", "z"]) {
        const shown = (await collect(store.list("", { after }))).map(({ key }) => key);
        expect(shown, after).toEqual(order.filter((key) => Buffer.compare(Buffer.from(key), Buffer.from(after)) > 0));
      }
      expect((await collect(store.list("a/", { after: "a/b/c" }))).map(({ key }) => key)).toEqual(["a/b/d", "a/c"]);
    });

    test("shows only what has one of the names that are asked for", async () => {
      for (const key of ["a/m", "a/m.sig", "a/mm", "b/m/x", "c/x/m", "m"]) await store.put(key, bytes(key));
      expect((await collect(store.list("", { named: new Set(["m", "m.sig"]) }))).map(({ key }) => key)).toEqual(["a/m", "a/m.sig", "c/x/m", "m"]);
      expect((await collect(store.list("", { named: new Set(["m"]), after: "a/m" }))).map(({ key }) => key)).toEqual(["c/x/m", "m"]);
    });

    test("tells an object from one of the same length that replaced it, as a look at the object does", async () => {
      const tagged = async () => {
        const [listed] = await collect(store.list("a/m"));
        expect((await store.head("a/m"))?.tag).toBe(listed?.tag);
        return listed?.tag;
      };
      await store.put("a/m", bytes("one"));
      const before = await tagged();
      expect(before).toEqual(expect.any(String));
      expect(await tagged()).toBe(before);
      await store.put("a/m", bytes("two"));
      expect(await tagged()).not.toBe(before);
    });

    test("of folders shows the next segments once each, and no objects", async () => {
      for (const key of ["ehr/backups/b2/m", "ehr/backups/b1/m", "ehr/backups/b1/k", "ehr/backups/readme", "portal/x", "holdfast.json"]) await store.put(key, bytes("x"));
      expect(await collect(store.listFolders(""))).toEqual(["ehr", "portal"]);
      expect(await collect(store.listFolders("ehr/backups/"))).toEqual(["b1", "b2"]);
      expect(await collect(store.listFolders("ehr/backups/b1/"))).toEqual([]);
    });

    test.each(["../", "/", "a//b", "a/../"])("refuses the prefix %j", async (prefix) => {
      await expect(collect(store.list(prefix))).rejects.toMatchObject({ code: "store-failed" });
      await expect(collect(store.listFolders(prefix))).rejects.toMatchObject({ code: "store-failed" });
      await expect(store.abortUploads(prefix)).rejects.toMatchObject({ code: "store-failed" });
    });
  });

  test("the store shows where it is without a secret, and what it knows of space and time", async () => {
    expect(store.url).toMatch(/^(?:file|s3):\/\//);
    expect(store.url).not.toContain("secret");
    const free = await store.freeBytes();
    if (free !== undefined) expect(free).toBeGreaterThan(0);
    const clock = await store.clock();
    if (clock !== undefined) expect(Math.abs(Date.now() - clock.getTime())).toBeLessThan(60_000);
  });
}
