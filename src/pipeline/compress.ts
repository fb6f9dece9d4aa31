/**
 * zstd on node:zlib, one frame with its checksum, on libuv's threads. `zstd -d` opens it.
 * Its multi-threading parameter (nbWorkers) crashed Node 24 here and stays unset.
 */
import type { Transform } from "node:stream";
import { constants, createZstdCompress, createZstdDecompress } from "node:zlib";

import { HoldfastError, messageOf } from "../errors.ts";
import { batched } from "./batch.ts";

/** Level 1 keeps up with pg_dump; level 3 halves the speed for 2 % of size. */
export const defaultLevel = 1;

/** Bytes handed to a thread at a time, and the size of the buffers that come back. */
const blockBytes = 1024 * 1024;

/** Compresses a stream. */
export function compress(source: AsyncIterable<Uint8Array>, level: number = defaultLevel): AsyncIterable<Buffer> {
  const params = { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 1 };
  return through(batched(source, blockBytes), () => createZstdCompress({ chunkSize: blockBytes, params }));
}

/**
 * Decompresses a stream.
 * @throws HoldfastError `integrity` if it is damaged, ends before its frame does, or goes on behind it
 */
export function decompress(source: AsyncIterable<Uint8Array>): AsyncIterable<Buffer> {
  return through(
    source,
    () => createZstdDecompress({ chunkSize: blockBytes, rejectGarbageAfterEnd: true }),
    (error) => new HoldfastError("integrity", `the compressed stream is damaged or incomplete: ${messageOf(error).toLowerCase()}`, { cause: error }),
  );
}

/** `source` through `open`'s transform; a failure of the source comes out as it is, one of the transform as `explain` puts it. */
async function* through(source: AsyncIterable<Uint8Array>, open: () => Transform, explain = (error: unknown): unknown => error): AsyncGenerator<Buffer, void, undefined> {
  const transform = open();
  let failure: { readonly error: unknown } | undefined;
  const feeding = feed(source, transform).catch((error: unknown) => {
    failure = { error };
    transform.destroy(new Error("the source failed"));
  });
  try {
    for await (const bytes of transform) yield bytes as Buffer;
  } catch (error) {
    if (failure !== undefined) throw failure.error;
    throw explain(error);
  } finally {
    transform.destroy();
    await feeding;
  }
}

/** Writes `source`, pulling the next bytes while the last ones are in work: a buffer rests once the next but one is asked for. */
async function feed(source: AsyncIterable<Uint8Array>, transform: Transform): Promise<void> {
  // Errors reach the reader of the transform; here they only must not be nobody's.
  transform.on("error", () => undefined);
  let writing = Promise.resolve();
  for await (const bytes of source) {
    await writing;
    if (transform.destroyed) return;
    writing = written(transform, bytes);
  }
  await writing;
  transform.end();
}

/** Resolves when the transform has taken `bytes` in, or is gone. */
function written(transform: Transform, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      transform.off("close", done);
      resolve();
    };
    // A transform that fails amid a write never calls back.
    transform.once("close", done);
    transform.write(bytes, done);
  });
}
