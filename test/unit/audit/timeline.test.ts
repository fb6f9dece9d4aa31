import { mkdir, readdir, readFile, rmdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

import { decode } from "../../../src/audit/entry.ts";
import { verifyTimeline } from "../../../src/audit/verify.ts";
import { HoldfastError } from "../../../src/errors.ts";
import { registerSecret } from "../../../src/process/redact.ts";
import { bench, collect, deed, entriesOf } from "./fixture.ts";

const down = () => {
  throw new HoldfastError("not-found", "there is no bucket clinic");
};

describe("recording", () => {
  it("writes numbered objects that name the one before", async () => {
    const { store, timeline, keys } = await bench();
    expect(await timeline.record(deed("a"))).toBe("repository");
    expect(await timeline.record(deed("b", { outcome: "failed", code: "dump-failed", message: "pg_dump exited with 3", reason: "nightly" }))).toBe("repository");
    expect([...store.objects.keys()]).toEqual(["timeline/2026/0000000001.json", "timeline/2026/0000000002.json"]);
    const [first, second] = await entriesOf(timeline);
    expect(first).toMatchObject({ format: 1, sequence: 1, previous: null, recordedAt: null, at: "2026-03-01T02:00:00.000Z", actor: { user: "backup", host: "db1", operator: null, tty: false }, version: "0.1.0" });
    expect(second).toMatchObject({ sequence: 2, action: "backup", subject: { database: "ehr", backup: "b" }, reason: "nightly", outcome: "failed", code: "dump-failed", message: "pg_dump exited with 3", seconds: 1.5 });
    expect(second?.previous).toMatch(/^[0-9a-f]{64}$/);
    expect(await verifyTimeline(store, { trusted: keys.trusted, local: timeline.localCopy })).toMatchObject({ entries: 2, signed: 2, unsigned: 0, problems: [], warnings: [] });
  });

  it("keeps the same lines on this host, for its owner only", async () => {
    const { store, timeline, stateDir } = await bench();
    await timeline.record(deed("a"));
    await timeline.record(deed("b"));
    const local = await readFile(timeline.localCopy, "utf8");
    expect(local).toBe([...store.objects.values()].map(({ bytes }) => bytes.toString()).join(""));
    expect((await stat(timeline.localCopy)).mode & 0o777).toBe(0o600);
    expect((await stat(join(stateDir, "timeline"))).mode & 0o777).toBe(0o700);
    expect(await readdir(join(stateDir, "timeline", "repo.pending"))).toEqual([]);
  });

  it("masks secrets before it cuts long texts", async () => {
    const { store, timeline } = await bench();
    registerSecret("hunter2-hunter2");
    await timeline.record(deed("a", { message: `${"x".repeat(1_992)} hunter2-hunter2 and more`, reason: "postgresql://u:pass@h/db" }));
    const [object] = [...store.objects.values()];
    expect(object!.bytes.toString()).not.toMatch(/hunter|:pass@/);
    expect(decode(object!.bytes)?.entry.message).toMatch(/^x+ \*\*\* an…$/);
  });

  it("recognises its own entry also when every text is as long and as odd as can be", async () => {
    const { store, keys, open } = await bench();
    const odd = "\u0001".repeat(5_000);
    const timeline = open({ actor: { user: odd, host: odd, operator: odd, tty: true }, version: "0.1.0" });
    const subject = Object.fromEntries(Array.from({ length: 30 }, (_, n) => [String.fromCharCode(1 + n).repeat(100), odd]));
    await timeline.record({ action: odd, subject, reason: odd, outcome: "failed", code: odd, message: odd, seconds: 1 });
    await timeline.record(deed("b"));
    expect(await verifyTimeline(store, { trusted: keys.trusted, local: timeline.localCopy })).toMatchObject({ entries: 2, signed: 2, problems: [], warnings: [] });
  });

  it("reads one folder's listing and one object to append to ten thousand", async () => {
    const { store, timeline } = await bench();
    await timeline.record(deed("a"));
    const [first] = [...store.objects.values()];
    for (let n = 2; n <= 10_000; n += 1) store.objects.set(`timeline/2026/${String(n).padStart(10, "0")}.json`, first!);
    store.calls.clear();
    expect(await timeline.record(deed("b"))).toBe("repository");
    expect(store.objects.has("timeline/2026/0000010001.json")).toBe(true);
    expect(Object.fromEntries(store.calls)).toEqual({ listFolders: 1, list: 1, get: 1, put: 1 });
  });

  it("gives twelve writers at once twelve places", async () => {
    const { store, timeline, keys, open } = await bench();
    store.faults.before = () => new Promise((resolve) => setImmediate(resolve));
    const answers = await Promise.all(Array.from({ length: 12 }, (_, n) => open({ actor: { user: "u", host: `h${n}`, operator: null, tty: false } }).record(deed(`b${n}`))));
    expect(new Set(answers)).toEqual(new Set(["repository"]));
    const entries = await entriesOf(timeline);
    expect(entries.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 12 }, (_, n) => n + 1));
    expect(new Set(entries.map(({ subject }) => subject["backup"])).size).toBe(12);
    expect(await timeline.pending()).toEqual([]);
    expect(await verifyTimeline(store, { trusted: keys.trusted, local: timeline.localCopy })).toMatchObject({ entries: 12, problems: [], warnings: [] });
  });

  it("gives up a race after a bounded number of attempts and keeps the entry", async () => {
    const pauses: number[] = [];
    const { store, timeline } = await bench({ pause: (ms) => { pauses.push(ms); return Promise.resolve(); }, random: () => 0.5 });
    let n = 0;
    store.faults.before = (operation, key) => {
      if (operation === "put") store.objects.set(key, { bytes: Buffer.from(`rival ${(n += 1)}`), modified: new Date() });
    };
    expect(await timeline.record(deed("a"))).toBe("pending");
    expect(pauses).toHaveLength(23);
    expect(pauses[0]).toBe(20);
    expect(Math.max(...pauses)).toBe(500);
    expect(await timeline.pending()).toHaveLength(1);
  });

  it("chains over a head that is no entry, whatever its size", async () => {
    const { store, timeline, keys } = await bench();
    await timeline.record(deed("a"));
    store.objects.set("timeline/2026/0000000002.json", { bytes: Buffer.alloc(300_000, "x"), modified: new Date() });
    store.objects.set("timeline/2027/readme.txt", { bytes: Buffer.from("hello"), modified: new Date() });
    expect(await timeline.record(deed("b"))).toBe("repository");
    const { problems } = await verifyTimeline(store, { trusted: keys.trusted });
    expect(problems.map(({ sequence, key, problem }) => [sequence, key, problem])).toEqual([
      [2, "timeline/2026/0000000002.json", "garbage"],
      [null, "timeline/2027/readme.txt", "garbage"],
    ]);
  });
});

