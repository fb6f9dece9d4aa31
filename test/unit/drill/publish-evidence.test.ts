import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";

import { drillId, drillKey, partsOfDrillId } from "../../../src/catalog/layout.ts";
import { beginDrill, isRunning, ownershipOf, parseBegun } from "../../../src/drill/evidence/begun.ts";
import { publishEvidence } from "../../../src/drill/evidence/publish-evidence.ts";
import { listDrills, readDrill } from "../../../src/drill/evidence/records.ts";
import { acquireLock } from "../../../src/lock/lease.ts";
import { withoutConditions } from "../../../src/store/unconditional.ts";
import { memoryStore } from "../../harness/memory-store.ts";
import { freshKeys } from "../catalog/fixture.ts";
import { actor, clock, draftOf, drillBench } from "./fixture.ts";

const caught = (promise: Promise<unknown>): Promise<unknown> => promise.then(() => "no error", (error: unknown) => error);
const here = { now: new Date("2026-06-01T03:00:00Z"), host: "db1" };
/** The highest process id of Linux is below this one. */
const nobody = 4_194_305;

const beginning = {
  database: "ehr",
  backup: "ehr-20260601T000000Z-0001",
  startedAt: new Date("2026-06-01T02:00:00Z"),
  expires: new Date("2026-06-01T14:00:00Z"),
  actor,
  ids: { suffix: () => "7f3a" },
  pid: nobody,
};

test("a drill's id names its database and its second, whatever short name the database has", () => {
  const at = new Date("2026-11-21T02:00:00Z");
  for (const database of ["ehr", "drill", "drill-ehr", "a-20261121-7f3a"]) expect(partsOfDrillId(drillId(database, at, "7f3a"))).toEqual({ database, at });
  for (const text of ["", "latest", "ehr-20261121T020000Z-7f3a", "drill-ehr-20261121T020000Z", "drill-../x-20261121T020000Z-7f3a", "drill-ehr-20261399T020000Z-7f3a", "drill-ehr-20261121T020000Z-7f3a\n"]) {
    expect(partsOfDrillId(text), text).toBeUndefined();
  }
});

test("reports and signatures are there before the evidence, and the evidence is written last and once", async () => {
  const store = memoryStore();
  const { publish } = await drillBench(store);
  const order: string[] = [];
  store.faults.before = (operation, key) => { if (operation === "put" && key.includes("/drills/")) order.push(key.split("/").at(-1)!); };
  await publish(draftOf("2026-06-01T02:00:00Z"));
  expect(order).toEqual(["report.html", "report.md", "junit.xml", "reports.json.sig", "reports.json", "evidence.json.sig", "evidence.json"]);
});

test("a drill publishes its evidence once", async () => {
  const { publish, read } = await drillBench();
  const first = await publish(draftOf("2026-06-01T02:00:00Z"));
  expect(await caught(publish(draftOf("2026-06-01T02:00:00Z", { verdict: "fail" })))).toMatchObject({ code: "integrity", message: `drill ${first.evidence.id} has evidence already` });
  expect((await read(first.evidence.id, "evidence.json")).equals(first.bytes)).toBe(true);
});

test("evidence follows what was published last, also where an earlier drill took longer", async () => {
  const { publish, verify } = await drillBench();
  const slow = draftOf("2026-06-01T02:00:00Z");
  const quick = await publish(draftOf("2026-06-02T02:00:00Z"));
  const late = await publish(slow);
  const next = await publish(draftOf("2026-06-03T02:00:00Z"));
  expect(late.evidence.previous).toEqual({ id: quick.evidence.id, sha256: quick.sha256 });
  expect(next.evidence.previous).toEqual({ id: late.evidence.id, sha256: late.sha256 });
  expect((await verify()).problems).toEqual([]);
});

test("five that publish at once stand in one chain", async () => {
  const { publish, verify } = await drillBench();
  const published = await Promise.all([1, 2, 3, 4, 5].map((day) => publish(draftOf(`2026-06-0${day}T02:00:00Z`))));
  expect(new Set(published.map(({ evidence }) => evidence.previous?.id)).size).toBe(5);
  expect(await verify()).toMatchObject({ proven: 5, problems: [] });
}, 120_000);

