import fc from "fast-check";
import { zstdDecompressSync } from "node:zlib";
import { describe, expect, it } from "vitest";

import { compress, decompress } from "../../../src/pipeline/compress.ts";
import { collect, inPieces, noise, outcome } from "./bytes.ts";

const mebibyte = 1024 * 1024;
const sizes = fc.oneof(fc.integer({ min: 0, max: 300_000 }), fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: -2, max: 2 })).map(([blocks, more]) => blocks * mebibyte + more));
const pieces = fc.array(fc.integer({ min: 1, max: 2 * mebibyte }), { minLength: 1, maxLength: 4 });
const text = (length: number): Buffer => Buffer.alloc(length, "1\tanna\tmild erythema on the left forearm\n");

describe("compress and decompress", () => {
  it("give back any bytes, however they are cut", async () => {
    await fc.assert(
      fc.asyncProperty(sizes, fc.boolean(), pieces, pieces, async (length, compressible, cut, cutAgain) => {
        const bytes = compressible ? text(length) : noise(length);
        const packed = await collect(compress(inPieces(bytes, ...cut)));
        expect(zstdDecompressSync(packed).equals(bytes)).toBe(true);
        expect((await collect(decompress(inPieces(packed, ...cutAgain)))).equals(bytes)).toBe(true);
      }),
      { numRuns: 40 },
    );
  });

  it("compress text well, and better at a higher level", async () => {
    const bytes = Buffer.from(Array.from({ length: 20_000 }, (_, id) => `${id}\tpatient ${(id * 7919) % 10007}\t2026-11-${id % 28}\n`).join(""));
    const fast = await collect(compress(inPieces(bytes, 65_536)));
    expect(fast.length).toBeLessThan(bytes.length / 2);
    expect((await collect(compress(inPieces(bytes, 65_536), 9))).length).toBeLessThan(fast.length);
  });

  it("refuse a stream that was cut anywhere, also by its last byte", async () => {
    const packed = await collect(compress(inPieces(Buffer.concat([text(300_000), noise(300_000)]), 65_536)));
    const places = fc.oneof(fc.constantFrom(0, 1, 4, 5, packed.length - 5, packed.length - 4, packed.length - 1), fc.integer({ min: 0, max: packed.length - 1 }));
    await fc.assert(
      fc.asyncProperty(places, pieces, async (length, cut) => {
        const { error } = await outcome(decompress(inPieces(packed.subarray(0, length), ...cut)));
        expect(error).toMatchObject({ code: "integrity" });
      }),
      { numRuns: 60 },
    );
  });

  it("say that a stream was cut", async () => {
    const packed = await collect(compress(inPieces(text(1000), 100)));
    const { error } = await outcome(decompress(inPieces(packed.subarray(0, -1), 100)));
    expect((error as Error).message).toBe("the compressed stream is damaged or incomplete: unexpected end of file");
  });

  it("refuse a flipped byte anywhere in the data", async () => {
    const bytes = noise(200_000);
    const packed = await collect(compress(inPieces(bytes, 65_536)));
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: packed.length - 1 }), fc.integer({ min: 1, max: 255 }), async (at, mask) => {
        const flipped = Buffer.from(packed);
        flipped[at] = packed[at]! ^ mask;
        const { bytes: opened, error } = await outcome(decompress(inPieces(flipped, 50_000)));
        // A flip in the frame's header may change nothing that is decoded.
        if (error === undefined) expect(opened.equals(bytes)).toBe(true);
        else expect(error).toMatchObject({ code: "integrity" });
        if (at > 20) expect(error).toBeDefined();
      }),
      { numRuns: 100 },
    );
  });

  it("refuse anything behind the frame, in the same write or a later one", async () => {
    const packed = await collect(compress(inPieces(text(100_000), 65_536)));
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.boolean(), async (surplus, apart) => {
        const { error } = await outcome(decompress(inPieces(Buffer.concat([packed, surplus]), apart ? packed.length : packed.length + 40)));
        expect(error).toMatchObject({ code: "integrity" });
      }),
      { numRuns: 60 },
    );
  });

  it("pass the source's failure on as it is", async () => {
    const failing = new Error("the disk is gone");
    async function* broken(first: Buffer): AsyncGenerator<Uint8Array, void, undefined> {
      yield await Promise.resolve(first);
      throw failing;
    }
    expect((await outcome(compress(broken(noise(3 * mebibyte))))).error).toBe(failing);
    const packed = await collect(compress(inPieces(noise(mebibyte), mebibyte)));
    expect((await outcome(decompress(broken(packed.subarray(0, 500_000))))).error).toBe(failing);
    expect((await outcome(decompress(broken(packed)))).error).toBe(failing);
  });

  it("ask for no more than a few blocks ahead of a slow consumer, and close the source when it stops", async () => {
    let given = 0;
    let closed = false;
    async function* counted(): AsyncGenerator<Uint8Array, void, undefined> {
      try {
        for (; given < 200; given++) yield await Promise.resolve(noise(mebibyte, given));
      } finally {
        closed = true;
      }
    }
    const stream = compress(counted())[Symbol.asyncIterator]();
    await stream.next();
    for (let turn = 0; turn < 200; turn++) await new Promise(setImmediate);
    expect(given).toBeLessThan(8);
    await stream.return?.();
    expect(closed).toBe(true);
  });

  it("do not write to the source's buffers", async () => {
    const bytes = noise(3 * mebibyte);
    const copy = Buffer.from(bytes);
    await collect(compress(inPieces(bytes, 65_536)));
    expect(bytes.equals(copy)).toBe(true);
  });
});
