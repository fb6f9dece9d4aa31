/** A source of bytes that can be left behind at once, also while it gives nothing. */
import { cancelled, throwIfCancelled } from "../errors.ts";

/** The source failed, not the store; `cause` is what it threw, and what the caller of the store gets. */
export class SourceFailure extends Error {
  override readonly name = "SourceFailure";

  constructor(cause: unknown) {
    super("the source failed", { cause });
  }
}

/**
 * Passes `source` on; when `signal` aborts, throws the cancellation without waiting for a chunk that may never come,
 * and tells the source to end.
 * @throws SourceFailure around whatever the source throws
 */
export async function* cancellable<T>(source: AsyncIterable<T>, signal: AbortSignal | undefined): AsyncGenerator<T, void, undefined> {
  const iterator = source[Symbol.asyncIterator]();
  let stop: (() => void) | undefined;
  const onAbort = () => stop?.();
  signal?.addEventListener("abort", onAbort);
  let ended = false;
  try {
    for (;;) {
      throwIfCancelled(signal);
      // One promise a chunk: racing each chunk against one long-lived promise would keep every one of them in memory.
      const next = await new Promise<IteratorResult<T, unknown>>((resolve, reject) => {
        stop = () => { reject(cancelled(signal)); };
        iterator.next().then(resolve, (error: unknown) => {
          ended = true;
          reject(new SourceFailure(error));
        });
      });
      if (next.done === true) {
        ended = true;
        return;
      }
      yield next.value;
    }
  } finally {
    signal?.removeEventListener("abort", onAbort);
    // Not awaited: a generator that waits inside answers only when its wait is over.
    if (!ended) void iterator.return?.().catch(() => undefined);
  }
}

export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

/** What `work` gives, or the cancellation as soon as `signal` aborts; `work` then goes on unobserved. */
export async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  throwIfCancelled(signal);
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => { reject(cancelled(signal)); };
    signal.addEventListener("abort", onAbort);
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    if (onAbort) signal.removeEventListener("abort", onAbort);
  }
}
