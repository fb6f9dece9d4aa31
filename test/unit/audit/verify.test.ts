import { appendFile, readFile, rm, writeFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";

import { decode, encode } from "../../../src/audit/entry.ts";
import type { TimelineReport } from "../../../src/audit/verify.ts";
import { verifyTimeline } from "../../../src/audit/verify.ts";
import { type Bench, bench, deed, keyPair } from "./fixture.ts";

const key = (sequence: number, year = 2026) => `timeline/${year}/${String(sequence).padStart(10, "0")}.json`;

/** Six signed entries, and the hands of somebody who can write to the bucket. */
async function tampered(hand: (made: Bench & { object: (n: number) => Buffer; put: (at: string, bytes: Buffer) => void }) => unknown, options: { signed?: boolean; local?: boolean } = {}): Promise<TimelineReport> {
  const made = await bench(options.signed === false ? { signer: undefined } : {});
  for (const name of ["a", "b", "c", "d", "e", "f"]) await made.timeline.record(deed(name));
  const clean = await verifyTimeline(made.store, { trusted: made.keys.trusted, local: made.timeline.localCopy });
  expect(clean.problems).toEqual([]);
  await hand({
    ...made,
    object: (n) => made.store.objects.get(key(n))!.bytes,
    put: (at, bytes) => made.store.objects.set(at, { bytes, modified: new Date() }),
  });
  return await verifyTimeline(made.store, { trusted: made.keys.trusted, ...(options.local !== false && { local: made.timeline.localCopy }) });
}

const named = ({ problems }: TimelineReport) => problems.map(({ sequence, problem }) => [sequence, problem]);

const withText = (bytes: Buffer, from: string, to: string) => {
  const text = bytes.toString().replace(from, to);
  expect(text).not.toBe(bytes.toString());
  return Buffer.from(text);
};

for (const local of [true, false]) {
  describe(`verifying ${local ? "with" : "without"} a local copy`, () => {
    it("names an edited entry", async () => {
      const report = await tampered(({ object, put }) => { put(key(3), withText(object(3), "ehr", "erp")); }, { local });
      expect(named(report)).toEqual([[3, "edited"]]);
      expect(report.problems[0]).toMatchObject({ key: key(3), detail: expect.stringMatching(/^the signature of [0-9a-f]{16} does not match its text$/) as string });
      expect(report).toMatchObject({ entries: 6, signed: 5 });
    });

    it("names an entry whose signature was taken away", async () => {
      const report = await tampered(({ object, put }) => { put(key(3), Buffer.from(`${JSON.stringify({ ...(JSON.parse(object(3).toString()) as object), signer: null, signature: null })}\n`)); }, { local });
      expect(named(report)).toEqual([[3, "edited"]]);
      expect(report).toMatchObject({ signed: 5, unsigned: 1 });
    });

    it("names an edited entry of an unsigned chain", async () => {
      const report = await tampered(({ object, put }) => { put(key(3), withText(object(3), "ehr", "erp")); }, { signed: false, local });
      expect(named(report)).toEqual([[3, "edited"]]);
      expect(report).toMatchObject({ signed: 0, unsigned: 6 });
      expect(report.warnings).toContain("6 of 6 entries are unsigned: only the chain and the local copy vouch for them");
    });

    it("names an unsigned entry put in the place of a signed one", async () => {
      const report = await tampered(({ object, put }) => {
        const { entry } = decode(object(6))!;
        put(key(6), encode({ ...entry, previous: "0".repeat(64), action: "nothing" }, undefined));
      }, { local });
      expect(named(report)).toEqual([[6, "edited"]]);
    });

    it("names removed entries, one and several", async () => {
      expect(named(await tampered(({ store }) => store.objects.delete(key(4)), { local }))).toEqual([[4, "removed"]]);
      const report = await tampered(({ store }) => [1, 2].map((n) => store.objects.delete(key(n))), { local });
      expect(report.problems).toEqual([{ sequence: 1, key: null, problem: "removed", detail: "entries 1 to 2 are missing" }]);
    });

    it("names both of two entries that changed places", async () => {
      const report = await tampered(({ object, put }) => {
        const [third, fourth] = [object(3), object(4)];
        put(key(3), fourth);
        put(key(4), third);
      }, { local });
      expect(report.problems).toEqual([
        { sequence: 3, key: key(3), problem: "misplaced", detail: "holds the entry with sequence 4" },
        { sequence: 4, key: key(4), problem: "misplaced", detail: "holds the entry with sequence 3" },
      ]);
    });

    it("names a copy over another entry, at the end and in another year", async () => {
      expect(named(await tampered(({ object, put }) => { put(key(5), object(2)); }, { local }))).toEqual([[5, "duplicated"]]);
      expect(named(await tampered(({ object, put }) => { put(key(7), object(2)); }, { local }))).toEqual([[7, "duplicated"]]);
      for (const year of [2024, 2030]) {
        const report = await tampered(({ object, put }) => { put(key(5, year), object(5)); }, { local });
        expect(named(report)).toEqual([[5, "duplicated"]]);
        expect(report.problems[0]?.key).toBe(key(5, year));
      }
    });

    it("names an entry in the folder of another year", async () => {
      for (const year of [2024, 2027]) {
        const report = await tampered(({ object, put, store }) => {
          put(key(4, year), object(4));
          store.objects.delete(key(4));
        }, { local });
        expect(report.problems.filter(({ sequence }) => sequence === 4).map(({ problem, key: at }) => [problem, at])).toContainEqual(["misplaced", key(4, year)]);
      }
    });

    it("names entries signed by a stranger", async () => {
      const stranger = keyPair();
      const report = await tampered(async ({ open }) => { await open({ signer: stranger.signer }).record(deed("g")); }, { local });
      expect(report.problems).toEqual([{ sequence: 7, key: key(7), problem: "stranger", detail: `signed with the key ${stranger.signer.id}, which is not trusted` }]);
    });

    it("names garbage, whatever it is", async () => {
      for (const bytes of [Buffer.alloc(0), Buffer.from("{}"), Buffer.from("null"), Buffer.from([0xff, 0xfe]), Buffer.alloc(300_000), Buffer.from('{"entry":"{}","signer":null,"signature":null}'), Buffer.from('{"entry":"x","signer":null,"signature":null}')]) {
        expect(named(await tampered(({ put }) => { put(key(3), bytes); }, { local }))).toEqual([[3, "garbage"]]);
      }
      const report = await tampered(({ put }) => { for (const name of ["timeline/x", "timeline/2026/3.json", "timeline/2026/0000000000.json", "timeline/2026/0000000003.json.bak"]) put(name, Buffer.from("x")); }, { local });
      expect(report.problems.map(({ problem, sequence }) => [problem, sequence])).toEqual(Array(4).fill(["garbage", null]));
    });
  });
}

describe("the local copy", () => {
  it("names every entry cut off at the end", async () => {
    const cut = ({ store }: Bench) => [5, 6].map((n) => store.objects.delete(key(n)));
    const report = await tampered(cut);
    expect(named(report)).toEqual([[5, "removed"], [6, "removed"]]);
    expect(report.head?.sequence).toBe(4);
    const blind = await tampered(cut, { local: false });
    expect(blind.problems).toEqual([]);
    expect(blind.warnings).toEqual(["no local copy was compared: entries removed from the end would not be missed"]);
  });

  it("names an entry cut off at the end although another took its place", async () => {
    for (const dir of ["same", "other"]) {
      const report = await tampered(async ({ store, open, stateDir }) => {
        store.objects.delete(key(6));
        await open(dir === "same" ? {} : { stateDir: `${stateDir}/other` }).record(deed("g"));
      });
      expect(named(report)).toEqual([[6, "removed"]]);
    }
  });

  it("names everything if the timeline was emptied", async () => {
    const report = await tampered(({ store }) => { store.objects.clear(); });
    expect(named(report)).toEqual([1, 2, 3, 4, 5, 6].map((n) => [n, "removed"]));
    expect(report.head).toBeNull();
  });

  it("holds an unsigned chain that was written anew", async () => {
    const report = await tampered(async ({ store, open, stateDir }) => {
      store.objects.clear();
      for (const name of ["a", "b", "c", "d", "e", "f"]) await open({ stateDir: `${stateDir}/other` }).record(deed(name));
    }, { signed: false });
    expect(named(report)).toEqual([1, 2, 3, 4, 5, 6].map((n) => [n, "removed"]));
  });

  it("may be absent or hold a torn line, and says so", async () => {
    const gone = await tampered(({ timeline }) => rm(timeline.localCopy));
    expect(gone.problems).toEqual([]);
    expect(gone.warnings[0]).toMatch(/^there is no local copy at /);
    const torn = await tampered(async ({ timeline, open }) => {
      await appendFile(timeline.localCopy, '{"entry":"{\\"for');
      await open().record(deed("g"));
      expect((await readFile(timeline.localCopy, "utf8")).trimEnd().split("\n")).toHaveLength(8);
    });
    expect(torn).toMatchObject({ entries: 7, problems: [] });
    expect(torn.warnings).toEqual([expect.stringMatching(/^line 7 of the local copy .* is not an entry$/)]);
  });

  it("may hold a line twice and lines in another order", async () => {
    const report = await tampered(async ({ timeline }) => {
      const lines = (await readFile(timeline.localCopy, "utf8")).trim().split("\n").reverse();
      await writeFile(timeline.localCopy, `${[...lines, ...lines].join("\n")}\n`);
    });
    expect(report).toMatchObject({ problems: [], warnings: [] });
  });
});

it("finds nothing in an empty timeline", async () => {
  const { store, keys } = await bench();
  expect(await verifyTimeline(store, { trusted: keys.trusted })).toMatchObject({ entries: 0, signed: 0, unsigned: 0, head: null, problems: [] });
});

it("counts unsigned entries of hosts without a key as a warning", async () => {
  const { store, keys, open, timeline } = await bench();
  await timeline.record(deed("a"));
  await open({ signer: undefined }).record(deed("b"));
  await timeline.record(deed("c"));
  const report = await verifyTimeline(store, { trusted: keys.trusted, local: timeline.localCopy });
  expect(report).toMatchObject({ entries: 3, signed: 2, unsigned: 1, problems: [], warnings: ["1 of 3 entries are unsigned: only the chain and the local copy vouch for them"] });
});