describe("where the store decides no race", () => {
  /** Four drills on one host that end at once, at a store that takes every conditional put for a plain one. */
  async function four(guarded: boolean): Promise<{ readonly verdicts: readonly string[]; readonly problems: readonly unknown[] }> {
    const stateDir = await mkdtemp(join(tmpdir(), "holdfast-guarded-"));
    onTestFinished(() => rm(stateDir, { recursive: true, force: true }));
    const plain = memoryStore();
    const put = plain.put.bind(plain);
    plain.put = (key, bytes) => put(key, bytes);
    const { repository, signer, verify } = await drillBench(withoutConditions(plain));
    const drafts = ["01", "02", "03", "04"].map((day) => draftOf(`2026-06-${day}T02:00:00Z`, { repository: { id: repository.id, url: "memory:" } }));
    const guard = guarded ? { stateDir, repositoryId: repository.id } : undefined;
    const ended = await Promise.allSettled(drafts.map((draft) => publishEvidence(repository, draft, { signer, clock, actor, guard, render: () => [] })));
    return { verdicts: ended.map(({ status }) => status), problems: (await verify()).problems };
  }

  test("the drills of one host stand in one chain", async () => {
    expect(await four(true)).toEqual({ verdicts: Array(4).fill("fulfilled"), problems: [] });
  });

  test("and without what keeps them apart they do not: the store really decides nothing", async () => {
    const { verdicts, problems } = await four(false);
    expect(verdicts.every((verdict) => verdict === "fulfilled") && problems.length === 0).toBe(false);
  });
});

test("evidence that cannot be trusted is not followed", async () => {
  const { publish, put, read, verify } = await drillBench();
  const [first, second] = [await publish(draftOf("2026-06-01T02:00:00Z")), await publish(draftOf("2026-06-02T02:00:00Z"))];
  await put(second.evidence.id, "evidence.json", Buffer.concat([await read(second.evidence.id, "evidence.json"), Buffer.from(" ")]));
  const third = await publish(draftOf("2026-06-03T02:00:00Z"));
  expect(third.evidence.previous?.id).toBe(first.evidence.id);
  expect((await verify()).problems).toMatchObject([{ drill: second.evidence.id, problem: "edited" }]);
});

test("another that publishes is waited for, but not for ever", async () => {
  const { repository, signer } = await drillBench();
  const lock = await acquireLock(repository.store, "ehr/locks/drill.json", { action: "drill", actor: { user: "other", host: "db2" }, clock });
  const publication = { signer, clock, actor, render: () => [], lockWaitMs: 0 };
  expect(await caught(publishEvidence(repository, { ...draftOf("2026-06-01T02:00:00Z"), repository: { id: repository.id, url: "memory:" } }, publication))).toMatchObject({ code: "lock-held" });
  await lock.release();
});

test("a run that dies between two writes leaves no evidence, and is listed as ended without a verdict", async () => {
  for (let writes = 0; writes < 7; writes += 1) {
    const store = memoryStore();
    const { repository, publish, verify } = await drillBench(store);
    const { id } = await beginDrill(store, beginning);
    let left = writes;
    store.faults.before = (operation, key) => { if (operation === "put" && key.includes("/drills/") && left-- <= 0) throw new Error("killed"); };
    expect(await caught(publish(draftOf("2026-06-01T02:00:00Z")))).toMatchObject({ message: "killed" });
    store.faults.before = () => undefined;
    expect(await listDrills(repository, "ehr", here)).toMatchObject([{ id, running: false, begun: { pid: nobody, backup: beginning.backup } }]);
    // Whoever finds it publishes in its stead.
    await publish(draftOf("2026-06-01T02:00:00Z", { verdict: "unverified", summary: "it was killed" }));
    expect(await verify()).toMatchObject({ proven: 1, problems: [] });
  }
});

test("an answer that was lost does not make the same evidence another's", async () => {
  const store = memoryStore();
  const { publish, verify } = await drillBench(store);
  const put = store.put.bind(store);
  // Each object is stored, and the caller hears that somebody was first: as a request that is sent again.
  store.put = async (key, bytes, condition) => { const version = await put(key, bytes, condition); return key.includes("/drills/") ? undefined : version; };
  await publish(draftOf("2026-06-01T02:00:00Z"));
  expect(await verify()).toMatchObject({ proven: 1, problems: [] });
});

test("a drill takes an id that nobody has", async () => {
  const { store } = await drillBench();
  const suffixes = ["7f3a", "7f3a", "0001"];
  const ids = { suffix: () => suffixes.shift() ?? "7f3a" };
  expect((await beginDrill(store, { ...beginning, ids })).id).toBe("drill-ehr-20260601T020000Z-7f3a");
  expect((await beginDrill(store, { ...beginning, ids })).id).toBe("drill-ehr-20260601T020000Z-0001");
  expect(await caught(beginDrill(store, { ...beginning, ids }))).toMatchObject({ code: "store-failed" });
});

