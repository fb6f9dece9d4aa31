/**
 * One writer per database and repository: a small object, written with conditional puts, that is held for the length
 * of a lease and renewed by a heartbeat. A holder that dies blocks the others for one lease and no longer.
 *
 * All times are the store's where it has a clock, so that hosts whose clocks disagree agree about the end of a lease.
 * Giving back leaves the object as a tombstone: a removal cannot be conditional, and `fence` would start anew.
 */
import { randomBytes } from "node:crypto";

import { HoldfastError, throwIfCancelled } from "../errors.ts";
import type { Clock } from "../ports.ts";
import type { Store } from "../store/store.ts";
import { isUnconditional } from "../store/unconditional.ts";
import { acquireGuarded, type Guard } from "./guarded.ts";
import { type FoundLock, type LockRecord, describe, encodeLock, lockHeld, readLock } from "./record.ts";
import { Renewal } from "./renewal.ts";
import { type Timers, systemTimers } from "./timers.ts";

export interface LockOptions {
  /** What the lock is wanted for, for those who are refused: `backup`. */
  readonly action: string;
  readonly actor: { readonly user: string; readonly host: string };
  readonly clock: Clock;
  /** Milliseconds for which it is held without a heartbeat. */
  readonly leaseMs?: number;
  readonly heartbeatMs?: number;
  /** Milliseconds to wait for another holder; 0 refuses at once. */
  readonly waitMs?: number;
  /** Ends the waiting. A lock that was got is not given back by it. */
  readonly signal?: AbortSignal | undefined;
  readonly timers?: Timers;
  /** What keeps the run alone if the store honours no conditional writes. */
  readonly guard?: Guard | undefined;
}

export interface Lock {
  /** Greater than that of every holder before. */
  readonly fence: number;
  /** Whose lease had run out, or what lay in the lock's place, as a sentence for a warning; null if it was free. */
  readonly tookOver: string | null;
  /** Aborts, with the HoldfastError `lock-held` as its reason, when somebody else took the lock or it could not be renewed in time. */
  readonly lost: AbortSignal;
  /**
   * Proves by a conditional renewal that the lock is still ours, and for a whole lease from now. To be called right before publishing.
   * @throws HoldfastError `lock-held` if it is not; it will not be again. What the store throws, if it fails
   */
  assertHeld(): Promise<void>;
  /** Gives the lock back if it is still ours. Never rejects: one that cannot be given back runs out by itself. */
  release(): Promise<void>;
}

const pollMs = 2_000;
/** After a lease has run out on the store's clock, which may count in whole seconds, its holder is sure to know. */
const graceMs = 2_000;
const mostLostPuts = 100;

/** The key of a database's lock. */
export function lockKey(database: string, name = "write"): string {
  return `${database}/locks/${name}.json`;
}

/**
 * Takes a lock, or waits for it.
 * @throws HoldfastError `lock-held` naming the holder; `cancelled`; what the store throws
 */
export async function acquireLock(store: Store, key: string, options: LockOptions): Promise<Lock> {
  if (options.guard !== undefined && isUnconditional(store)) return acquireGuarded(store, key, options.guard, options);
  const { action, actor, clock, leaseMs = 120_000, heartbeatMs = 30_000, waitMs = 0, signal, timers = systemTimers } = options;
  const now = await sharedTime(store, clock);
  const patience = now() + waitMs;
  const holder = randomBytes(16).toString("hex");
  let tookOver: string | null = null;

  for (let lostPuts = 0; lostPuts < mostLostPuts; ) {
    throwIfCancelled(signal);
    const found = await readLock(store, key);
    const hold = (record: LockRecord, version: string) => new Renewal({ store, key, now, timers, leaseMs, heartbeatMs, record, version, tookOver });
    // Our put was answered with "somebody was first", and it was us: a retry below met its own first try.
    if (found?.record?.holder === holder) return hold(found.record, found.version);

    const end = found === undefined ? -Infinity : await endOf(store, key, found, leaseMs);
    if (end <= now()) {
      tookOver = found === undefined ? null : inheritance(key, found);
      const record: LockRecord = {
        format: 1, holder, host: actor.host, user: actor.user, pid: process.pid, action,
        since: new Date(now()).toISOString(), expires: new Date(now() + leaseMs).toISOString(), fence: nextFence(found, now()), released: null,
      };
      const version = await store.put(key, encodeLock(record), found === undefined ? { ifAbsent: true } : { ifVersion: found.version });
      if (version !== undefined) return hold(record, version);
      lostPuts += 1;
      continue;
    }
    if (now() >= patience) throw found?.record === undefined ? unreadable(key, end) : lockHeld(key, found.record);
    await timers.sleep(Math.max(1, Math.min(pollMs, patience - now(), end - now())), signal);
  }
  throw new HoldfastError("store-failed", `the lock ${key} cannot be taken: ${mostLostPuts} conditional puts in a row were refused`, {
    hints: ["Run `holdfast doctor` to see whether the repository's storage honours conditional puts."],
  });
}

/** Milliseconds of the store's clock, or of our own where it has none or will not tell. */
async function sharedTime(store: Store, clock: Clock): Promise<() => number> {
  const theirs = await store.clock().catch(() => undefined);
  const offset = theirs === undefined ? 0 : theirs.getTime() - clock.now().getTime();
  return () => clock.now().getTime() + offset;
}

/** From when on a lock that was found may be taken. One that cannot be read is held for a lease from its last change. */
async function endOf(store: Store, key: string, { record }: FoundLock, leaseMs: number): Promise<number> {
  if (record === undefined) {
    const object = await store.head(key);
    return object === undefined ? -Infinity : object.modified.getTime() + leaseMs + graceMs;
  }
  return record.released === null ? Date.parse(record.expires) + graceMs : -Infinity;
}

/** Where the count was lost it goes on from the clock's seconds, which no number of acquisitions has reached. */
function nextFence(found: FoundLock | undefined, now: number): number {
  if (found === undefined) return 1;
  return found.record === undefined ? Math.floor(now / 1000) : found.record.fence + 1;
}

function inheritance(key: string, { record }: FoundLock): string | null {
  if (record === undefined) return `the lock ${key} could not be read and was replaced after a lease had passed`;
  return record.released === null ? `the lock ${key} was left by ${describe(record)}, and its lease ran out at ${record.expires}` : null;
}

function unreadable(key: string, end: number): HoldfastError {
  const until = new Date(end).toISOString();
  return new HoldfastError("lock-held", `the lock ${key} cannot be read and counts as held until ${until}, one lease after its last change`, {
    hints: [`It is replaced by itself after ${until}; wait for it with \`--lock-wait\`, or try again later.`],
    details: { key, expires: until },
  });
}
