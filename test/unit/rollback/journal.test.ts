import { readFile, stat, truncate, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { describe, expect, test } from "vitest";

import { generateSigningKey, loadSigner, loadTrustedSigners } from "../../../src/catalog/signatures.ts";
import { readJournal } from "../../../src/rollback/journal/read-journal.ts";
import { settle } from "../../harness/fake-time.ts";
import { freshKeys } from "../catalog/fixture.ts";
import { id, type JournalBench, journalBench } from "./journal-bench.ts";

const begun = (step: string) => ({ kind: "step-begun", step }) as const;
const done = (step: string, facts = {}) => ({ kind: "step-done", step, facts, found: false }) as const;

/** Three entries on the disk and in the repository. */
async function threeEntries(): Promise<JournalBench> {
  const bench = await journalBench();
  const journal = await bench.open();
  await journal.append(begun("stop"));
  await journal.append({ kind: "step-noted", step: "stop", facts: { name: "app" } });
  await journal.append(done("stop", { name: "app", stopped: 2 }));
  return bench;
}

const linesOf = async ({ path }: JournalBench): Promise<string[]> => (await readFile(path, "utf8")).split("\n").slice(0, -1);
const rewrite = async (bench: JournalBench, change: (lines: string[]) => readonly string[]): Promise<void> => writeFile(bench.path, (change(await linesOf(bench))).map((line) => `${line}\n`).join(""));
const read = ({ stateDir, repository }: JournalBench) => readJournal({ stateDir, repository, database: "ehr", id });

test("an entry is on this host's disk, private, and in the repository as a signed object, and is read back from both", async () => {
  const bench = await threeEntries();
  expect(bench.keys()).toEqual([1, 2, 3].map((n) => `ehr/rollbacks/${id}/journal/000${n}.json`));
  expect((await stat(bench.path)).mode & 0o777).toBe(0o600);
  expect((await stat(dirname(bench.path))).mode & 0o777).toBe(0o700);
  const found = await read(bench);
  expect([found.onDisk, found.inRepository]).toEqual([3, 3]);
  expect(found.entries.map(({ kind, sequence, by }) => [sequence, kind, by.user, by.pid])).toEqual([[1, "step-begun", "ann", process.pid], [2, "step-noted", "ann", process.pid], [3, "step-done", "ann", process.pid]]);
  expect(found.entries[0]?.previous).toBeNull();
  expect(found.entries[1]?.previous).toMatch(/^[0-9a-f]{64}$/);
  expect((await bench.open()).entries).toEqual(found.entries);
});

test("another host goes on from the repository alone, and its disk then has everything", async () => {
  const bench = await threeEntries();
  const elsewhere = await journalBench();
  const journal = await bench.open({ stateDir: elsewhere.stateDir, actor: { user: "bob", host: "db2", operator: null }, resume: true });
  expect(journal.entries).toHaveLength(3);
  await journal.append({ kind: "resumed" });
  expect(await readJournal({ stateDir: elsewhere.stateDir, repository: bench.repository, database: "ehr", id })).toMatchObject({ onDisk: 4, inRepository: 4 });
  expect(await readJournal({ repository: bench.repository, database: "ehr", id })).toMatchObject({ onDisk: 0, inRepository: 4 });
  // The first host, whose disk is behind now, gets what it misses.
  expect((await bench.open()).entries.at(-1)).toMatchObject({ kind: "resumed", by: { user: "bob", host: "db2" } });
  expect(await read(bench)).toMatchObject({ onDisk: 4 });
});

test("a journal that must be there and is nowhere is not found, and a name that is no rollback's is refused before a path is made of it", async () => {
  const bench = await journalBench();
  await expect(bench.open({ resume: true })).rejects.toMatchObject({ code: "not-found", message: expect.stringContaining(id) as string });
  for (const wrong of ["../../etc", "rollback-other-20261121T020000Z-7f3a", "ehr-20261121T020000Z-7f3a"]) await expect(bench.open({ id: wrong })).rejects.toMatchObject({ code: "usage" });
  expect(await read(bench)).toEqual({ entries: [], onDisk: 0, inRepository: 0 });
});

test("nothing is added after the end", async () => {
  const bench = await journalBench();
  const journal = await bench.open();
  await journal.append({ kind: "ended", outcome: "done", message: "release 1.4.1 runs" });
  await expect(journal.append(begun("stop"))).rejects.toMatchObject({ code: "refused" });
  await expect((await bench.open()).append(begun("stop"))).rejects.toMatchObject({ code: "refused" });
});

test("entries that are added at once stand one after the other", async () => {
  const bench = await journalBench();
  const journal = await bench.open();
  await Promise.all(["a", "b", "c", "d"].map((step) => journal.append(begun(step))));
  expect((await read(bench)).entries.map((entry) => "step" in entry && entry.step)).toEqual(["a", "b", "c", "d"]);
});

describe("a line that a kill has torn", () => {
  test("is cut off, told, and the journal goes on behind the last whole one", async () => {
    const bench = await threeEntries();
    const whole = await readFile(bench.path, "utf8");
    await writeFile(bench.path, `${whole}{"record":"{\\"run\\":\\"rollb`);
    expect((await read(bench)).entries).toHaveLength(3);
    expect(await readFile(bench.path, "utf8")).not.toBe(whole);
    const journal = await bench.open({ resume: true });
    expect(bench.warnings()).toEqual([expect.stringContaining(`the last line of ${bench.path} was torn`)]);
    await journal.append({ kind: "resumed" });
    expect((await readFile(bench.path, "utf8")).startsWith(whole)).toBe(true);
    expect(await read(bench)).toMatchObject({ onDisk: 4, inRepository: 4 });
  });

  test("as the first of all leaves an empty journal", async () => {
    const bench = await threeEntries();
    bench.store.objects.clear();
    await truncate(bench.path, 40);
    const journal = await bench.open();
    expect(journal.entries).toEqual([]);
    await journal.append(begun("stop"));
    expect(await linesOf(bench)).toHaveLength(1);
  });
});

describe("a journal that cannot be trusted is refused", () => {
  const refused = { code: "integrity" };

  test("a line that was changed", async () => {
    const bench = await threeEntries();
    await rewrite(bench, ([first, second, third]) => [first!, second!.replace("app", "apb"), third!]);
    await expect(bench.open()).rejects.toMatchObject({ ...refused, message: expect.stringContaining("line 2") as string });
    await expect(read(bench)).rejects.toMatchObject(refused);
  });

  test("a line that was removed, from the middle or the beginning", async () => {
    const bench = await threeEntries();
    const kept = await linesOf(bench);
    await rewrite(bench, ([first, , third]) => [first!, third!]);
    await expect(bench.open()).rejects.toMatchObject({ ...refused, message: expect.stringContaining("entry 3 stands where entry 2 belongs") as string });
    await rewrite(bench, () => kept.slice(1));
    await expect(bench.open()).rejects.toMatchObject(refused);
  });

  test("a line that stands twice, and two that changed places", async () => {
    const bench = await threeEntries();
    const [first, second, third] = await linesOf(bench);
    await rewrite(bench, () => [first!, second!, second!, third!]);
    await expect(bench.open()).rejects.toMatchObject(refused);
    await rewrite(bench, () => [first!, third!, second!]);
    await expect(bench.open()).rejects.toMatchObject(refused);
  });

  test("a whole line that is none", async () => {
    const bench = await threeEntries();
    await rewrite(bench, (lines) => [...lines, "\0\0\0\0"]);
    await expect(bench.open()).rejects.toMatchObject(refused);
  });

  test("an object that was changed, removed, or signed by a stranger", async () => {
    const bench = await threeEntries();
    const [, second] = bench.keys();
    const kept = bench.store.objects.get(second!)!;
    bench.store.objects.set(second!, { ...kept, bytes: Buffer.from(kept.bytes.toString().replace("app", "apb")) });
    await expect(bench.open()).rejects.toMatchObject(refused);
    bench.store.objects.delete(second!);
    await expect(bench.open()).rejects.toMatchObject({ ...refused, message: expect.stringContaining("entry 3 stands where entry 2 belongs") as string });
    const stranger = await journalBench();
    const theirs = await stranger.open({ signer: freshKeys().signer });
    await theirs.append(begun("stop"));
    await expect(stranger.open()).rejects.toMatchObject({ ...refused, message: expect.stringContaining("a stranger signed it") as string });
  });

  test("genuine entries of another rollback, and of a chain that another entry began", async () => {
    const bench = await threeEntries();
    const other = id.replace("7f3a", "ffff");
    const journal = await bench.open({ id: other });
    await journal.append(begun("stop"));
    bench.store.objects.clear();
    const [line] = (await readFile(journal.path, "utf8")).split("\n");
    await rewrite(bench, (lines) => [line!, ...lines.slice(1)]);
    await expect(bench.open()).rejects.toMatchObject({ ...refused, message: expect.stringContaining(`it belongs to ${other}`) as string });
    const again = await journalBench();
    const second = await bench.open({ stateDir: again.stateDir, repository: again.repository });
    await second.append(begun("start"));
    const [begins] = (await readFile(second.path, "utf8")).split("\n");
    await rewrite(bench, (lines) => [begins!, ...lines.slice(1)]);
    await expect(bench.open()).rejects.toMatchObject({ ...refused });
  });

  test("an entry that a key signed outside its window", async () => {
    const { privateKeyPem, publicKeyPem } = generateSigningKey();
    const bench = await journalBench();
    const repository = { ...bench.repository, trusted: loadTrustedSigners(`# valid-until: 2026-11-20T00:00:00Z\n${publicKeyPem}`, "a test") };
    const journal = await bench.open({ repository, signer: loadSigner(privateKeyPem, "a test") });
    await journal.append(begun("stop"));
    await expect(bench.open({ repository })).rejects.toMatchObject({ ...refused, message: expect.stringContaining("which counted until 2026-11-20T00:00:00.000Z only") as string });
  });

  test("two copies that part, though each is whole", async () => {
    const bench = await threeEntries();
    const elsewhere = await journalBench();
    const other = await bench.open({ stateDir: elsewhere.stateDir, repository: elsewhere.repository });
    await other.append(begun("stop"));
    await other.append(begun("another"));
    await expect(bench.open({ stateDir: elsewhere.stateDir })).rejects.toMatchObject({ ...refused, message: expect.stringContaining("part at entry 2") as string });
  });
});

describe("two runs at once", () => {
  test("the second learns from the repository that the first has written, before it does anything", async () => {
    const bench = await threeEntries();
    const elsewhere = await journalBench();
    const [one, two] = [await bench.open(), await bench.open({ stateDir: elsewhere.stateDir })];
    await one.append(begun("start"));
    await expect(two.append(begun("swap"))).rejects.toMatchObject({ code: "lock-held" });
    await expect(two.append(begun("swap"))).rejects.toMatchObject({ code: "lock-held" });
    await expect(bench.open({ stateDir: elsewhere.stateDir })).rejects.toMatchObject({ code: "integrity" });
    await one.append(done("start"));
  });

  test("the second on one host learns it from the file, also without the repository", async () => {
    const bench = await threeEntries();
    const [one, two] = [await bench.open(), await bench.open()];
    bench.store.faults.before = () => { throw new Error("no route"); };
    await one.append(begun("start"));
    await expect(two.append(begun("swap"))).rejects.toMatchObject({ code: "lock-held", message: `another run writes ${bench.path}` });
  });

  test("an entry that got there although its answer was lost is our own", async () => {
    const bench = await journalBench();
    const journal = await bench.open();
    let lost = 0;
    bench.store.faults.after = (operation) => { if (operation === "put" && (lost += 1) === 1) throw new Error("reset"); };
    await journal.append(begun("stop"));
    await journal.append(done("stop"));
    expect(await journal.sync()).toBe(0);
    expect(await read(bench)).toMatchObject({ onDisk: 2, inRepository: 2 });
  });
});

describe("a repository that cannot be reached", () => {
  test("is told once, strands nothing, and gets what it misses with the next entry", async () => {
    const bench = await threeEntries();
    const journal = await bench.open();
    bench.store.faults.before = (operation) => { if (operation === "put") throw new Error("no route"); };
    await journal.append(begun("swap"));
    await journal.append(done("swap"));
    expect(bench.warnings()).toEqual([`the journal goes on in ${bench.path} only: memory: could not be reached (no route); it gets what it misses as soon as it can be`]);
    expect([bench.keys().length, (await linesOf(bench)).length]).toEqual([3, 5]);
    delete bench.store.faults.before;
    await journal.append(begun("start"));
    expect(bench.keys()).toHaveLength(6);
    expect(await journal.sync()).toBe(0);
    expect(bench.warnings()).toHaveLength(1);
  });

  test("is told at the end what it still misses", async () => {
    const bench = await threeEntries();
    const journal = await bench.open();
    bench.store.faults.before = () => { throw new Error("no route"); };
    await journal.append(begun("swap"));
    expect(await journal.sync()).toBe(1);
    expect(bench.warnings().at(-1)).toBe(`the last 1 entry of the journal could not be brought to memory: (no route): keep ${bench.path}, and resume on this host only`);
    // A later process on this host brings it.
    delete bench.store.faults.before;
    expect(await (await bench.open()).sync()).toBe(0);
    expect(await read(bench)).toMatchObject({ onDisk: 4, inRepository: 4 });
  });

  test("does not keep this host from going on with what it has; another host has nothing to go on with", async () => {
    const bench = await threeEntries();
    bench.store.faults.before = () => { throw new Error("no route"); };
    const journal = await bench.open({ resume: true });
    expect(journal.entries).toHaveLength(3);
    expect(bench.warnings()).toHaveLength(1);
    const elsewhere = await journalBench();
    await expect(bench.open({ stateDir: elsewhere.stateDir, resume: true })).rejects.toThrow("no route");
    await expect(readJournal({ repository: bench.repository, database: "ehr", id })).rejects.toThrow("no route");
  });

  test("and hangs costs its time limit once", async () => {
    const bench = await journalBench();
    const journal = await bench.open();
    let answer: () => void = () => undefined;
    bench.store.faults.before = (operation) => (operation === "put" ? new Promise<void>((resolve) => { answer = resolve; }) : undefined);
    let over = false;
    const first = journal.append(begun("stop")).then(() => { over = true; });
    // Once the entry is on the disk.
    while (bench.time.waiting === 0) await settle();
    await bench.time.advance(9_999);
    expect(over).toBe(false);
    await bench.time.advance(1);
    await first;
    await journal.append(done("stop"));
    expect((await linesOf(bench)).length).toBe(2);
    expect(bench.warnings()).toEqual([expect.stringContaining("it did not answer in time")]);
    const last = journal.sync();
    while (bench.time.waiting === 0) await settle();
    await bench.time.advance(10_000);
    expect(await last).toBe(2);
    // It wakes up: what waited there goes on, and the rest follows.
    delete bench.store.faults.before;
    answer();
    expect(await journal.sync()).toBe(0);
    expect(bench.keys()).toHaveLength(2);
  });
});
