/** Every vector of the age format's public test kit, also the failing ones, whole and in pieces. */
import { armor, type Decrypter } from "age-encryption";
import * as vectors from "cctv-age";
import { inflateSync } from "node:zlib";
import { describe, expect, it } from "vitest";

import { HoldfastError } from "../../src/errors.ts";
import { decryptWith } from "../../src/pipeline/encrypt.ts";
import { inPieces, outcome, sha256 } from "../unit/pipeline/bytes.ts";

interface Vector {
  readonly name: string;
  readonly expect: string;
  readonly payload: string | undefined;
  readonly armored: boolean;
  readonly file: Buffer;
  unlock(decrypter: Decrypter): void;
}

function parse(name: string, bytes: Uint8Array): Vector {
  const all = Buffer.from(bytes);
  const end = all.indexOf("\n\n");
  const fields = all.toString("latin1", 0, end).split("\n").map((line) => line.split(/: (.*)/s));
  const values = (key: string): string[] => fields.filter(([found]) => found === key).map(([, value]) => value ?? "");
  const body = all.subarray(end + 2);
  return {
    name,
    expect: values("expect")[0] ?? "",
    payload: values("payload")[0],
    armored: values("armored").length > 0,
    file: values("compressed").length > 0 ? inflateSync(body) : body,
    unlock: (decrypter) => {
      for (const identity of values("identity")) decrypter.addIdentity(identity);
      for (const passphrase of values("passphrase")) decrypter.addPassphrase(passphrase);
    },
  };
}

const all = Object.entries(vectors as unknown as Record<string, Uint8Array>)
  .filter(([, bytes]) => bytes instanceof Uint8Array)
  .map(([name, bytes]) => parse(name, bytes));

const codes: Record<string, string> = { "no match": "cannot-decrypt", "HMAC failure": "integrity", "header failure": "integrity", "payload failure": "integrity" };

async function check(vector: Vector, file: Buffer, ...sizes: number[]): Promise<void> {
  const { bytes, error } = await outcome(decryptWith((decrypter) => { vector.unlock(decrypter); })(inPieces(file, ...sizes)));
  if (vector.expect === "success") {
    expect(error).toBeUndefined();
  } else {
    expect(error).toBeInstanceOf(HoldfastError);
    expect((error as HoldfastError).code).toBe(codes[vector.expect]);
  }
  expect(sha256(bytes)).toBe(vector.payload ?? sha256(Buffer.alloc(0)));
}

describe("the age test vectors", () => {
  it("are all here", () => {
    expect(all.length).toBe(143);
  });

  describe.each(all.filter(({ armored }) => !armored))("$expect: $name", (vector) => {
    it("whole", () => check(vector, vector.file, vector.file.length + 1));
    it("in odd pieces", () => check(vector, vector.file, 1, 65_535, 17, 70_000, 3));
    // Three vectors have 16 MB.
    if (vector.file.length < 200_000) it("byte by byte", () => check(vector, vector.file, 1));
  });

  // Parts and keys are stored in binary only: armor is taken off by age-encryption, and what it refuses never gets here.
  describe.each(all.filter(({ armored }) => armored))("armored, $expect: $name", (vector) => {
    it("is refused with a clear message as it is", async () => {
      const { bytes, error } = await outcome(decryptWith((decrypter) => { vector.unlock(decrypter); })(inPieces(vector.file, 100)));
      expect(error).toMatchObject({ code: "integrity" });
      expect(bytes).toHaveLength(0);
    });

    it("holds once the armor is off", async () => {
      let file: Buffer;
      try {
        file = Buffer.from(armor.decode(vector.file.toString("latin1")));
      } catch {
        expect(vector.expect).toMatch(/armor failure|header failure/);
        return;
      }
      await check(vector, file, file.length);
    });
  });
});