describe("an entry that does not reach the repository", () => {
  it("waits on this host and goes with the next, keeping its own time", async () => {
    const { store, clock, timeline, keys } = await bench();
    await timeline.record(deed("a"));
    store.faults.before = down;
    clock.set("2026-03-02T02:00:00.000Z");
    expect(await timeline.record(deed("b", { outcome: "failed", code: "not-found", message: "there is no bucket clinic" }))).toBe("pending");
    clock.set("2026-03-03T02:00:00.000Z");
    expect(await timeline.record(deed("c", { outcome: "failed" }))).toBe("pending");
    expect((await timeline.pending()).map(({ subject }) => subject["backup"])).toEqual(["b", "c"]);
    delete store.faults.before;
    clock.set("2026-03-04T02:00:00.000Z");
    expect(await timeline.record(deed("d"))).toBe("repository");
    expect((await entriesOf(timeline)).map(({ sequence, subject, at, recordedAt }) => [sequence, subject["backup"], at.slice(0, 10), recordedAt?.slice(0, 10)])).toEqual([
      [1, "a", "2026-03-01", undefined],
      [2, "b", "2026-03-02", "2026-03-04"],
      [3, "c", "2026-03-03", "2026-03-04"],
      [4, "d", "2026-03-04", undefined],
    ]);
    expect(await timeline.pending()).toEqual([]);
    expect((await verifyTimeline(store, { trusted: keys.trusted, local: timeline.localCopy })).problems).toEqual([]);
  });

  it("stands in the folder of the year in which it was recorded", async () => {
    const { store, clock, timeline, keys } = await bench();
    clock.set("2026-12-31T23:00:00.000Z");
    await timeline.record(deed("a"));
    store.faults.before = down;
    await timeline.record(deed("b"));
    delete store.faults.before;
    clock.set("2027-01-01T01:00:00.000Z");
    await timeline.record(deed("c"));
    expect((await entriesOf(timeline)).map(({ sequence, action, subject, at }) => [sequence, action, subject["backup"] ?? subject["next"], at.slice(0, 4)])).toEqual([
      [1, "backup", "a", "2026"],
      [2, "close-year", "2027", "2027"],
      [3, "backup", "b", "2026"],
      [4, "backup", "c", "2027"],
    ]);
    expect([...store.objects.keys()]).toEqual(["timeline/2026/0000000001.json", "timeline/2026/0000000002.json", "timeline/2027/0000000003.json", "timeline/2027/0000000004.json"]);
    expect((await verifyTimeline(store, { trusted: keys.trusted, local: timeline.localCopy })).problems).toEqual([]);
  });

  it("is not written twice when the put succeeded and its answer was lost", async () => {
    const { store, timeline, open } = await bench();
    await timeline.record(deed("a"));
    store.faults.after = (operation) => {
      if (operation === "put") throw new HoldfastError("store-failed", "the store did not answer in time");
    };
    expect(await timeline.record(deed("b"))).toBe("pending");
    delete store.faults.after;
    await open({ stateDir: `${timeline.localCopy}-elsewhere` }).record(deed("c"));
    await timeline.record(deed("d"));
    expect((await entriesOf(timeline)).map(({ subject }) => subject["backup"])).toEqual(["a", "b", "c", "d"]);
    const local = (await readFile(timeline.localCopy, "utf8")).trim().split("\n");
    expect(local.map((line) => decode(Buffer.from(line))?.entry.subject["backup"])).toEqual(["a", "b", "d"]);
  });

  it("is not written twice when a retry inside the store says that somebody else was first", async () => {
    const { store, timeline } = await bench();
    const put = store.put.bind(store);
    store.put = async (key, bytes, condition) => {
      await put(key, bytes, condition);
      return await put(key, bytes, condition);
    };
    expect(await timeline.record(deed("a"))).toBe("repository");
    expect(await timeline.record(deed("b"))).toBe("repository");
    expect((await entriesOf(timeline)).map(({ subject }) => subject["backup"])).toEqual(["a", "b"]);
  });

  it("is not written twice when several processes bring it at once", async () => {
    for (let round = 0; round < 20; round += 1) {
      const { store, timeline, open, keys } = await bench();
      store.faults.before = down;
      for (const name of ["a", "b", "c"]) await timeline.record(deed(name));
      store.faults.before = async () => {
        for (let wait = Math.random() * 6; wait > 0; wait -= 1) await new Promise((resolve) => setImmediate(resolve));
      };
      await Promise.all(["d", "e", "f", "g"].map((name) => open().record(deed(name))));
      const entries = await entriesOf(timeline);
      expect(entries.map(({ subject }) => subject["backup"]).sort()).toEqual(["a", "b", "c", "d", "e", "f", "g"]);
      expect((await verifyTimeline(store, { trusted: keys.trusted, local: timeline.localCopy })).problems).toEqual([]);
      expect(await timeline.pending()).toEqual([]);
    }
  });

  it("is not written twice, but copied later, when the local copy could not be written", async () => {
    const { timeline } = await bench();
    await mkdir(timeline.localCopy, { recursive: true });
    expect(await timeline.record(deed("a"))).toBe("repository");
    expect(await timeline.pending()).toHaveLength(1);
    await rmdir(timeline.localCopy);
    expect(await timeline.record(deed("b"))).toBe("repository");
    expect((await entriesOf(timeline)).map(({ subject }) => subject["backup"])).toEqual(["a", "b"]);
    expect((await readFile(timeline.localCopy, "utf8")).trim().split("\n")).toHaveLength(2);
    expect(await timeline.pending()).toEqual([]);
  });

  it("goes to the repository even if nothing can be written on this host", async () => {
    const { stateDir, open } = await bench();
    await writeFile(join(stateDir, "file"), "");
    const timeline = open({ stateDir: join(stateDir, "file") });
    expect(await timeline.record(deed("a"))).toBe("repository");
    expect(await entriesOf(timeline)).toHaveLength(1);
  });

  it("is an error only if it can be kept nowhere", async () => {
    const { store, stateDir, open } = await bench();
    await writeFile(join(stateDir, "file"), "");
    store.faults.before = down;
    await expect(open({ stateDir: join(stateDir, "file") }).record(deed("a"))).rejects.toMatchObject({
      code: "store-failed",
      message: expect.stringMatching(/^the timeline's entry can be written neither to memory: \(there is no bucket clinic\) nor to .*file.timeline.repo\.pending \(ENOTDIR/) as string,
    });
  });

  it("does not hide a bug behind the waiting entry", async () => {
    const { store, timeline } = await bench();
    store.faults.before = () => {
      throw new TypeError("x is not a function");
    };
    await expect(timeline.record(deed("a"))).rejects.toThrow(TypeError);
    expect(await timeline.pending()).toHaveLength(1);
  });
});

describe("the turn of the year", () => {
  it("has one winner for each place, also between hosts whose clocks disagree about the year", async () => {
    for (let round = 0; round < 20; round += 1) {
      const { store, clock, timeline, open, keys } = await bench();
      clock.set("2026-12-31T23:59:58.000Z");
      await timeline.record(deed("first"));
      store.faults.before = async () => {
        for (let wait = Math.random() * 6; wait > 0; wait -= 1) await new Promise((resolve) => setImmediate(resolve));
      };
      const hosts = ["2026-12-31T23:59:59.000Z", "2027-01-01T00:00:00.000Z", "2026-12-31T23:59:59.500Z", "2027-01-01T00:00:01.000Z"];
      await Promise.all(hosts.map((time, n) => open({ clock: { now: () => new Date(time) }, stateDir: join(timeline.localCopy, "..", `h${n}`) }).record(deed(`h${n}`))));
      delete store.faults.before;
      const report = await verifyTimeline(store, { trusted: keys.trusted, local: timeline.localCopy });
      expect(report.problems).toEqual([]);
      expect(report.entries).toBe(6);
      const folders = (await collect(store.list("timeline/"))).map(({ key }) => key.slice(9, 13));
      expect(folders).toEqual([...folders].sort());
    }
  });

  it("passes over years in which nothing was done", async () => {
    const { store, clock, timeline, keys } = await bench();
    await timeline.record(deed("a"));
    clock.set("2029-05-01T00:00:00.000Z");
    await timeline.record(deed("b"));
    expect([...store.objects.keys()].at(-1)).toBe("timeline/2029/0000000003.json");
    expect((await verifyTimeline(store, { trusted: keys.trusted })).problems).toEqual([]);
  });
});

describe("reading", () => {
  const filled = async () => {
    const made = await bench();
    for (const [name, time] of [["a", "2025-11-01"], ["b", "2026-01-05"], ["c", "2026-06-01"], ["d", "2027-02-01"], ["e", "2027-03-01"]] as const) {
      made.clock.set(`${time}T00:00:00.000Z`);
      await made.timeline.record(deed(name));
    }
    made.store.calls.clear();
    const names = async (range: Parameters<typeof made.timeline.read>[0]) => (await collect(made.timeline.read(range))).filter(({ action }) => action === "backup").map(({ subject }) => subject["backup"]);
    return { ...made, names };
  };

  it("takes the entries of a range", async () => {
    const { names } = await filled();
    expect(await names({ since: new Date("2026-01-05T00:00:00.000Z"), until: new Date("2027-02-01T00:00:00.000Z") })).toEqual(["b", "c"]);
    expect(await names({})).toEqual(["a", "b", "c", "d", "e"]);
  });

  it("takes the last ones without reading earlier years", async () => {
    const { names, store } = await filled();
    expect(await names({ last: 2 })).toEqual(["d", "e"]);
    expect(store.calls.get("get")).toBe(2);
    expect(await names({ last: 1, until: new Date("2027-01-01T00:00:00.000Z") })).toEqual(["c"]);
    expect(await names({ last: 2, until: new Date("2026-12-01T00:00:00.000Z") })).toEqual(["b", "c"]);
  });

  it("exports the exact lines", async () => {
    const { timeline, store } = await filled();
    const lines = await collect(timeline.export());
    const stored = (await collect(store.list("timeline/"))).map(({ key }) => store.objects.get(key)!.bytes.toString());
    expect(lines).toEqual(stored);
    expect(lines.every((line) => line.endsWith("\n") && line.indexOf("\n") === line.length - 1)).toBe(true);
  });
});
