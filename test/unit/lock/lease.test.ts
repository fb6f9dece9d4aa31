import { describe, expect, it } from "vitest";

import { HoldfastError } from "../../../src/errors.ts";
import { FakeTime } from "../../harness/fake-time.ts";
import type { MemoryStore } from "../../harness/memory-store.ts";
import { bench, key, publish, recordOf, refusal } from "./lease-bench.ts";

describe("a held lock", () => {
  it("refuses others and names its holder, its end and the way to wait", async () => {
    const { time, acquire, store } = bench();
    await acquire("db1");
    await time.advance(1_000);
    const error = await refusal(acquire("db2"));
    expect(error.code).toBe("lock-held");
    expect(error.exitCode).toBe(11);
    expect(error.message).toBe(`the lock ${key} is held by backup on db1 (user postgres, pid ${process.pid}) since 2026-03-01T02:00:00.000Z, until 2026-03-01T02:02:00.000Z unless renewed`);
    expect(error.hints).toEqual([
      `The lock expires by itself at 2026-03-01T02:02:00.000Z if process ${process.pid} on db1 no longer runs.`,
      "Wait for it with `--lock-wait`, or try again later.",
    ]);
    expect(error.details).toEqual({ key, host: "db1", user: "postgres", pid: process.pid, action: "backup", since: "2026-03-01T02:00:00.000Z", expires: "2026-03-01T02:02:00.000Z", fence: 1 });
    expect(recordOf(store)).toMatchObject({ format: 1, released: null, fence: 1 });
  });

  it("is kept by its heartbeat for as long as it takes", async () => {
    const { time, acquire, store } = bench();
    const lock = await acquire("db1");
    await time.advance(3_600_000);
    expect(lock.lost.aborted).toBe(false);
    expect(recordOf(store).expires).toBe("2026-03-01T03:02:00.000Z");
    expect((await refusal(acquire("db2"))).code).toBe("lock-held");
    await publish(store, lock, "a");
  });

  it("shows control characters of another host as question marks", async () => {
    const { acquire } = bench();
    await acquire("db1\u001b[2J\n");
    expect((await refusal(acquire("db2"))).message).toContain("on db1?[2J? (user");
  });

  it("survives heartbeats that fail for less than a lease", async () => {
    const { time, acquire, store } = bench();
    const lock = await acquire("db1");
    store.faults.before = () => { throw new HoldfastError("store-failed", "the store did not answer"); };
    await time.advance(110_000);
    delete store.faults.before;
    await time.advance(600_000);
    expect(lock.lost.aborted).toBe(false);
  });

  it("survives a renewal whose answer was lost", async () => {
    const { time, acquire, store } = bench();
    const lock = await acquire("db1");
    store.faults.after = (operation) => { if (operation === "put") throw new HoldfastError("store-failed", "the answer was lost"); };
    await time.advance(30_000);
    delete store.faults.after;
    await time.advance(600_000);
    await lock.assertHeld();
    expect(lock.lost.aborted).toBe(false);
  });

  it("is recognised as ours when a retry inside the store says that somebody was first", async () => {
    const { acquire, store } = bench();
    const put = store.put.bind(store);
    store.put = async (at, bytes, condition) => {
      await put(at, bytes, condition);
      return await put(at, bytes, condition);
    };
    const lock = await acquire("db1");
    expect(lock.fence).toBe(1);
    await lock.assertHeld();
    await lock.release();
    expect(recordOf(store).released).not.toBeNull();
  });
});

