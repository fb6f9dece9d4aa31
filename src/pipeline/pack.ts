/** The data's two ways: out (zstd, age, SHA-256) and back. */
import { HoldfastError } from "../errors.ts";
import { compress, decompress } from "./compress.ts";
import { newDigest } from "./digest.ts";
import { decryptStream, encryptStream } from "./encrypt.ts";
import { joined, type JoinOptions } from "./join.ts";

/** A stream on its way to the store, and what is known of it once it has ended. */
export interface Packed {
  /** What to store. To be read once; each buffer is the consumer's to keep. */
  readonly stream: AsyncIterable<Buffer>;
  /** Bytes of the encrypted stream. */
  readonly bytes: number;
  /** SHA-256 of the encrypted stream, in hexadecimal. */
  readonly sha256: string;
  /** Bytes of the source. */
  readonly plainBytes: number;
}

export interface PackOptions extends JoinOptions {
  readonly recipients: readonly string[];
  /** zstd's level. */
  readonly level?: number | undefined;
}

/**
 * Compresses, encrypts and digests `source`. `onBytes` hears of bytes before compression.
 * @throws HoldfastError `configuration` at once if a recipient is not valid; the stream throws what its source throws,
 *   and `cancelled` when the signal aborts
 */
export function pack(source: AsyncIterable<Uint8Array>, options: PackOptions): Packed {
  const { recipients, level, onBytes, signal } = options;
  const encrypt = encryptStream(recipients);
  const digest = newDigest();
  let plainBytes = 0;
  let ended = false;
  const counted = (bytes: number): void => {
    plainBytes = bytes;
    onBytes?.(bytes);
  };
  async function* stages(inlet: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer, void, undefined> {
    yield* digest.through(encrypt(compress(inlet, level)));
    ended = true;
  }
  const atEnd = <T>(value: () => T): T => {
    if (!ended) throw new Error("the packed stream has not been read to its end");
    return value();
  };
  return {
    stream: joined(source, stages, { onBytes: counted, signal }),
    get bytes() {
      return atEnd(() => digest.bytes);
    },
    get sha256() {
      return atEnd(() => digest.sha256);
    },
    get plainBytes() {
      return atEnd(() => plainBytes);
    },
  };
}

export interface UnpackOptions extends JoinOptions {
  readonly identities: readonly string[];
  /** What the manifest says of the encrypted stream. */
  readonly expected?: { readonly bytes: number; readonly sha256: string } | undefined;
}

/**
 * Checks, decrypts and decompresses `source`. `onBytes` hears of encrypted bytes. What is yielded was authenticated,
 * but only the end says that it was all: a stream whose size or digest is not the expected one ends with `integrity`.
 */
export function unpack(source: AsyncIterable<Uint8Array>, options: UnpackOptions): AsyncIterable<Buffer> {
  const { identities, expected, onBytes, signal } = options;
  const decrypt = decryptStream(identities);
  return joined(source, (inlet) => decompress(decrypt(expected === undefined ? inlet : matching(inlet, expected))), { onBytes, signal });
}

/** `source`, whose end is replaced by an error if it is not what was expected. */
export async function* matching<T extends Uint8Array>(source: AsyncIterable<T>, expected: { readonly bytes: number; readonly sha256: string }): AsyncGenerator<T, void, undefined> {
  const digest = newDigest();
  yield* digest.through(source);
  if (digest.bytes !== expected.bytes) {
    throw new HoldfastError("integrity", `expected ${expected.bytes} bytes, found ${digest.bytes}`, { details: { expected: expected.bytes, found: digest.bytes } });
  }
  if (digest.sha256 !== expected.sha256) {
    throw new HoldfastError("integrity", `expected SHA-256 ${expected.sha256}, found ${digest.sha256}`, { details: { expected: expected.sha256, found: digest.sha256 } });
  }
}
