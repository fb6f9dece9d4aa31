import { Decrypter, Encrypter, generateHybridIdentity, identityToRecipient } from "age-encryption";
import fc from "fast-check";
import { inspect } from "node:util";
import { describe, expect, it } from "vitest";

import { generateIdentity } from "../../../src/pipeline/age-keys.ts";
import { decryptStream, encryptStream, openBytes, sealBytes } from "../../../src/pipeline/encrypt.ts";
import { collect, inPieces, noise, outcome } from "./bytes.ts";

const key = await generateIdentity();
const chunk = 64 * 1024;
/** What the header, the nonce and the tags add. */
const headerOf = (sealed: Buffer): number => sealed.indexOf("\n", sealed.indexOf("\n---") + 1) + 1;

const aroundChunks = fc
  .tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: -17, max: 17 }))
  .map(([chunks, more]) => Math.max(0, chunks * chunk + more));
const pieces = fc.array(fc.oneof(fc.integer({ min: 1, max: 200_000 }), fc.constantFrom(chunk - 1, chunk, chunk + 1, chunk + 16)), { minLength: 1, maxLength: 6 });

describe("encryptStream and decryptStream", () => {
  it("give back any bytes, however they are cut", async () => {
    await fc.assert(
      fc.asyncProperty(aroundChunks, pieces, pieces, async (length, cut, cutAgain) => {
        const bytes = noise(length);
        const sealed = await collect(encryptStream([key.recipient])(inPieces(bytes, ...cut)));
        const opened = await collect(decryptStream([key.identity])(inPieces(sealed, ...cutAgain)));
        expect(opened.equals(bytes)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it("agree with age-encryption's own cipher, both ways", async () => {
    for (const length of [0, 1, chunk - 1, chunk, chunk + 1, 2 * chunk, 17 * chunk + 5]) {
      const bytes = noise(length);
      const decrypter = new Decrypter();
      decrypter.addIdentity(key.identity);
      expect(Buffer.from(await decrypter.decrypt(await sealBytes(bytes, [key.recipient]))).equals(bytes)).toBe(true);
      const encrypter = new Encrypter();
      encrypter.addRecipient(key.recipient);
      expect((await openBytes(await encrypter.encrypt(bytes), [key.identity])).equals(bytes)).toBe(true);
    }
  });

  it("refuse a flipped byte anywhere, and give nothing of its chunk", async () => {
    const bytes = noise(2 * chunk + 100);
    const sealed = await sealBytes(bytes, [key.recipient]);
    const payload = headerOf(sealed) + 16;
    const places = fc.oneof(fc.integer({ min: 0, max: payload - 1 }), fc.integer({ min: 0, max: sealed.length - 1 }));
    await fc.assert(
      fc.asyncProperty(places, fc.integer({ min: 1, max: 255 }), async (at, mask) => {
        const flipped = Buffer.from(sealed);
        flipped[at] = sealed[at]! ^ mask;
        const { bytes: opened, error } = await outcome(decryptStream([key.identity])(inPieces(flipped, 50_000)));
        const damagedChunk = Math.floor((at - payload) / (chunk + 16));
        // A stanza whose type or body was altered is nobody's: then no identity matches.
        if (at < payload - 16) expect((error as { code: string }).code).toMatch(/^(?:integrity|cannot-decrypt)$/);
        else expect(error).toMatchObject({ code: "integrity", details: { offset: at < payload ? 0 : damagedChunk * (chunk + 16) } });
        expect(opened.equals(bytes.subarray(0, at < payload ? 0 : damagedChunk * chunk))).toBe(true);
      }),
      { numRuns: 150 },
    );
  });

  it("refuse a file that was cut anywhere", async () => {
    const bytes = noise(2 * chunk);
    const sealed = await sealBytes(bytes, [key.recipient]);
    const payload = headerOf(sealed) + 16;
    const boundaries = [0, 1, payload - 17, payload - 16, payload - 1, payload, payload + 15, payload + 16, payload + chunk + 15, payload + chunk + 16, payload + chunk + 17, sealed.length - 1];
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.constantFrom(...boundaries), fc.integer({ min: 0, max: sealed.length - 1 })), async (length) => {
        const { bytes: opened, error } = await outcome(decryptStream([key.identity])(inPieces(sealed.subarray(0, length), 50_000)));
        expect(error).toMatchObject({ code: "integrity" });
        expect(opened.equals(bytes.subarray(0, opened.length))).toBe(true);
        expect(opened.length).toBeLessThan(bytes.length);
      }),
      { numRuns: 100 },
    );
  });

  it("name the byte from which a payload is missing", async () => {
    const sealed = await sealBytes(noise(2 * chunk), [key.recipient]);
    const { error } = await outcome(decryptStream([key.identity])(inPieces(sealed.subarray(0, headerOf(sealed) + 16 + chunk + 16), 1000)));
    expect((error as Error).message).toBe("truncated at byte 65552 of the encrypted payload: the last chunk is missing");
  });

  it.each([1, 15, 16, 100, chunk + 16, 3 * chunk])("refuse %i bytes behind the end", async (surplus) => {
    for (const length of [0, 10, chunk]) {
      const sealed = await sealBytes(noise(length), [key.recipient]);
      const { error } = await outcome(decryptStream([key.identity])(inPieces(Buffer.concat([sealed, noise(surplus)]), 70_000)));
      expect(error).toMatchObject({ code: "integrity" });
    }
  });

  it("refuse chunks that changed places", async () => {
    const sealed = await sealBytes(noise(3 * chunk), [key.recipient]);
    const at = headerOf(sealed) + 16;
    const one = sealed.subarray(at, at + chunk + 16);
    const two = sealed.subarray(at + chunk + 16, at + 2 * (chunk + 16));
    const swapped = Buffer.concat([sealed.subarray(0, at), two, one, sealed.subarray(at + 2 * (chunk + 16))]);
    const { bytes, error } = await outcome(decryptStream([key.identity])(inPieces(swapped, 70_000)));
    expect((error as Error).message).toBe("damaged at byte 0 of the encrypted payload: the chunk of 65552 bytes fails its authentication");
    expect(bytes).toHaveLength(0);
  });

  it("open for each of several recipients, and for nobody else", async () => {
    const others = await Promise.all([generateIdentity(), generateIdentity()]);
    const hybrid = await generateHybridIdentity();
    const recipients = [key.recipient, others[0].recipient, await identityToRecipient(hybrid)];
    const sealed = await sealBytes(Buffer.from("hello"), recipients);
    for (const identity of [key.identity, others[0].identity, hybrid]) expect((await openBytes(sealed, [others[1].identity, identity])).toString()).toBe("hello");
    await expect(openBytes(sealed, [others[1].identity])).rejects.toMatchObject({ code: "cannot-decrypt" });
    await expect(openBytes(sealed, [])).rejects.toMatchObject({ code: "cannot-decrypt", message: "no identity at hand matches a recipient of the age file" });
  });

  it("round-trip for a post-quantum recipient alone", async () => {
    const hybrid = await generateHybridIdentity();
    const bytes = noise(chunk + 1);
    expect((await openBytes(await sealBytes(bytes, [await identityToRecipient(hybrid)]), [hybrid])).equals(bytes)).toBe(true);
  });

  it("write one stanza for a recipient named twice", async () => {
    const sealed = await sealBytes(Buffer.from("hello"), [key.recipient, ` ${key.recipient}`]);
    expect(sealed.toString("latin1").match(/^-> X25519 /gm)).toHaveLength(1);
  });

  it("never seal two streams alike", async () => {
    const [one, two] = await Promise.all([sealBytes(Buffer.from("hello"), [key.recipient]), sealBytes(Buffer.from("hello"), [key.recipient])]);
    expect(one.subarray(-21).equals(two.subarray(-21))).toBe(false);
  });

  it("refuse to start without a recipient", () => {
    expect(() => encryptStream([])).toThrow(/^no recipient/);
    return expect(sealBytes(Buffer.from("hello"), [])).rejects.toThrow(/^no recipient/);
  });

  it.each(["", "a", "age-encryption.org/v2\n-> X25519 a\n", "PGDMP…", "-----BEGIN AGE ENCRYPTED FILE-----\n"])("refuse %j as no age file", async (text) => {
    await expect(openBytes(Buffer.from(text), [key.identity])).rejects.toMatchObject({ code: "integrity" });
  });

  it("refuse a header that never ends before it fills the memory", async () => {
    let asked = 0;
    async function* endless(): AsyncGenerator<Uint8Array, void, undefined> {
      yield await Promise.resolve(Buffer.from("age-encryption.org/v1\n"));
      for (;;) {
        asked += 1;
        yield Buffer.alloc(64 * 1024, "a");
      }
    }
    const { error } = await outcome(decryptStream([key.identity])(endless()));
    expect((error as Error).message).toBe("the header of the age file is damaged: it does not end within 1048576 bytes");
    expect(asked).toBeLessThan(20);
  });

  it("show nothing of an identity that is none", async () => {
    const sealed = await sealBytes(Buffer.from("hello"), [key.recipient]);
    const error: unknown = await openBytes(sealed, ["AGE-SECRET-KEY-1HUSH"]).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "configuration" });
    expect(inspect(error, { depth: 9 })).not.toContain("HUSH");
  });

  it("pass the source's failure on, and tell the source when the consumer stops", async () => {
    const failing = new Error("the disk is gone");
    async function* broken(): AsyncGenerator<Uint8Array, void, undefined> {
      yield await Promise.resolve(noise(3 * chunk));
      throw failing;
    }
    expect((await outcome(encryptStream([key.recipient])(broken()))).error).toBe(failing);

    let closed = false;
    const sealed = await sealBytes(noise(40 * chunk), [key.recipient]);
    async function* watched(): AsyncGenerator<Uint8Array, void, undefined> {
      try {
        yield* inPieces(sealed, chunk);
      } finally {
        closed = true;
      }
    }
    for await (const bytes of decryptStream([key.identity])(watched())) {
      expect(bytes.length).toBeGreaterThan(0);
      break;
    }
    expect(closed).toBe(true);
  });

  it("yield buffers that stay as they were", async () => {
    const sealed: { bytes: Buffer; copy: Buffer }[] = [];
    for await (const bytes of encryptStream([key.recipient])(inPieces(noise(50 * chunk), 100_000))) sealed.push({ bytes, copy: Buffer.from(bytes) });
    expect(sealed.length).toBeGreaterThan(3);
    for (const { bytes, copy } of sealed) expect(bytes.equals(copy)).toBe(true);
  });
});
