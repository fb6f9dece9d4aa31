/**
 * Gathers small chunks (a pipe gives 64 KiB at most) into blocks of `size`; only the last may be shorter.
 * Two buffers take turns: a block may be read until the next but one is asked for, so the consumer can work on one
 * while the other fills, and two gigabytes make no garbage.
 */
export async function* batched(source: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Buffer, void, undefined> {
  let filling = Buffer.allocUnsafeSlow(size);
  let resting = Buffer.allocUnsafeSlow(size);
  let used = 0;
  for await (const bytes of source) {
    for (let at = 0; at < bytes.length; ) {
      const part = bytes.subarray(at, at + size - used);
      filling.set(part, used);
      used += part.length;
      at += part.length;
      if (used === size) {
        yield filling;
        [filling, resting] = [resting, filling];
        used = 0;
      }
    }
  }
  if (used > 0) yield filling.subarray(0, used);
}
