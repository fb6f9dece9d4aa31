/** A clock and its timers, which move only when the test says so. */
import { cancelled } from "../../src/errors.ts";
import type { Timers } from "../../src/lock/timers.ts";
import type { Clock } from "../../src/ports.ts";

export class FakeTime implements Clock, Timers {
  #now: number;
  readonly #timers = new Set<{ readonly due: number; readonly work: () => void }>();

  constructor(now = "2026-03-01T02:00:00.000Z") {
    this.#now = Date.parse(now);
  }

  now(): Date {
    return new Date(this.#now);
  }

  after(milliseconds: number, work: () => void): () => void {
    const timer = { due: this.#now + milliseconds, work };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const stop = this.after(milliseconds, resolve);
      signal?.addEventListener("abort", () => {
        stop();
        reject(cancelled(signal));
      });
    });
  }

  /** How many timers wait. */
  get waiting(): number {
    return this.#timers.size;
  }

  /** The clock goes on while nothing runs: a suspended host, a blocked event loop. */
  jump(milliseconds: number): void {
    this.#now += milliseconds;
  }

  /** Lets time pass: each timer fires at its own moment, and what it started settles before the next. */
  async advance(milliseconds: number): Promise<void> {
    const end = this.#now + milliseconds;
    await settle();
    for (;;) {
      const [next] = [...this.#timers].filter(({ due }) => due <= end).sort((a, b) => a.due - b.due);
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.due);
      next.work();
      await settle();
    }
    this.#now = Math.max(this.#now, end);
  }
}

/** Waits until everything that can go on without time passing has done so. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
