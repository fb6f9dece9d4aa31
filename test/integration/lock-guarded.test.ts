/** The lock of a store without conditional writes: lock files of several hosts, and a real server's advisory lock. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";

import { HoldfastError } from "../../src/errors.ts";
import { acquireLock, type Lock, type LockOptions } from "../../src/lock/lease.ts";
import { openSession } from "../../src/postgres/session.ts";
import type { Store } from "../../src/store/store.ts";
import { isUnconditional, withoutConditions } from "../../src/store/unconditional.ts";
import { memoryStore } from "../harness/memory-store.ts";
import { createDatabase, type TestDatabase, withSession } from "../harness/postgres.ts";

const key = "ehr/locks/backup.json";

/** A store that takes every conditional put for a plain one, as some servers do. */
function deafStore(): Store {
  const store = memoryStore();
  const put = store.put.bind(store);
  store.put = (at, bytes) => put(at, bytes);
  return withoutConditions(store);
}

interface Bench {
  readonly store: Store;
  readonly database: TestDatabase;
  readonly acquire: (host: string, more?: Partial<LockOptions>, withServer?: boolean) => Promise<Lock>;
}

async function bench(): Promise<Bench> {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-guarded-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const database = await createDatabase();
  const store = deafStore();
  return {
    store,
    database,
    acquire: async (host, more = {}, withServer = true) => {
      const lock = await acquireLock(store, key, {
        action: "backup", actor: { user: "postgres", host }, clock: { now: () => new Date() },
        guard: { stateDir: join(folder, host), repositoryId: "one", ...(withServer && { session: () => openSession(database.target, { applicationName: "holdfast lock" }) }) },
        ...more,
      });
      onTestFinished(() => lock.release());
      return lock;
    },
  };
}

const refusal = (attempt: Promise<unknown>): Promise<HoldfastError> =>
  attempt.then(
    () => { throw new Error("was not refused"); },
    (error: unknown) => {
      if (error instanceof HoldfastError) return error;
      throw error;
    },
  );

