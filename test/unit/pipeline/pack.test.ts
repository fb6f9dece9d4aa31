import fc from "fast-check";
import { PassThrough, Readable } from "node:stream";
import { describe, expect, it } from "vitest";

import { HoldfastError } from "../../../src/errors.ts";
import { generateIdentity } from "../../../src/pipeline/age-keys.ts";
import { pack, unpack } from "../../../src/pipeline/pack.ts";
import { collect, inPieces, noise, outcome, sha256 } from "./bytes.ts";

const key = await generateIdentity();
const recipients = [key.recipient];
const identities = [key.identity];

async function packed(bytes: Uint8Array): Promise<{ sealed: Buffer; expected: { bytes: number; sha256: string } }> {
  const out = pack(inPieces(bytes, 65_536), { recipients });
  const sealed = await collect(out.stream);
  return { sealed, expected: { bytes: out.bytes, sha256: out.sha256 } };
}

/** Never gives a byte, as a pg_dump that waits for a lock; says when it is asked and when it was closed. */
function silent(): { source: Readable; asked: Promise<void> } {
  const asked = Promise.withResolvers<undefined>();
  return { source: new Readable({ read: () => { asked.resolve(undefined); } }), asked: asked.promise };
}

/** Never gives a byte, and cannot be interrupted. */
function stuck(): { source: AsyncIterable<Uint8Array>; asked: Promise<void> } {
  const asked = Promise.withResolvers<undefined>();
  async function* never(): AsyncGenerator<Uint8Array, void, undefined> {
    asked.resolve(undefined);
    await new Promise(() => undefined);
    yield Buffer.alloc(0);
  }
  return { source: never(), asked: asked.promise };
}

