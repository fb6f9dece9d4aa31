/** The stock tools open what we write, and we open what they write. */
import { createReadStream } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { generateIdentity, parseIdentityFile, recipientOf } from "../../src/pipeline/age-keys.ts";
import { openBytes, sealBytes } from "../../src/pipeline/encrypt.ts";
import { pack, unpack } from "../../src/pipeline/pack.ts";
import { runTool } from "../../src/process/run.ts";
import { collect, inPieces, noise } from "../unit/pipeline/bytes.ts";

let folder = "";
const path = (name: string): string => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "holdfast-pipeline-"));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

describe("age's own program", () => {
  it.each([1, 65_535, 65_536, 65_537, 131_072, 1_500_000])("opens our file of %i bytes, and we open its", async (length) => {
    const { identity, recipient } = await generateIdentity();
    const bytes = noise(length);
    await writeFile(path("key"), `${identity}\n`);
    await writeFile(path("ours.age"), await sealBytes(bytes, [recipient]));
    await runTool(["age"], ["-d", "-i", path("key"), "-o", path("opened"), path("ours.age")]);
    expect((await readFile(path("opened"))).equals(bytes)).toBe(true);

    await writeFile(path("plain"), bytes);
    await runTool(["age"], ["-r", recipient, "-o", path("theirs.age"), path("plain")]);
    expect((await openBytes(await readFile(path("theirs.age")), [identity])).equals(bytes)).toBe(true);
  });

  it("opens our empty file, and we open its", async () => {
    const { identity, recipient } = await generateIdentity();
    await writeFile(path("key"), identity);
    await writeFile(path("empty.age"), await sealBytes(Buffer.alloc(0), [recipient]));
    expect((await runTool(["age"], ["-d", "-i", path("key"), path("empty.age")])).stdout).toBe("");
    await writeFile(path("empty"), "");
    await runTool(["age"], ["-r", recipient, "-o", path("theirs.age"), path("empty")]);
    expect(await openBytes(await readFile(path("theirs.age")), [identity])).toHaveLength(0);
  });

  it("opens a file for several recipients with each of their identities", async () => {
    const keys = await Promise.all([generateIdentity(), generateIdentity(), generateIdentity()]);
    await writeFile(path("many.age"), await sealBytes(Buffer.from("hello"), keys.map(({ recipient }) => recipient)));
    for (const { identity } of keys) {
      await writeFile(path("key"), identity);
      expect((await runTool(["age"], ["-d", "-i", path("key"), path("many.age")])).stdout).toBe("hello");
    }
  });

  it("makes identity files that we read", async () => {
    await runTool(["age-keygen"], ["-o", path("keygen")]);
    const [identity] = parseIdentityFile(await readFile(path("keygen"), "utf8"), "keygen");
    expect(await recipientOf(identity!)).toBe((await runTool(["age-keygen"], ["-y", path("keygen")])).stdout.trim());
  });

  it("refuses our file once a byte of it was flipped", async () => {
    const { identity, recipient } = await generateIdentity();
    const sealed = await sealBytes(noise(100_000), [recipient]);
    sealed[sealed.length - 1]! ^= 1;
    await writeFile(path("key"), identity);
    await writeFile(path("flipped.age"), sealed);
    await expect(runTool(["age"], ["-d", "-i", path("key"), "-o", path("opened"), path("flipped.age")])).rejects.toMatchObject({ exitCode: 1 });
  });
});

describe("age and zstd together", () => {
  it("open what pack wrote", async () => {
    const { identity, recipient } = await generateIdentity();
    const bytes = Buffer.concat([Buffer.alloc(3_000_000, "1\tanna\tstable\n"), noise(500_000)]);
    await writeFile(path("key"), identity);
    await writeFile(path("part.zst.age"), pack(inPieces(bytes, 65_536), { recipients: [recipient] }).stream);
    await runTool(["age"], ["-d", "-i", path("key"), "-o", path("part.zst"), path("part.zst.age")]);
    await runTool(["zstd"], ["-q", "-f", "-d", path("part.zst"), "-o", path("part")]);
    expect((await readFile(path("part"))).equals(bytes)).toBe(true);
    const { stdout } = await runTool(["zstd"], ["-lv", path("part.zst")]);
    expect(stdout).toMatch(/Check: XXH64/);
    expect(stdout).toMatch(/# Zstandard Frames: 1$/m);
  });

  it("write what unpack opens", async () => {
    const { identity, recipient } = await generateIdentity();
    const bytes = Buffer.concat([Buffer.alloc(3_000_000, "1\tanna\tstable\n"), noise(500_000)]);
    await writeFile(path("plain"), bytes);
    await runTool(["zstd"], ["-q", "-f", "-3", path("plain"), "-o", path("plain.zst")]);
    await runTool(["age"], ["-r", recipient, "-o", path("plain.zst.age"), path("plain.zst")]);
    expect((await collect(unpack(createReadStream(path("plain.zst.age")), { identities: [identity] }))).equals(bytes)).toBe(true);
  });
});
