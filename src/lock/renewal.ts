import { HoldfastError } from "../errors.ts";
import type { Store } from "../store/store.ts";
import type { Lock } from "./lease.ts";
import { type FoundLock, type LockRecord, encodeLock, lockHeld, readLock } from "./record.ts";
import type { Timers } from "./timers.ts";

export interface RenewalOptions {
  readonly store: Store;
  readonly key: string;
  /** Milliseconds of the clock that all holders share. */
  readonly now: () => number;
  readonly timers: Timers;
  readonly leaseMs: number;
  readonly heartbeatMs: number;
  readonly record: LockRecord;
  readonly version: string;
  readonly tookOver: string | null;
}

/**
 * A lock that we hold, kept by its heartbeat. A lease that ran out is lost for good, even if nobody took it: work goes
 * on only under an unbroken one. Everything that writes waits its turn, so that `version` is always the last of ours.
 */
export class Renewal implements Lock {
  readonly fence: number;
  readonly tookOver: string | null;
  readonly #options: RenewalOptions;
  readonly #lost = new AbortController();
  #record: LockRecord;
  #version: string;
  #turn: Promise<unknown> = Promise.resolve();
  #stopHeartbeat: () => void = () => undefined;
  #stopDeadline: () => void = () => undefined;
  #released: Promise<void> | undefined;
  /** Why the last heartbeat failed, if it did. */
  #failure: unknown;

  constructor(options: RenewalOptions) {
    this.#options = options;
    this.fence = options.record.fence;
    this.tookOver = options.tookOver;
    this.#record = options.record;
    this.#version = options.version;
    this.#held(options.record, options.version);
    this.#beat();
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  async assertHeld(): Promise<void> {
    if (this.#released !== undefined) throw new HoldfastError("lock-held", `the lock ${this.#options.key} was given back before`);
    await this.#inTurn(() => this.#renew());
    this.#loseIfOver();
    this.lost.throwIfAborted();
  }

  release(): Promise<void> {
    this.#released ??= this.#release();
    return this.#released;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  #beat(): void {
    const { timers, heartbeatMs } = this.#options;
    // After a failure sooner, so that the whole lease is used; if no beat succeeds, the deadline ends it and tells why.
    this.#stopHeartbeat = timers.after(this.#failure === undefined ? heartbeatMs : heartbeatMs / 4, () => {
      void this.#inTurn(() => this.#renew())
        .catch((error: unknown) => { this.#failure = error; })
        .then(() => { if (this.#released === undefined && !this.lost.aborted) this.#beat(); });
    });
  }

  async #renew(): Promise<void> {
    this.#loseIfOver();
    if (this.lost.aborted || this.#released !== undefined) return;
    const { store, key, now, leaseMs } = this.#options;
    const renewed = { ...this.#record, expires: new Date(now() + leaseMs).toISOString() };
    const version = await store.put(key, encodeLock(renewed), { ifVersion: this.#version });
    if (version !== undefined) {
      this.#held(renewed, version);
      return;
    }
    const found = await readLock(store, key);
    // An earlier renewal whose answer was lost: the object is ours, only newer than we knew.
    if (found?.record?.holder === this.#record.holder) this.#held(found.record, found.version);
    else this.#lose(taken(key, found));
  }

  /** The lease is ours until the record's end: from here a timer ends it unless it is renewed before. */
  #held(record: LockRecord, version: string): void {
    this.#record = record;
    this.#version = version;
    this.#failure = undefined;
    this.#watch();
  }

  #watch(): void {
    const { timers, now } = this.#options;
    this.#stopDeadline();
    if (this.lost.aborted || this.#released !== undefined) return;
    this.#stopDeadline = timers.after(Math.max(1, Date.parse(this.#record.expires) - now()), () => {
      this.#loseIfOver();
      // A timer may fire a little before the clock says so.
      this.#watch();
    });
  }

  #loseIfOver(): void {
    const { key, now } = this.#options;
    if (this.lost.aborted || now() < Date.parse(this.#record.expires)) return;
    this.#lose(
      new HoldfastError("lock-held", `the lock ${key} was lost: its lease ran out at ${this.#record.expires} without being renewed`, {
        hints: ["Run the command again; check that the repository answers and that this host was not suspended."],
        cause: this.#failure,
      }),
    );
  }

  #lose(reason: HoldfastError): void {
    this.#stopHeartbeat();
    this.#stopDeadline();
    if (this.#released === undefined) this.#lost.abort(reason);
  }

  async #release(): Promise<void> {
    this.#stopHeartbeat();
    this.#stopDeadline();
    const { store, key, now } = this.#options;
    await this.#inTurn(async () => {
      this.#stopDeadline();
      const tombstone = () => encodeLock({ ...this.#record, released: new Date(now()).toISOString() });
      if ((await store.put(key, tombstone(), { ifVersion: this.#version })) !== undefined) return;
      const found = await readLock(store, key);
      if (found?.record?.holder === this.#record.holder && found.record.released === null) await store.put(key, tombstone(), { ifVersion: found.version });
    }).catch(() => undefined);
  }
}

function taken(key: string, found: FoundLock | undefined): HoldfastError {
  if (found?.record?.released === null) return lockHeld(key, found.record);
  const how = found === undefined ? "its object was removed" : found.record === undefined ? "its object was overwritten" : "another took it and gave it back";
  return new HoldfastError("lock-held", `the lock ${key} was lost: ${how}`, { hints: ["Run the command again."] });
}