describe("pack and unpack", () => {
  it("give back any bytes, and know their sizes and digest", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 3_000_000 }), fc.array(fc.integer({ min: 1, max: 200_000 }), { minLength: 1 }), async (length, cut) => {
        const bytes = noise(length);
        const out = pack(inPieces(bytes, ...cut), { recipients });
        const sealed = await collect(out.stream);
        expect({ bytes: out.bytes, sha256: out.sha256, plainBytes: out.plainBytes }).toEqual({ bytes: sealed.length, sha256: sha256(sealed), plainBytes: length });
        const opened = await collect(unpack(inPieces(sealed, ...cut), { identities, expected: { bytes: out.bytes, sha256: out.sha256 } }));
        expect(opened.equals(bytes)).toBe(true);
      }),
      { numRuns: 25 },
    );
  });

  it("tell how far they are: plain bytes out, encrypted bytes back", async () => {
    const seen: number[] = [];
    const out = pack(inPieces(noise(300_000), 100_000), { recipients, onBytes: (bytes) => seen.push(bytes) });
    const sealed = await collect(out.stream);
    expect(seen).toEqual([100_000, 200_000, 300_000]);
    const back: number[] = [];
    await collect(unpack(inPieces(sealed, 150_000), { identities, onBytes: (bytes) => back.push(bytes) }));
    expect(back).toEqual([150_000, 300_000, sealed.length]);
  });

  it("do not give a digest before the end", async () => {
    const out = pack(inPieces(noise(3_000_000), 65_536), { recipients });
    const stream = out.stream[Symbol.asyncIterator]();
    await stream.next();
    expect(() => out.sha256).toThrow("the packed stream has not been read to its end");
    expect(() => out.bytes).toThrow(/not been read/);
    await stream.return?.();
    expect(() => out.sha256).toThrow(/not been read/);
  });

  it("refuse a flipped byte anywhere and a cut anywhere", async () => {
    const bytes = Buffer.concat([noise(150_000), Buffer.alloc(500_000, "abc ")]);
    const { sealed, expected } = await packed(bytes);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: sealed.length - 1 }), fc.integer({ min: 1, max: 255 }), fc.boolean(), fc.boolean(), async (at, mask, cut, known) => {
        const damaged = cut ? sealed.subarray(0, at) : Buffer.from(sealed);
        if (!cut) damaged[at] = sealed[at]! ^ mask;
        const { bytes: opened, error } = await outcome(unpack(inPieces(damaged, 40_000), { identities, expected: known ? expected : undefined }));
        expect((error as HoldfastError).code).toMatch(/^(?:integrity|cannot-decrypt)$/);
        expect(opened.equals(bytes.subarray(0, opened.length))).toBe(true);
      }),
      { numRuns: 150 },
    );
  });

  it("name expected and found when the size differs", async () => {
    const { sealed, expected } = await packed(noise(100_000));
    const { error } = await outcome(unpack(inPieces(sealed.subarray(0, -1), 40_000), { identities, expected }));
    expect(error).toMatchObject({ code: "integrity", message: `expected ${sealed.length} bytes, found ${sealed.length - 1}` });
  });

  it("name expected and found when a valid file is not the one that was recorded", async () => {
    const one = await packed(noise(100_000, 1));
    const two = await packed(noise(100_000, 2));
    const { error } = await outcome(unpack(inPieces(two.sealed, 40_000), { identities, expected: { bytes: two.sealed.length, sha256: one.expected.sha256 } }));
    expect(error).toMatchObject({ code: "integrity", message: `expected SHA-256 ${one.expected.sha256}, found ${two.expected.sha256}` });
  });

  it("say so when no identity opens the stream", async () => {
    const { sealed, expected } = await packed(noise(10));
    const stranger = await generateIdentity();
    expect((await outcome(unpack(inPieces(sealed, 100), { identities: [stranger.identity], expected }))).error).toMatchObject({ code: "cannot-decrypt" });
  });

  it("refuse a wrong recipient before the source is asked for anything", () => {
    const { source } = stuck();
    expect(() => pack(source, { recipients: ["age1nobody"] })).toThrow(expect.objectContaining({ code: "configuration" }) as Error);
  });

  it("end with the source's own error", async () => {
    const failing = new HoldfastError("dump-failed", "pg_dump exited with 3");
    async function* broken(): AsyncGenerator<Uint8Array, void, undefined> {
      yield await Promise.resolve(noise(5_000_000));
      throw failing;
    }
    const out = pack(broken(), { recipients });
    expect((await outcome(out.stream)).error).toBe(failing);
    expect(() => out.sha256).toThrow(/not been read/);
  });

  it.each([["a silent Readable", silent], ["a source that cannot be interrupted", stuck]])("end promptly with the cancellation although %s gives nothing", async (_, open) => {
    for (const work of [(source: AsyncIterable<Uint8Array>, signal: AbortSignal) => pack(source, { recipients, signal }).stream, (source: AsyncIterable<Uint8Array>, signal: AbortSignal) => unpack(source, { identities, signal })]) {
      const { source, asked } = open();
      const stop = new AbortController();
      const ending = outcome(work(source, stop.signal));
      await asked;
      stop.abort();
      expect((await ending).error).toMatchObject({ code: "cancelled" });
      if (source instanceof Readable) expect(source.destroyed).toBe(true);
    }
  });

  it("keep the reason of the cancellation when it is one of ours", async () => {
    const reason = new HoldfastError("lock-held", "the lock was lost");
    expect((await outcome(pack(stuck().source, { recipients, signal: AbortSignal.abort(reason) }).stream)).error).toBe(reason);
  });

  it("end promptly with the cancellation while bytes flow", async () => {
    const stop = new AbortController();
    let seed = 0;
    const source = new Readable({ read() { this.push(noise(65_536, (seed += 1))); } });
    const sizes: number[] = [];
    const reading = (async () => {
      for await (const bytes of pack(source, { recipients, signal: stop.signal }).stream) {
        sizes.push(bytes.length);
        if (sizes.length === 3) stop.abort();
      }
    })();
    await expect(reading).rejects.toMatchObject({ code: "cancelled" });
    expect(sizes).toHaveLength(3);
    expect(source.destroyed).toBe(true);
  });

  it.each([["a silent Readable", silent], ["a source that cannot be interrupted", stuck]])("let a consumer stop although %s gives nothing more", async (_, open) => {
    const { source, asked } = open();
    async function* started(): AsyncGenerator<Uint8Array, void, undefined> {
      for (let turn = 0; turn < 40; turn++) yield await Promise.resolve(noise(65_536, turn));
      yield* source;
    }
    const stream = pack(started(), { recipients }).stream[Symbol.asyncIterator]();
    const first = [await stream.next(), await stream.next()];
    expect(first.map(({ done }) => done)).toEqual([false, false]);
    await asked;
    await stream.return?.();
  });

  it("leave no listener on the signal and no handle behind", async () => {
    const stop = new AbortController();
    const before = process.getActiveResourcesInfo().length;
    for (let turn = 0; turn < 20; turn++) {
      const out = pack(inPieces(noise(200_000), 65_536), { recipients, signal: stop.signal });
      if (turn % 2 === 0) await collect(out.stream);
      else for await (const bytes of out.stream) if (bytes.length > 0) break;
    }
    await new Promise(setImmediate);
    expect(process.getActiveResourcesInfo().length).toBeLessThanOrEqual(before + 1);
  });

  it("hold a fast source back while the consumer rests", async () => {
    const source = new PassThrough({ highWaterMark: 65_536 });
    let accepted = 0;
    const feed = (): void => {
      while (accepted < 100_000_000 && source.write(noise(65_536, accepted))) accepted += 65_536;
    };
    source.on("drain", feed);
    feed();
    const stream = pack(source, { recipients }).stream[Symbol.asyncIterator]();
    await stream.next();
    for (let turn = 0; turn < 300; turn++) await new Promise(setImmediate);
    expect(accepted).toBeLessThan(16_000_000);
    await stream.return?.();
    expect(source.destroyed).toBe(true);
  });
});
