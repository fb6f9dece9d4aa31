import { createHash } from "node:crypto";

/** Counts and hashes the bytes that pass through it, once. */
export class Digest {
  readonly #hash = createHash("sha256");
  #hex: string | undefined;
  #bytes = 0;

  /** `source`, unchanged, and looked at on its way. */
  async *through<T extends Uint8Array>(source: AsyncIterable<T>): AsyncGenerator<T, void, undefined> {
    for await (const bytes of source) {
      this.#hash.update(bytes);
      this.#bytes += bytes.length;
      yield bytes;
    }
  }

  /** Bytes so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The SHA-256 in hexadecimal. Ask once the stream has ended: asking closes the hash. */
  get sha256(): string {
    return (this.#hex ??= this.#hash.digest("hex"));
  }
}

export function newDigest(): Digest {
  return new Digest();
}
