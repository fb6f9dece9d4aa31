/**
 * A source that can be stopped from outside while somebody waits for its next bytes. (A generator cannot: it hears of
 * `return` only once its own wait is over.)
 */
export class Inlet implements AsyncIterableIterator<Uint8Array> {
  readonly #source: AsyncIterable<Uint8Array> & Partial<AsyncDisposable>;
  readonly #iterator: AsyncIterator<Uint8Array>;
  readonly #onBytes: ((bytes: number) => void) | undefined;
  #bytes = 0;
  #waiting: ((error: Error) => void) | undefined;
  #stopped: Error | undefined;
  #closing: Promise<unknown> | undefined;

  constructor(source: AsyncIterable<Uint8Array>, onBytes?: (bytes: number) => void) {
    this.#source = source;
    this.#iterator = source[Symbol.asyncIterator]();
    this.#onBytes = onBytes;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Uint8Array, undefined>> {
    if (this.#stopped !== undefined) return Promise.reject(this.#stopped);
    return new Promise((resolve, reject) => {
      this.#waiting = reject;
      this.#iterator
        .next()
        .then((next) => {
          this.#waiting = undefined;
          if (next.done === true) {
            resolve({ done: true, value: undefined });
            return;
          }
          this.#bytes += next.value.length;
          this.#onBytes?.(this.#bytes);
          resolve(next);
        })
        .catch((error: unknown) => {
          this.#waiting = undefined;
          reject(error instanceof Error ? error : new Error(String(error)));
        });
    });
  }

  async return(): Promise<IteratorResult<Uint8Array, undefined>> {
    await this.close();
    return { done: true, value: undefined };
  }

  /** Fails the pending and every later `next` with `error`, never with an end that could pass for the source's own, and closes the source. */
  stop(error: Error): void {
    this.#stopped ??= error;
    void this.close();
    this.#waiting?.(this.#stopped);
  }

  /**
   * Ends the source and waits until it is gone. A source with `Symbol.asyncDispose` (a Readable, a tool's output) is
   * disposed of. Any other is told to return, and waited for unless it is itself waiting for bytes.
   */
  async close(): Promise<void> {
    this.#closing ??= this.#end().catch(() => undefined);
    await this.#closing;
  }

  async #end(): Promise<unknown> {
    // A generator is its own iterator, and its asyncDispose no more than its `return`.
    const iterator: unknown = this.#iterator;
    if (iterator !== this.#source && this.#source[Symbol.asyncDispose] !== undefined) return this.#source[Symbol.asyncDispose]?.();
    const returned = this.#iterator.return?.();
    if (this.#waiting === undefined) return returned;
    returned?.catch(() => undefined);
    return undefined;
  }
}
