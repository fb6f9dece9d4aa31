/** What holds after a cancellation is the story's to say: the signal knows only that it came. */
import { HoldfastError } from "../errors.ts";

/** A cancellation with what holds now added to its message; any other error as it is. */
export function cancellationSaying(error: unknown, whatHolds: string): unknown {
  if (!(error instanceof HoldfastError) || error.code !== "cancelled") return error;
  return new HoldfastError("cancelled", `${error.message}; ${whatHolds}`, { hints: error.hints, cause: error.cause ?? error });
}

/** Of the seconds that a signal leaves a run: the rest is for the timeline's entry. */
const cleaningMs = 3_000;

/**
 * For a store that does not answer: waits for the work that it is given, but not longer than some seconds after `signal`
 * aborted; then gives undefined, and the work goes on unobserved.
 */
export function patienceAfter(signal: AbortSignal): <T>(work: Promise<T>) => Promise<T | undefined> {
  const over = new Promise<undefined>((resolve) => {
    const begin = (): void => { setTimeout(() => { resolve(undefined); }, cleaningMs).unref(); };
    if (signal.aborted) begin();
    else signal.addEventListener("abort", begin, { once: true });
  });
  return (work) => Promise.race([work, over]);
}