/** The backend's end is the server's doing: what the lock's session hears of it comes a little later. */
async function endBackends(database: string): Promise<void> {
  await withSession("postgres", (admin) => admin.rows(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${database}' AND application_name = 'holdfast lock'`));
}

test("eight hosts that race have one winner each time, though the store decides nothing", async () => {
  const { acquire } = await bench();
  for (let round = 1; round <= 5; round += 1) {
    const results = await Promise.allSettled(Array.from({ length: 8 }, (_, n) => acquire(`host${n}`)));
    const won = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
    expect(won).toHaveLength(1);
    expect(results.flatMap((result) => (result.status === "rejected" ? [(result.reason as HoldfastError).code] : []))).toEqual(Array(7).fill("lock-held"));
    await won[0]?.assertHeld();
    await won[0]?.release();
  }
}, 120_000);

test("the same race without the guard has several winners: the store really decides nothing", async () => {
  const { acquire } = await bench();
  let most = 0;
  for (let round = 1; round <= 5 && most < 2; round += 1) {
    const results = await Promise.allSettled(Array.from({ length: 8 }, (_, n) => acquire(`host${n}`, { guard: undefined })));
    const won = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
    most = Math.max(most, won.length);
    for (const lock of won) await lock.release();
  }
  expect(most).toBeGreaterThan(1);
});

test("who is refused is told the holder, its host and since when, by another host and by the same one", async () => {
  const { acquire, store } = await bench();
  const lock = await acquire("db1");
  const { since } = JSON.parse((await store.get(key))!.bytes.toString()) as { since: string };
  const other = await refusal(acquire("db2"));
  expect(other).toMatchObject({ code: "lock-held", exitCode: 11 });
  expect(other.message).toContain(`is held by backup on db1 (user postgres, pid ${process.pid}) since ${since}`);
  expect((await refusal(acquire("db1"))).message).toMatch(/is held by backup on db1 \(user postgres, pid \d+\) since /);
  await lock.release();
  const next = await acquire("db2");
  expect(next.fence).toBeGreaterThan(lock.fence);
});

test("without what the holder wrote, or with garbage in its place, the server still tells that there is one", async () => {
  for (const spoil of [(store: Store) => store.delete(key), (store: Store) => store.put(key, Buffer.from("garbage"))]) {
    const { acquire, store } = await bench();
    await acquire("db1");
    await spoil(store);
    expect((await refusal(acquire("db2"))).message).toMatch(/is held through an advisory lock of the database, by holdfast lock connected since \d{4}-/);
  }
});

test("who waits gets it when the holder gives it back", async () => {
  const { acquire } = await bench();
  const lock = await acquire("db1");
  const waiting = acquire("db2", { waitMs: 60_000 });
  await lock.release();
  await (await waiting).assertHeld();
});

test("a session that the server ended has lost the lock: it cannot publish, and another host can take it", async () => {
  const { acquire, database } = await bench();
  const lock = await acquire("db1");
  await endBackends(database.name);
  expect((await refusal(lock.assertHeld())).message).toMatch(/was lost with its database session/);
  expect(lock.lost.aborted).toBe(true);
  await (await acquire("db2")).assertHeld();
});

test("the heartbeat finds a lost session", async () => {
  const { acquire, database } = await bench();
  const lock = await acquire("db1", { heartbeatMs: 50 });
  const lost = new Promise<void>((resolve) => { lock.lost.addEventListener("abort", () => { resolve(); }); });
  await endBackends(database.name);
  await lost;
  expect(lock.lost.reason).toMatchObject({ code: "lock-held" });
});

test("where no server is reached, the lock file keeps the runs of one host apart, and a look at the lease those of others", async () => {
  const { acquire } = await bench();
  const lock = await acquire("db1", {}, false);
  await lock.assertHeld();
  for (const host of ["db1", "db2"]) expect((await refusal(acquire(host, {}, false))).message).toContain("is held by backup on db1");
  await lock.release();
  const next = await acquire("db2", {}, false);
  expect(next.fence).toBeGreaterThan(lock.fence);
  await next.assertHeld();
});

test("without a server eight runs of one host that race have one winner each time", async () => {
  const { acquire } = await bench();
  for (let round = 1; round <= 5; round += 1) {
    const results = await Promise.allSettled(Array.from({ length: 8 }, () => acquire("db1", {}, false)));
    const won = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
    expect(won).toHaveLength(1);
    await won[0]?.assertHeld();
    await won[0]?.release();
  }
}, 120_000);

test("whoever reaches no server finds a holder that does, also one whose first lease is over", async () => {
  const { acquire, store } = await bench();
  const holder = await acquire("db1", { leaseMs: 2_000, heartbeatMs: 50 });
  const first = JSON.parse((await store.get(key))!.bytes.toString()) as { expires: string };
  await expect.poll(async () => (JSON.parse((await store.get(key))!.bytes.toString()) as { expires: string }).expires > first.expires, { timeout: 20_000, interval: 20 }).toBe(true);
  expect((await refusal(acquire("db2", {}, false))).message).toContain("is held by backup on db1");
  await holder.release();
  await (await acquire("db2", {}, false)).assertHeld();
});

test("a store without conditional writes reads, lists and writes as before, and looks before it writes", async () => {
  const store = deafStore();
  expect(isUnconditional(store)).toBe(true);
  expect(isUnconditional(memoryStore())).toBe(false);
  const version = await store.put("a/b", Buffer.from("one"), { ifAbsent: true });
  expect(await store.put("a/b", Buffer.from("two"), { ifAbsent: true })).toBeUndefined();
  expect(await store.put("a/b", Buffer.from("two"), { ifVersion: "another" })).toBeUndefined();
  expect(await store.put("a/b", Buffer.from("two"), { ifVersion: version ?? "" })).toBeDefined();
  expect((await store.get("a/b"))?.bytes.toString()).toBe("two");
  const keys: string[] = [];
  for await (const object of store.list("")) keys.push(object.key);
  expect(keys).toEqual(["a/b"]);
});

