import { describe, expect, it } from "vitest";

import { newDigest } from "../../../src/pipeline/digest.ts";
import { collect, inPieces, noise, sha256 } from "./bytes.ts";

describe("Digest", () => {
  it("passes bytes through unchanged and knows their number and SHA-256", async () => {
    const bytes = noise(100_000);
    const digest = newDigest();
    expect((await collect(digest.through(inPieces(bytes, 1, 999, 30_000)))).equals(bytes)).toBe(true);
    expect(digest.bytes).toBe(100_000);
    expect(digest.sha256).toBe(sha256(bytes));
    expect(digest.sha256).toBe(sha256(bytes));
  });

  it("knows the digest of nothing", async () => {
    const digest = newDigest();
    await collect(digest.through(inPieces(Buffer.alloc(0), 1)));
    expect(digest).toMatchObject({ bytes: 0, sha256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" });
  });
});
