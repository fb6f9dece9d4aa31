/** What a lock promises on every store with conditional puts. */
import { expect, it } from "vitest";

import { HoldfastError } from "../../src/errors.ts";
import { type Lock, acquireLock, lockKey } from "../../src/lock/lease.ts";
import type { Clock } from "../../src/ports.ts";
import type { Store } from "../../src/store/store.ts";

const clock: Clock = { now: () => new Date() };
const options = { action: "backup", actor: { user: "postgres", host: "db1" }, clock };

/**
 * Declares the contract's tests.
 * @param open - a store, made for one test
 * @param rounds - of the race; fewer on a store behind a network
 */
export function lockContract(open: () => Promise<Store>, rounds = 200): void {
  it(`gives a race of eight one winner, ${rounds} times`, async () => {
    const store = await open();
    const key = lockKey("ehr");
    for (let round = 1; round <= rounds; round += 1) {
      const results = await Promise.allSettled(Array.from({ length: 8 }, () => acquireLock(store, key, options)));
      const won = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
      const refused = results.flatMap((result) => (result.status === "rejected" ? [result.reason as unknown] : []));
      expect(won).toHaveLength(1);
      expect(refused.map((error) => (error instanceof HoldfastError ? error.code : error))).toEqual(Array(7).fill("lock-held"));
      const [winner] = won as [Lock];
      expect(winner.fence).toBe(round);
      await winner.assertHeld();
      await winner.release();
    }
  });

  it("passes from one to the next when they wait", async () => {
    const store = await open();
    const fences: number[] = [];
    let inside = 0;
    await Promise.all(
      Array.from({ length: 4 }, async () => {
        const lock = await acquireLock(store, lockKey("ehr"), { ...options, waitMs: 60_000, timers: quickTimers });
        inside += 1;
        expect(inside).toBe(1);
        await lock.assertHeld();
        fences.push(lock.fence);
        inside -= 1;
        await lock.release();
      }),
    );
    expect(fences).toEqual([1, 2, 3, 4]);
  });

  it("keeps databases and names apart", async () => {
    const store = await open();
    const locks = await Promise.all([lockKey("ehr"), lockKey("billing"), lockKey("ehr", "restore")].map((key) => acquireLock(store, key, options)));
    expect(locks.map(({ fence }) => fence)).toEqual([1, 1, 1]);
    for (const lock of locks) await lock.release();
  });
}

/** Polls as fast as the store answers; heartbeats are never due. */
const quickTimers = {
  after: () => () => undefined,
  sleep: () => new Promise<void>((resolve) => setImmediate(resolve)),
};
