import { describe, expect, it } from "vitest";

import { HoldfastError } from "../../../src/errors.ts";
import { settle } from "../../harness/fake-time.ts";
import { bench, key, recordOf, refusal } from "./lease-bench.ts";

describe("releasing", () => {
  it("frees the lock at once, keeps the fence counting and stops the heartbeat", async () => {
    const { time, acquire, store } = bench();
    const lock = await acquire("db1");
    await time.advance(10_000);
    await lock.release();
    expect(time.waiting).toBe(0);
    expect(recordOf(store)).toMatchObject({ fence: 1, released: "2026-03-01T02:00:10.000Z" });
    const next = await acquire("db2");
    expect([next.fence, next.tookOver]).toEqual([2, null]);
    expect(lock.lost.aborted).toBe(false);
  });

  it("is idempotent and touches nobody else's lock", async () => {
    const { acquire, store } = bench();
    const lock = await acquire("db1");
    await Promise.all([lock.release(), lock.release()]);
    const next = await acquire("db2");
    store.calls.clear();
    await lock.release();
    expect(store.calls.size).toBe(0);
    await next.assertHeld();
    expect((await refusal(lock.assertHeld())).message).toBe(`the lock ${key} was given back before`);
  });

  it("never rejects, and the lock runs out by itself", async () => {
    const { time, acquire, store } = bench();
    const lock = await acquire("db1");
    store.faults.before = () => { throw new HoldfastError("store-failed", "gone"); };
    await lock.release();
    delete store.faults.before;
    expect((await refusal(acquire("db2"))).code).toBe("lock-held");
    await time.advance(122_000);
    expect((await acquire("db2")).fence).toBe(2);
  });

  it("waits for a heartbeat under way, so that it does not come back", async () => {
    const { time, acquire, store } = bench();
    const lock = await acquire("db1");
    const gate = Promise.withResolvers<undefined>();
    store.faults.before = () => gate.promise;
    await time.advance(30_000);
    delete store.faults.before;
    const released = lock.release();
    gate.resolve(undefined);
    await released;
    await time.advance(300_000);
    expect(recordOf(store).released).toBe("2026-03-01T02:00:30.000Z");
    expect(time.waiting).toBe(0);
  });
});

describe("waiting", () => {
  it("gets the lock as soon as it is released", async () => {
    const { time, acquire } = bench();
    const lock = await acquire("db1");
    const waiting = acquire("db2", { waitMs: 600_000 });
    await time.advance(300_000);
    await lock.release();
    await time.advance(2_000);
    expect((await waiting).fence).toBe(2);
  });

  it("ends with the refusal when the time is over", async () => {
    const { time, acquire } = bench();
    await acquire("db1");
    const waiting = refusal(acquire("db2", { waitMs: 300_000 }));
    await time.advance(300_000);
    expect((await waiting).message).toContain("is held by backup on db1");
  });

  it("ends with the cancellation when the signal aborts", async () => {
    const { time, acquire } = bench();
    await acquire("db1");
    const stop = new AbortController();
    const waiting = refusal(acquire("db2", { waitMs: 300_000, signal: stop.signal }));
    await time.advance(5_000);
    stop.abort();
    await settle();
    expect((await waiting).code).toBe("cancelled");
  });

  it("gives up on a store that refuses every conditional put", async () => {
    const { acquire, store } = bench();
    store.put = () => Promise.resolve(undefined);
    expect((await refusal(acquire("db1"))).message).toBe(`the lock ${key} cannot be taken: 100 conditional puts in a row were refused`);
  });
});