describe("a lock whose holder died", () => {
  it("is taken over after its lease, with the next fence and a word about it", async () => {
    const { time, acquire } = bench();
    await acquire("db1", { timers: new FakeTime() });
    await time.advance(121_000);
    expect((await refusal(acquire("db2"))).code).toBe("lock-held");
    await time.advance(1_000);
    const lock = await acquire("db2");
    expect(lock.fence).toBe(2);
    expect(lock.tookOver).toBe(`the lock ${key} was left by backup on db1 (user postgres, pid ${process.pid}) since 2026-03-01T02:00:00.000Z, and its lease ran out at 2026-03-01T02:02:00.000Z`);
  });

  it("does not let the old holder publish when it wakes up", async () => {
    const { time, acquire, store } = bench();
    const old = await acquire("db1", { timers: new FakeTime() });
    await time.advance(122_000);
    const heir = await acquire("db2");
    expect((await refusal(publish(store, old, "old"))).code).toBe("lock-held");
    expect(old.lost.aborted).toBe(true);
    await publish(store, heir, "new");
    expect([...store.objects.keys()]).toEqual([key, "ehr/backups/new/manifest.json"]);
    await old.release();
    await heir.assertHeld();
    expect(recordOf(store)).toMatchObject({ host: "db2", fence: 2, released: null });
  });

  it("does not let the old holder publish even where its own clock stands still", async () => {
    const { time, acquire, store } = bench();
    const frozen = new FakeTime();
    const old = await acquire("db1", { timers: frozen, clock: frozen });
    await time.advance(122_000);
    await acquire("db2");
    const error = await refusal(publish(store, old, "old"));
    expect(error.message).toContain("is held by backup on db2");
    expect(old.lost.reason).toBe(error);
  });

  it("does not let an expired holder publish though nobody took over", async () => {
    const { time, acquire, store } = bench();
    const lock = await acquire("db1");
    time.jump(120_000);
    const error = await refusal(publish(store, lock, "old"));
    expect(error.message).toBe(`the lock ${key} was lost: its lease ran out at 2026-03-01T02:02:00.000Z without being renewed`);
    expect((await refusal(lock.assertHeld())).code).toBe("lock-held");
    expect(store.objects.size).toBe(1);
  });

  it("tells the holder at the end of its lease, and why, when the store stopped answering", async () => {
    const { time, acquire, store } = bench();
    const lock = await acquire("db1");
    const failure = new HoldfastError("store-failed", "the store did not answer");
    store.faults.before = () => { throw failure; };
    await time.advance(119_999);
    expect(lock.lost.aborted).toBe(false);
    await time.advance(1);
    expect(lock.lost.aborted).toBe(true);
    expect(lock.lost.reason).toMatchObject({ code: "lock-held", cause: failure });
    expect(time.waiting).toBe(0);
  });

  it("tells the holder in time also while a heartbeat hangs", async () => {
    const { time, acquire, store } = bench();
    const lock = await acquire("db1");
    store.faults.before = () => new Promise<void>(() => undefined);
    await time.advance(120_000);
    expect(lock.lost.aborted).toBe(true);
  });

  it("tells the holder at the next heartbeat that somebody else took it, removed it or overwrote it", async () => {
    const vandals: [(store: MemoryStore) => unknown, RegExp][] = [
      [(store) => store.delete(key), /was lost: its object was removed$/],
      [(store) => store.put(key, Buffer.from("x")), /was lost: its object was overwritten$/],
      [(store) => store.put(key, Buffer.from(JSON.stringify({ ...recordOf(store), holder: "other", host: "db9" }))), /is held by backup on db9 /],
      [(store) => store.put(key, Buffer.from(JSON.stringify({ ...recordOf(store), holder: "other", released: "2026-03-01T02:00:01.000Z" }))), /was lost: another took it and gave it back$/],
    ];
    for (const [vandal, message] of vandals) {
      const { time, acquire, store } = bench();
      const lock = await acquire("db1");
      await vandal(store);
      await time.advance(29_999);
      expect(lock.lost.aborted).toBe(false);
      await time.advance(1);
      expect(lock.lost.reason).toMatchObject({ message: expect.stringMatching(message) as string });
      expect(time.waiting).toBe(0);
    }
  });

  it("is judged by the store's clock, not by that of a host that goes wrong", async () => {
    const { acquire, store } = bench();
    const ahead = new FakeTime("2026-03-01T09:00:00.000Z");
    const lock = await acquire("db1");
    expect((await refusal(acquire("db2", { clock: ahead, timers: ahead }))).code).toBe("lock-held");
    await lock.release();
    const other = await acquire("db2", { clock: ahead, timers: ahead });
    expect(recordOf(store).expires).toBe("2026-03-01T02:02:00.000Z");
    expect(other.fence).toBe(2);
  });

  it("is judged by the host's own clock where the store has none", async () => {
    const { acquire, store } = bench();
    store.clock = () => Promise.reject(new HoldfastError("store-failed", "no clock"));
    await acquire("db1");
    store.clock = () => Promise.resolve(undefined);
    expect((await refusal(acquire("db2"))).code).toBe("lock-held");
  });
});

describe("garbage in the lock", () => {
  it("counts as held for one lease after its last change, and says so", async () => {
    for (const garbage of ["", "null", "{}", '{"format":2}', "\u0000"]) {
      const { time, acquire, store } = bench();
      await store.put(key, Buffer.from(garbage));
      await time.advance(121_999);
      const error = await refusal(acquire("db1"));
      expect(error.code).toBe("lock-held");
      expect(error.message).toBe(`the lock ${key} cannot be read and counts as held until 2026-03-01T02:02:02.000Z, one lease after its last change`);
      await time.advance(1);
      const lock = await acquire("db1");
      expect(lock.tookOver).toBe(`the lock ${key} could not be read and was replaced after a lease had passed`);
      expect(lock.fence).toBe(Date.parse("2026-03-01T02:02:02.000Z") / 1000);
      await lock.release();
      expect((await acquire("db2")).fence).toBe(lock.fence + 1);
    }
  });
});
