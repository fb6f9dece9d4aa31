/**
 * The one place that joins streams, so that one failure fails all: a failing source fails the stages behind it, a
 * failing stage or a consumer that stops ends the source, an aborted signal ends both at once.
 */
import { cancelled, throwIfCancelled } from "../errors.ts";
import { Inlet } from "./inlet.ts";

export interface JoinOptions {
  /** Called with the bytes taken from the source so far. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * `source` through `stages`. Nothing runs before the first byte is asked for.
 * After the end, however it came, the source is closed (see {@link Inlet.close}).
 */
export function joined(source: AsyncIterable<Uint8Array>, stages: (source: AsyncIterable<Uint8Array>) => AsyncIterable<Buffer>, options: JoinOptions = {}): AsyncIterable<Buffer> {
  const { signal, onBytes } = options;
  return {
    [Symbol.asyncIterator]() {
      const inlet = new Inlet(source, onBytes);
      const outlet = stages(inlet)[Symbol.asyncIterator]();
      const abort = (): void => {
        inlet.stop(cancelled(signal));
      };
      signal?.addEventListener("abort", abort, { once: true });
      const close = async (): Promise<void> => {
        signal?.removeEventListener("abort", abort);
        // First the source: a stage that waits for its bytes would never hear that nobody wants them.
        inlet.stop(new Error("the consumer stopped"));
        await outlet.return?.();
        await inlet.close();
      };
      return {
        async next() {
          try {
            throwIfCancelled(signal);
            const next = await outlet.next();
            if (next.done === true) await close();
            return next;
          } catch (error) {
            await close();
            throw signal?.aborted === true ? cancelled(signal) : error;
          }
        },
        async return() {
          await close();
          return { done: true, value: undefined };
        },
      };
    },
  };
}
