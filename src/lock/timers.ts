import { setTimeout as sleep } from "node:timers/promises";

import { cancelled } from "../errors.ts";

/** Waiting, so that tests can make time pass. */
export interface Timers {
  /** Calls `work` once after so many milliseconds, without keeping the process alive for it. @returns takes it back */
  after(milliseconds: number, work: () => void): () => void;
  /** Waits so many milliseconds, or rejects with the cancellation. */
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void>;
}

export const systemTimers: Timers = {
  after(milliseconds, work) {
    const timer = setTimeout(work, milliseconds).unref();
    return () => { clearTimeout(timer); };
  },
  async sleep(milliseconds, signal) {
    await sleep(milliseconds, undefined, signal && { signal }).catch((error: unknown) => {
      throw signal?.aborted === true ? cancelled(signal) : error;
    });
  },
};
