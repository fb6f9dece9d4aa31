/** What a store keeps that is sent to it as a stream: the part of the contract that whoever sends one has to keep. */
import { Readable } from "node:stream";
import { beforeEach, describe, expect, test } from "vitest";

import { HoldfastError } from "../../src/errors.ts";
import type { Store } from "../../src/store/store.ts";
import { bytesOf, collect, digestOf, failingAfter, pausingAfter } from "../harness/streams.ts";

const miB = 2 ** 20;
const bytes = (text: string) => Buffer.from(text);

/** The part of the contract that whoever sends a stream has to keep. */
export function keepsStreams(open: () => Promise<Store>): void {
  let store: Store;
  beforeEach(async () => { store = await open(); });

  const keysBelow = async (prefix: string) => (await collect(store.list(prefix))).map(({ key }) => key);
  const unfinished = async () => (await collect(store.unfinishedUploads(""))).map(({ key }) => key);

  describe("a stream", () => {
    test.each([0, 1, 65_521, 8 * miB - 1, 8 * miB, 8 * miB + 1, 16 * miB, 40 * miB + 12_345])("of %d bytes is read back equal", async (total) => {
      const progress: number[] = [];
      const written = await store.write("data/part", bytesOf(total), { estimate: total, onProgress: (sofar) => progress.push(sofar) });
      expect(written).toBe(total);
      expect(await digestOf(await store.read("data/part"))).toEqual(await digestOf(bytesOf(total)));
      expect((await store.head("data/part"))?.bytes).toBe(total);
      expect(progress.at(-1) ?? 0).toBe(total);
      expect(progress).toEqual([...progress].sort((a, b) => a - b));
      expect(await unfinished()).toEqual([]);
    });

    test("may pass its estimate, and come in chunks larger than a part", async () => {
      const chunk = Buffer.alloc(19 * miB, 7);
      expect(await store.write("data", Readable.from([chunk, chunk]), { estimate: 10 })).toBe(38 * miB);
      expect((await store.head("data"))?.bytes).toBe(38 * miB);
    });

    test("whose chunks are reused by the source after they were taken is stored as it was", async () => {
      async function* reusing(): AsyncGenerator<Buffer, void, undefined> {
        const buffer = Buffer.alloc(100_000);
        for (let n = 0; n < 100; n++) {
          buffer.fill(n);
          yield await Promise.resolve(buffer);
        }
      }
      await store.write("data", reusing());
      expect(await digestOf(await store.read("data"))).toEqual(await digestOf(Array.from({ length: 100 }, (_, n) => Buffer.alloc(100_000, n)) as unknown as AsyncIterable<Buffer>));
    });

    test.each([0, 1000, 20 * miB])("that fails after %d bytes rejects with the source's own error and leaves nothing", async (total) => {
      const failure = Object.assign(new Error("pg_dump exited with 3"), { code: "EPIPE" });
      await expect(store.write("data", failingAfter(total, failure))).rejects.toBe(failure);
      expect(await store.head("data")).toBeUndefined();
      expect(await unfinished()).toEqual([]);
      expect(await keysBelow("")).toEqual([]);
    });

    test("that fails leaves an older object of the same key as it was", async () => {
      await store.put("data", bytes("older"));
      await expect(store.write("data", failingAfter(9 * miB, new Error("source")))).rejects.toThrow("source");
      expect((await store.get("data"))?.bytes.toString()).toBe("older");
    });

    test("is not to be seen before it is whole", async () => {
      const pause = Promise.withResolvers<undefined>();
      const paused = Promise.withResolvers<undefined>();
      const writing = store.write("data", pausingAfter(20 * miB, pause.promise, () => { paused.resolve(undefined); }));
      await paused.promise;
      expect(await store.head("data")).toBeUndefined();
      expect(await keysBelow("")).toEqual([]);
      pause.resolve(undefined);
      await writing;
      expect(await keysBelow("")).toEqual(["data"]);
    });

    test.each([1000, 30 * miB])("that is cancelled after %d bytes, its source silent, ends at once and leaves nothing", async (total) => {
      const cancel = new AbortController();
      let ended = false;
      async function* silent(): AsyncGenerator<Buffer, void, undefined> {
        try {
          yield* pausingAfter(total, new Promise(() => undefined), () => { cancel.abort(); });
        } finally {
          ended = true;
        }
      }
      await expect(store.write("data", silent(), { signal: cancel.signal })).rejects.toMatchObject({ code: "cancelled" });
      expect(ended).toBe(false);
      expect(await store.head("data")).toBeUndefined();
      expect(await unfinished()).toEqual([]);
    });

    test("that is cancelled while it flows ends its source and leaves nothing", async () => {
      const cancel = new AbortController();
      let ended = false;
      async function* flowing(): AsyncGenerator<Buffer, void, undefined> {
        try {
          for (let n = 0; ; n++) {
            if (n === 300) cancel.abort();
            yield* bytesOf(65_536);
          }
        } finally {
          ended = true;
        }
      }
      await expect(store.write("data", flowing(), { signal: cancel.signal })).rejects.toMatchObject({ code: "cancelled" });
      expect(ended).toBe(true);
      expect(await unfinished()).toEqual([]);
      expect(await keysBelow("")).toEqual([]);
    });

    test("that was cancelled before it began is not begun", async () => {
      await expect(store.write("data", bytesOf(10), { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "cancelled" });
      expect(await keysBelow("")).toEqual([]);
    });

    test("that is cancelled for a reason of ours rejects with that reason", async () => {
      const reason = new HoldfastError("dump-failed", "the dump failed");
      const cancel = new AbortController();
      await expect(store.write("data", pausingAfter(10, new Promise(() => undefined), () => { cancel.abort(reason); }), { signal: cancel.signal })).rejects.toBe(reason);
    });
  });

  describe("an unfinished upload", () => {
    test("is shown with its key, and aborting it removes it and fails its writer", async () => {
      const pause = Promise.withResolvers<undefined>();
      const stored = Promise.withResolvers<undefined>();
      const writing = store.write("ehr/backups/x/data", pausingAfter(20 * miB, pause.promise), { onProgress: () => { stored.resolve(undefined); } });
      const failed = expect(writing).rejects.toMatchObject({ code: "store-failed" });
      await stored.promise;
      const [upload] = await collect(store.unfinishedUploads("ehr/"));
      expect(upload?.key).toBe("ehr/backups/x/data");
      expect(Math.abs(Date.now() - upload!.startedAt.getTime())).toBeLessThan(60_000);
      expect(await collect(store.unfinishedUploads("portal/"))).toEqual([]);
      expect(await store.abortUploads("portal/")).toBe(0);
      expect(await store.abortUploads("ehr/")).toBe(1);
      expect(await unfinished()).toEqual([]);
      pause.resolve(undefined);
      await failed;
      expect(await keysBelow("")).toEqual([]);
    });
  });
}