test("a drill runs while its time lasts and, on its own host, its process lives", async () => {
  const { store, repository } = await drillBench();
  const ours = await beginDrill(store, { ...beginning, pid: process.pid });
  const killed = await beginDrill(store, { ...beginning, ids: { suffix: () => "0001" } });
  expect(ownershipOf(ours)).toEqual({ drill: ours.id, host: "db1", user: "drill", pid: process.pid, expires: beginning.expires });
  const running = async (id: string, observer: Parameters<typeof isRunning>[1]) => (await readDrill(repository, { database: "ehr", id }, observer))?.running;
  expect(await running(ours.id, here)).toBe(true);
  expect(await running(killed.id, here)).toBe(false);
  expect(await running(killed.id, { ...here, host: "db2" })).toBe(true);
  expect(await running(ours.id, { ...here, now: beginning.expires })).toBe(false);
  // Another process has got the number since.
  expect(await isRunning({ ...ours, started: "1" }, here)).toBe(false);
  // A container counts its processes for itself.
  expect(await isRunning({ ...killed, space: "pid:[1]" }, here)).toBe(true);
});

test("drills are listed newest first, each with what it left", async () => {
  const { store, repository, publish, remove, certify } = await drillBench();
  const first = await publish(draftOf("2026-06-01T02:00:00Z"));
  const second = await publish(draftOf("2026-06-02T02:00:00Z"));
  await certify(first);
  await remove(second.evidence.id, "evidence.json.sig");
  const begun = await beginDrill(store, { ...beginning, startedAt: new Date("2026-06-03T02:00:00Z") });
  const records = await listDrills(repository, "ehr", here);
  expect(records.map(({ id }) => id)).toEqual([begun.id, second.evidence.id, first.evidence.id]);
  expect(records).toMatchObject([{ running: false }, { problem: { code: "integrity", message: expect.stringContaining("is not signed") as string } }, { evidence: { verdict: "pass" }, sha256: first.sha256, certifications: [{ certification: { by: "Dr. A. Lee" } }] }]);
  expect(await listDrills(repository, "billing", here)).toEqual([]);
});

test("the record of one drill is its own, although another id begins like it", async () => {
  const { repository, publish } = await drillBench();
  const drill = await publish(draftOf("2026-06-01T02:00:00Z"));
  expect(await readDrill(repository, { database: "ehr", id: drill.evidence.id.slice(0, -1) }, here)).toBeUndefined();
  expect(await readDrill(repository, { database: "ehr", id: drill.evidence.id }, here)).toMatchObject({ sha256: drill.sha256 });
});

test("what stands in begun.json cannot move a cursor, and rubbish is not taken for a drill", () => {
  const id = "drill-ehr-20260601T020000Z-7f3a";
  const begun = { format: 1, kind: "holdfast-drill-begun", id, database: "ehr", backup: null, host: "\u001b[31mred", user: "x".repeat(500), pid: 1, started: "1", space: "", startedAt: "2026-06-01T02:00:00.000Z", expires: "2026-06-01T14:00:00.000Z" };
  const parse = (content: unknown) => parseBegun(Buffer.from(typeof content === "string" ? content : JSON.stringify(content)), "ehr", id);
  expect(parse(begun)).toMatchObject({ host: "?[31mred", user: "x".repeat(200) });
  for (const bad of ["", "{", "[]", { ...begun, pid: -1 }, { ...begun, id: "drill-ehr-20260601T020000Z-0000" }, { ...begun, database: "erp" }, { ...begun, more: 1 }]) expect(parse(bad)).toBeUndefined();
});

test("a key certifies a drill once, and a run that was killed in between does not stand in the way", async () => {
  const { publish, certify, put, read, verify, remove, signer } = await drillBench();
  const drill = await publish(draftOf("2026-06-01T02:00:00Z"));
  await put(drill.evidence.id, `certification-${signer.id}.json.sig`, freshKeys().signer.sign(Buffer.from("another second")));
  await certify(drill);
  expect((await verify()).problems).toEqual([]);
  const before = await read(drill.evidence.id, `certification-${signer.id}.json`);
  expect(await caught(certify(drill))).toMatchObject({ code: "refused", message: `the key ${signer.id} has certified ${drill.evidence.id} before` });
  expect((await read(drill.evidence.id, `certification-${signer.id}.json`)).equals(before)).toBe(true);
  await remove(drill.evidence.id, "certification-");
});

test("every file of a drill has the key that the format's page names", () => {
  expect(drillKey("ehr", "drill-ehr-20261121T020000Z-7f3a", "evidence.json")).toBe("ehr/drills/drill-ehr-20261121T020000Z-7f3a/evidence.json");
});
