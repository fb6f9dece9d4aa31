/**
 * The lock where the store honours no conditional writes: a lock file on this host, and an advisory lock in the database
 * that is written about. The first keeps runs of one host apart, the second those of all hosts that reach the same server.
 * What lies at the lock's key in the repository then only tells others who it is. Where no server is reached, the usual lease
 * stands in for the second: it is looked up before it is written, and two hosts that do so in one moment are not kept apart.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";

import { HoldfastError, messageOf } from "../errors.ts";
import type { Session } from "../postgres/session.ts";
import { openLocalStore } from "../store/local.ts";
import type { Store } from "../store/store.ts";
import { acquireLock, type Lock, type LockOptions } from "./lease.ts";
import { encodeLock, lockHeld, type LockRecord, readLock } from "./record.ts";
import { systemTimers } from "./timers.ts";

/** What keeps a run alone where the store cannot. */
export interface Guard {
  /** This host's folder for state; the lock files lie in its folder `locks`. */
  readonly stateDir: string;
  readonly repositoryId: string;
  /** Opens a session of the database that the lock is about; absent where no server is reached. */
  readonly session?: (() => Promise<Session>) | undefined;
}

const pollMs = 2_000;

/**
 * Takes a lock without the store's help, or waits for it.
 * @throws HoldfastError as {@link acquireLock}; `database-unreachable`
 */
export async function acquireGuarded(store: Store, key: string, guard: Guard, options: LockOptions): Promise<Lock> {
  const started = options.clock.now().getTime();
  const host = await acquireLock(openLocalStore(join(guard.stateDir, "locks")), `${guard.repositoryId}/${key}`, options);
  try {
    const waitMs = Math.max(0, (options.waitMs ?? 0) - (options.clock.now().getTime() - started));
    if (guard.session === undefined) return withLease(host, await acquireLock(store, key, { ...options, waitMs, guard: undefined }));
    const session = await guard.session();
    try {
      await takeAdvisory(session, store, key, guard.repositoryId, { ...options, waitMs });
      return await GuardedLock.begin({ store, key, host, session, options, number: advisoryNumber(guard.repositoryId, key) });
    } catch (error) {
      await session.close();
      throw error;
    }
  } catch (error) {
    await host.release();
    throw error;
  }
}

function withLease(host: Lock, lease: Lock): Lock {
  return {
    fence: Math.max(host.fence, lease.fence),
    tookOver: host.tookOver ?? lease.tookOver,
    lost: AbortSignal.any([host.lost, lease.lost]),
    async assertHeld() {
      await host.assertHeld();
      await lease.assertHeld();
    },
    async release() {
      await lease.release();
      await host.release();
    },
  };
}

/** A lock's number among PostgreSQL's advisory locks: 64 bits of a hash, as SQL. */
function advisoryNumber(repositoryId: string, key: string): string {
  return `(${createHash("sha256").update(`holdfast ${repositoryId} ${key}`).digest().readBigInt64BE()})`;
}

async function takeAdvisory(session: Session, store: Store, key: string, repositoryId: string, { clock, waitMs = 0, signal, timers = systemTimers }: LockOptions): Promise<void> {
  const number = advisoryNumber(repositoryId, key);
  const until = clock.now().getTime() + waitMs;
  for (;;) {
    if ((await session.row<{ got: boolean }>(`SELECT pg_try_advisory_lock(${number}) AS got`)).got) return;
    const left = until - clock.now().getTime();
    if (left <= 0) throw await heldElsewhere(session, store, key);
    await timers.sleep(Math.min(pollMs, left), signal);
  }
}

/** Names the holder by what it wrote into the repository; the server knows that there is one. */
async function heldElsewhere(session: Session, store: Store, key: string): Promise<HoldfastError> {
  const found = await readLock(store, key);
  if (found?.record?.released === null) return lockHeld(key, found.record);
  const holders = await session.rows<{ name: string; since: string }>("SELECT a.application_name AS name, a.backend_start::text AS since FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.locktype = 'advisory' AND l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())");
  const who = holders.map(({ name, since }) => `${name} connected since ${since}`).join(", ");
  return new HoldfastError("lock-held", `the lock ${key} is held through an advisory lock of the database${who === "" ? "" : `, by ${who}`}`, { hints: ["Wait for it with `--lock-wait`, or try again later."], details: { key } });
}

