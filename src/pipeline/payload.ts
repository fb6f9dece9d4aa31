/**
 * The payload of an age file, the STREAM construction on node:crypto: chunks of 64 KiB, each sealed with
 * ChaCha20-Poly1305 under an 11-byte counter and a byte that says whether it is the last. Only the last chunk may be
 * short, and only a payload's single chunk may be empty.
 */
import { createCipheriv, createDecipheriv, hkdfSync } from "node:crypto";

import { HoldfastError } from "../errors.ts";

export const payloadNonceBytes = 16;

const chunkBytes = 64 * 1024;
const tagBytes = 16;
const sealedChunkBytes = chunkBytes + tagBytes;
/** Chunks that leave together: 1 MiB costs the stages behind us a sixteenth of the steps. */
const batchChunks = 16;

/** The key of the payload that starts with `nonce`. */
export function payloadKey(fileKey: Uint8Array, nonce: Uint8Array): Buffer {
  return Buffer.from(hkdfSync("sha256", fileKey, nonce, "payload", 32));
}

/** Seals `source`. Each yielded buffer is the consumer's to keep. */
export async function* sealPayload(source: AsyncIterable<Uint8Array>, key: Buffer): AsyncGenerator<Buffer, void, undefined> {
  const nonce = new ChunkNonce();
  let batch = new Batch(sealedChunkBytes);
  const seal = (chunk: Uint8Array, last: boolean): void => {
    const cipher = createCipheriv("chacha20-poly1305", key, nonce.of(last), { authTagLength: tagBytes });
    batch.add(cipher.update(chunk));
    cipher.final();
    batch.add(cipher.getAuthTag());
    nonce.next();
  };
  const chunks = new Chunks(chunkBytes);
  for await (const bytes of source) {
    for (const chunk of chunks.split(bytes)) {
      seal(chunk, false);
      if (batch.full) {
        yield batch.bytes;
        batch = new Batch(sealedChunkBytes);
      }
    }
  }
  seal(chunks.rest, true);
  yield batch.bytes;
}

/**
 * Opens a sealed payload; nothing is yielded that was not authenticated. Each yielded buffer is the consumer's to keep.
 * @throws HoldfastError `integrity` at the first chunk that is altered, missing, or behind the last one
 */
export async function* openPayload(source: AsyncIterable<Uint8Array>, key: Buffer): AsyncGenerator<Buffer, void, undefined> {
  const nonce = new ChunkNonce();
  let batch = new Batch(chunkBytes);
  const unsealed = (chunk: Uint8Array, last: boolean): Buffer | undefined => {
    if (chunk.length < tagBytes) return undefined;
    const body = chunk.length - tagBytes;
    const decipher = createDecipheriv("chacha20-poly1305", key, nonce.of(last), { authTagLength: tagBytes });
    decipher.setAuthTag(chunk.subarray(body));
    const plain = decipher.update(chunk.subarray(0, body));
    try {
      decipher.final();
      return plain;
    } catch {
      return undefined;
    }
  };
  /** Opens a chunk into the batch; else returns the error, after saving a full chunk that is sound but in the wrong place. */
  const open = (chunk: Uint8Array, last: boolean): HoldfastError | undefined => {
    const offset = nonce.count * sealedChunkBytes;
    const plain = unsealed(chunk, last);
    if (plain !== undefined) {
      if (plain.length === 0 && nonce.count > 0) return damage("damaged", offset, "the last chunk is empty, but others come before it");
      batch.add(plain);
      nonce.next();
      return undefined;
    }
    const misplaced = chunk.length === sealedChunkBytes ? unsealed(chunk, !last) : undefined;
    if (misplaced !== undefined) {
      batch.add(misplaced);
      const next = offset + sealedChunkBytes;
      return last ? damage("truncated", next, "the last chunk is missing") : damage("continued", next, "data follow the last chunk");
    }
    if (chunk.length < tagBytes) return damage("truncated", offset, `${chunk.length} bytes are less than a chunk`);
    return damage("damaged", offset, `the chunk of ${chunk.length} bytes fails its authentication`);
  };
  const chunks = new Chunks(sealedChunkBytes);
  let error: HoldfastError | undefined;
  for await (const bytes of source) {
    for (const chunk of chunks.split(bytes)) {
      error = open(chunk, false);
      if (error !== undefined) break;
      if (batch.full) {
        yield batch.bytes;
        batch = new Batch(chunkBytes);
      }
    }
    if (error !== undefined) break;
  }
  error ??= open(chunks.rest, true);
  if (batch.used > 0) yield batch.bytes;
  if (error !== undefined) throw error;
}

function damage(what: string, offset: number, why: string): HoldfastError {
  return new HoldfastError("integrity", `${what} at byte ${offset} of the encrypted payload: ${why}`, { details: { offset } });
}

/** Cuts a stream into chunks of `size`, and holds the last one back, for only the stream's end tells that it is. */
class Chunks {
  readonly #held: Buffer;
  #heldBytes = 0;

  constructor(size: number) {
    this.#held = Buffer.allocUnsafeSlow(size);
  }

  /** The chunks that more bytes are known to follow; each is valid until the next one is asked for. */
  *split(bytes: Uint8Array): Generator<Uint8Array, void, undefined> {
    const size = this.#held.length;
    let at = 0;
    if (this.#heldBytes > 0) {
      at = this.#hold(bytes, 0);
      if (at === bytes.length) return;
      yield this.#held;
      this.#heldBytes = 0;
    }
    for (; bytes.length - at > size; at += size) yield bytes.subarray(at, at + size);
    this.#hold(bytes, at);
  }

  /** The last chunk, once the stream has ended. */
  get rest(): Uint8Array {
    return this.#held.subarray(0, this.#heldBytes);
  }

  #hold(bytes: Uint8Array, from: number): number {
    const part = bytes.subarray(from, from + this.#held.length - this.#heldBytes);
    this.#held.set(part, this.#heldBytes);
    this.#heldBytes += part.length;
    return from + part.length;
  }
}

/** The nonce of each chunk in its turn. */
class ChunkNonce {
  readonly #bytes = Buffer.alloc(12);
  /** Chunks that came before. */
  count = 0;

  of(last: boolean): Buffer {
    this.#bytes[11] = last ? 1 : 0;
    return this.#bytes;
  }

  /** Six of the counter's eleven bytes last for 2^64 bytes of payload. */
  next(): void {
    this.count += 1;
    this.#bytes.writeUIntBE(this.count, 5, 6);
  }
}

/** Output chunks gathered into one buffer that is never written again once it was yielded. */
class Batch {
  readonly #buffer: Buffer;
  used = 0;

  constructor(chunk: number) {
    this.#buffer = Buffer.allocUnsafeSlow(batchChunks * chunk);
  }

  add(bytes: Buffer): void {
    this.#buffer.set(bytes, this.used);
    this.used += bytes.length;
  }

  get full(): boolean {
    return this.used === this.#buffer.length;
  }

  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.used);
  }
}
