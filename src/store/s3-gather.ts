/** Gathers a stream into parts of one size, in buffers that are used again: a fresh buffer a part costs more than the copy. */

export interface Part {
  readonly number: number;
  readonly bytes: Buffer;
  /** The source has ended with this part. */
  readonly last: boolean;
  /** Gives the buffer back; `bytes` must not be touched afterwards. */
  readonly release: () => void;
}

/** At most `most` buffers of `size` bytes; whoever needs one more waits until another is given back. */
class Buffers {
  readonly #free: Buffer[] = [];
  readonly #waiting: ((buffer: Buffer) => void)[] = [];
  readonly #size: number;
  #left: number;

  constructor(size: number, most: number) {
    this.#size = size;
    this.#left = most;
  }

  take(): Buffer | Promise<Buffer> {
    const free = this.#free.pop();
    if (free) return free;
    if (this.#left > 0) {
      this.#left--;
      // The system gives memory page by page as it is written: a short stream never pays for a whole part.
      return Buffer.allocUnsafeSlow(this.#size);
    }
    return new Promise((resolve) => { this.#waiting.push(resolve); });
  }

  give(buffer: Buffer): void {
    const next = this.#waiting.shift();
    if (next) next(buffer);
    else this.#free.push(buffer);
  }
}

/** Cuts `source` into parts of exactly `partBytes`, the last one shorter; an empty source gives one empty part. */
export async function* gather(source: AsyncIterable<Uint8Array>, partBytes: number, most: number): AsyncGenerator<Part, void, undefined> {
  const buffers = new Buffers(partBytes, most);
  const cut = (buffer: Buffer, number: number, length: number, last: boolean): Part => ({
    number,
    bytes: buffer.subarray(0, length),
    last,
    release: () => { buffers.give(buffer); },
  });
  let buffer = await buffers.take();
  let filled = 0;
  let number = 1;
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length; ) {
      // Cut only when more comes, so that the last part is known to be the last also when it is full.
      if (filled === partBytes) {
        yield cut(buffer, number++, filled, false);
        buffer = await buffers.take();
        filled = 0;
      }
      const end = Math.min(chunk.length, at + partBytes - filled);
      buffer.set(at === 0 && end === chunk.length ? chunk : chunk.subarray(at, end), filled);
      filled += end - at;
      at = end;
    }
  }
  yield cut(buffer, number, filled, true);
}