interface Held {
  readonly store: Store;
  readonly key: string;
  /** The lock file of this host. */
  readonly host: Lock;
  readonly session: Session;
  readonly options: LockOptions;
  readonly number: string;
}

class GuardedLock implements Lock {
  readonly fence: number;
  readonly tookOver: string | null;
  readonly lost: AbortSignal;
  readonly #held: Held;
  readonly #record: LockRecord;
  readonly #over = new AbortController();
  #stop: () => void = () => undefined;
  #released: Promise<void> | undefined;

  static async begin(held: Held): Promise<GuardedLock> {
    const { store, key, host, options: { actor, action, clock, leaseMs = 120_000 } } = held;
    const before = (await readLock(store, key))?.record;
    const now = clock.now().getTime();
    const record: LockRecord = {
      format: 1, holder: `guarded-${host.fence}-${process.pid}`, host: actor.host, user: actor.user, pid: process.pid, action,
      since: new Date(now).toISOString(), expires: new Date(now + leaseMs).toISOString(), fence: Math.max(host.fence, (before?.fence ?? 0) + 1), released: null,
    };
    await store.put(key, encodeLock(record));
    return new GuardedLock(held, record);
  }

  private constructor(held: Held, record: LockRecord) {
    this.#held = held;
    this.#record = record;
    this.fence = record.fence;
    this.tookOver = held.host.tookOver;
    this.lost = AbortSignal.any([held.host.lost, this.#over.signal]);
    this.#beat();
  }

  async assertHeld(): Promise<void> {
    if (this.#released !== undefined) throw new HoldfastError("lock-held", `the lock ${this.#held.key} was given back before`);
    await this.#held.host.assertHeld();
    await this.#ask();
    this.lost.throwIfAborted();
  }

  release(): Promise<void> {
    this.#released ??= this.#release();
    return this.#released;
  }

  #beat(): void {
    const { timers = systemTimers, heartbeatMs = 30_000 } = this.#held.options;
    this.#stop = timers.after(heartbeatMs, () => {
      void this.#ask().then(() => this.#tell()).then(() => { if (this.#released === undefined && !this.lost.aborted) this.#beat(); });
    });
  }

  /** Those who reach no server have nothing but what lies at the key. */
  async #tell(): Promise<void> {
    if (this.#released !== undefined || this.lost.aborted) return;
    const { store, key, options: { clock, leaseMs = 120_000 } } = this.#held;
    await store.put(key, encodeLock({ ...this.#record, expires: new Date(clock.now().getTime() + leaseMs).toISOString() })).catch(() => undefined);
  }

  /** The server's word that the session still holds it. A session that is gone took the lock with it. */
  async #ask(): Promise<void> {
    const { session, number, key } = this.#held;
    if (this.#released !== undefined || this.lost.aborted) return;
    try {
      const { held } = await session.row<{ held: boolean }>(
        `SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted AND objsubid = 1 AND (classid::bigint << 32 | objid::bigint) = ${number}) AS held`,
      );
      if (!held) this.#lose(key, "the server no longer knows it");
    } catch (error) {
      this.#lose(key, messageOf(error));
    }
  }

  #lose(key: string, why: string): void {
    this.#stop();
    if (this.#released === undefined) this.#over.abort(new HoldfastError("lock-held", `the lock ${key} was lost with its database session: ${why}`, { hints: ["Run the command again."] }));
  }

  async #release(): Promise<void> {
    this.#stop();
    const { store, key, host, session, options: { clock } } = this.#held;
    if (!this.lost.aborted) await store.put(key, encodeLock({ ...this.#record, released: clock.now().toISOString() })).then(() => undefined, () => undefined);
    await session.close();
    await host.release();
  }
}
