/** Sources of bytes for tests: reproducible, failing, or waiting for the test's word. */
import { createHash } from "node:crypto";

/** `total` bytes in chunks of odd sizes; each 64 KiB block differs from all others. */
export async function* bytesOf(total: number, chunk = 65_521): AsyncGenerator<Buffer, void, undefined> {
  let block = -1;
  const buffer = Buffer.alloc(65_536);
  for (let at = 0; at < total; at += chunk) {
    const out = Buffer.allocUnsafe(Math.min(chunk, total - at));
    for (let filled = 0; filled < out.length; ) {
      const index = Math.floor((at + filled) / buffer.length);
      if (index !== block) {
        block = index;
        buffer.fill(createHash("sha256").update(String(index)).digest());
      }
      filled += buffer.copy(out, filled, (at + filled) % buffer.length);
    }
    yield out;
    await Promise.resolve();
  }
}

/** `total` bytes, then the error. */
export async function* failingAfter(total: number, error: Error): AsyncGenerator<Buffer, void, undefined> {
  yield* bytesOf(total);
  throw error;
}

/** `total` bytes, then silence until `until` resolves, then the end. */
export async function* pausingAfter(total: number, until: Promise<unknown>, onPause?: () => void): AsyncGenerator<Buffer, void, undefined> {
  yield* bytesOf(total);
  onPause?.();
  await until;
}

/** The size and SHA-256 of all that comes. */
export async function digestOf(source: AsyncIterable<Uint8Array>): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const chunk of source) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { bytes, sha256: hash.digest("hex") };
}

export async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of source) all.push(item);
  return all;
}
