/** Checkpoints in a repository: what counts, what does not and why, and which of them is meant. */
import { describe, expect, test } from "vitest";

import { checkpointKey, deployedKey } from "../../../src/catalog/layout.ts";
import { openRepository } from "../../../src/catalog/repository.ts";
import { systemTimers, type Timers } from "../../../src/lock/timers.ts";
import { freeSecond } from "../../../src/rollback/checkpoint/free-second.ts";
import { checkpointId, checkRelease, partsOfCheckpointId, partsOfDeployedName } from "../../../src/rollback/checkpoint/names.ts";
import { findBefore, findTarget, listCheckpoints, listDeployed, publishCheckpoint, publishDeployed, readCheckpoint } from "../../../src/rollback/checkpoint/records.ts";
import { freshCatalog, freshKeys } from "../catalog/fixture.ts";
import { checkpointOf, deployedOf } from "./checkpoint-fixture.ts";

const before142 = checkpointOf("1.4.2", "1.4.1", "2026-11-20T02:00:00Z");
const before143 = checkpointOf("1.4.3", "1.4.2", "2026-11-21T02:00:00Z");

async function scene() {
  const catalog = await freshCatalog();
  for (const checkpoint of [before142, before143]) await publishCheckpoint(catalog.repository, checkpoint, catalog.signer);
  return { ...catalog, list: () => listCheckpoints(catalog.repository, "ehr") };
}

test("what was published is read back with its digest, newest first", async () => {
  const { list, repository, signer } = await scene();
  const entries = await list();
  expect(entries.map(({ id }) => id)).toEqual([before143.id, before142.id]);
  expect(await readCheckpoint(repository, "ehr", before142.id)).toEqual({ id: before142.id, database: "ehr", checkpoint: before142, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as unknown, signer: signer.id });
  await expect(readCheckpoint(repository, "ehr", "1.4.2-20200101T000000Z")).rejects.toMatchObject({ code: "not-found" });
  await expect(readCheckpoint(repository, "ehr", "../../holdfast")).rejects.toMatchObject({ code: "not-found" });
});

test("a checkpoint is written once", async () => {
  const { repository, signer } = await scene();
  await expect(publishCheckpoint(repository, { ...before142, reason: "another" }, signer)).rejects.toMatchObject({ code: "integrity" });
  await publishCheckpoint(repository, before142, signer);
});

describe("a second that names nothing yet", () => {
  const at = (time: string) => new Date(`2026-11-20T02:00:${time}Z`);
  const keyOf = (when: Date) => checkpointKey("ehr", checkpointId("1.4.2", when));

  async function sought(taken: readonly string[], { stands = false } = {}) {
    const { repository } = await freshCatalog();
    for (const key of taken) await repository.store.put(key, Buffer.from("x"));
    let now = at("00.250").getTime();
    const slept: number[] = [];
    const timers: Timers = { ...systemTimers, sleep: (ms) => { slept.push(ms); if (!stands) now += ms; return Promise.resolve(); } };
    const found = await freeSecond(repository, keyOf, { clock: { now: () => new Date(now) }, signal: new AbortController().signal, timers });
    return { found, slept };
  }

  test("is this one, without waiting", async () => {
    expect(await sought([keyOf(at("01")), keyOf(at("59"))])).toEqual({ found: at("00.250"), slept: [] });
  });

  test.each([["checkpoint", ""], ["signature whose checkpoint was never written", ".sig"]])("is the next one after a %s", async (_what, end) => {
    expect(await sought([keyOf(at("00")) + end])).toEqual({ found: at("01"), slept: [750] });
    expect(await sought([keyOf(at("00")) + end, keyOf(at("01")) + end])).toEqual({ found: at("02"), slept: [750, 1_000] });
  });

  test("is not waited for for ever, and not after a cancellation", async () => {
    expect(await sought([keyOf(at("00"))], { stands: true })).toEqual({ found: at("00.250"), slept: [750, 750, 750] });
    const { repository } = await scene();
    const stop = AbortSignal.abort();
    await expect(freeSecond(repository, keyOf, { clock: { now: () => at("00") }, signal: stop })).rejects.toMatchObject({ code: "cancelled" });
  });
});

describe("what cannot be trusted is listed with its problem, and never counts", () => {
  const key = checkpointKey("ehr", before143.id);

  test.each([
    ["a stranger signed it", async ({ store, read }: Tampering) => { await store.put(`${key}.sig`, freshKeys().signer.sign(await read(key))); }, /was changed, or a stranger signed it/],
    ["it was changed", async ({ store, read }: Tampering) => { await store.put(key, Buffer.from((await read(key)).toString().replace('"1.4.2"', '"1.3.0"'))); }, /was changed, or a stranger signed it/],
    ["its signature is gone", async ({ store }: Tampering) => { await store.delete(`${key}.sig`); }, /is not signed/],
    ["another checkpoint lies in its place", async ({ store, read }: Tampering) => { for (const end of ["", ".sig"]) await store.put(key + end, await read(checkpointKey("ehr", before142.id) + end)); }, /it was moved or copied/],
    ["it is none", async ({ store, signer }: Tampering) => { const bytes = Buffer.from('{"format":2}'); await store.put(key, bytes); await store.put(`${key}.sig`, signer.sign(bytes)); }, /is no checkpoint that this holdfast reads/],
  ])("%s", async (_what, tamper, message) => {
    const there = await scene();
    await tamper({ ...there, read: async (of) => (await there.store.get(of))!.bytes });
    const [entry] = await there.list();
    expect(entry).toMatchObject({ id: before143.id, problem: { code: "integrity", message: expect.stringMatching(message) as unknown } });
    await expect(readCheckpoint(there.repository, "ehr", before143.id)).rejects.toMatchObject({ code: "integrity" });
    expect(findTarget(await there.list()).id).toBe(before142.id);
    expect(() => findTarget([entry!], before143.id)).toThrow(message);
  });

  type Tampering = Omit<Awaited<ReturnType<typeof scene>>, "read"> & { readonly read: (key: string) => Promise<Buffer> };

  test("a key that did not count any more when it was taken", async () => {
    const there = await scene();
    const retired = there.trusted.map((signer) => ({ ...signer, validUntil: new Date("2026-11-20T12:00:00Z") }));
    const entries = await listCheckpoints(await openRepository(there.store, retired), "ehr");
    expect(entries.map(({ id, problem }) => [id, problem?.code])).toEqual([[before143.id, "integrity"], [before142.id, undefined]]);
  });

  test("a file that is not named like a checkpoint", async () => {
    const there = await scene();
    await there.store.put(checkpointKey("ehr", "notes"), Buffer.from('{"backup":"ehr-20261121T020000Z-7f3a"}'));
    expect((await there.list()).at(-1)).toMatchObject({ id: "notes", problem: { code: "integrity" }, claims: { backup: "ehr-20261121T020000Z-7f3a" } });
  });

  test("nobody is trusted: then nothing is listed as if it were", async () => {
    const there = await scene();
    await expect(listCheckpoints(await openRepository(there.store, []), "ehr")).rejects.toMatchObject({ code: "configuration" });
  });
});

describe("which checkpoint is meant", () => {
  test("a release is the one that ran, and an id is itself", async () => {
    const entries = await (await scene()).list();
    expect(findTarget(entries, "1.4.1").id).toBe(before142.id);
    expect(findTarget(entries, "1.4.2").id).toBe(before143.id);
    expect(findTarget(entries, before142.id).id).toBe(before142.id);
    expect(findTarget(entries).id).toBe(before143.id);
    expect(findBefore(entries, "1.4.2").id).toBe(before142.id);
    expect(findBefore(entries).id).toBe(before143.id);
  });

  test("of several that go back to a release, the newest", async () => {
    const there = await scene();
    const again = checkpointOf("1.4.2", "1.4.1", "2026-11-22T02:00:00Z");
    await publishCheckpoint(there.repository, again, there.signer);
    expect(findTarget(await there.list(), "1.4.1").id).toBe(again.id);
  });

  test("the newest is that of the newest snapshot, which the server's clock dates: a host whose own clock is ahead does not stand first", async () => {
    const there = await scene();
    const ahead = checkpointOf("1.4.2", "1.4.1", "2026-11-23T02:00:00Z", { backup: { ...before142.backup, snapshotAt: "2026-11-20T14:00:00.000Z" } });
    await publishCheckpoint(there.repository, ahead, there.signer);
    expect((await there.list()).map(({ id }) => id)).toEqual([before143.id, ahead.id, before142.id]);
    expect(findTarget(await there.list()).id).toBe(before143.id);
    expect(findBefore(await there.list()).id).toBe(before143.id);
  });

  test("a release that was only coming is told from one that ran", async () => {
    const entries = await (await scene()).list();
    expect(() => findTarget(entries, "1.4.3")).toThrow(`no checkpoint has 1.4.3 as the release that ran: ${before143.id} was taken before 1.4.3 was deployed, and goes back to 1.4.2`);
  });

  test("an unknown one is answered with what there is", async () => {
    const entries = await (await scene()).list();
    const ask = (): unknown => findTarget(entries, "9.9");
    expect(ask).toThrow(expect.objectContaining({ code: "not-found", message: `no checkpoint goes back to 9.9; there are 1.4.2 (${before143.id}), 1.4.1 (${before142.id})` }) as Error);
    expect(() => findTarget(entries, "")).toThrow('no checkpoint goes back to ""; there are');
    expect(() => findTarget([], "9.9")).toThrow(expect.objectContaining({ code: "not-found", message: "there is no checkpoint yet" }) as Error);
    expect(() => findBefore(entries, "9.9")).toThrow(`no checkpoint was taken before 9.9; there are 1.4.3 (${before143.id}), 1.4.2 (${before142.id})`);
  });

  test("one that only a stranger has signed is not gone back to: that is another failure than an unknown one", async () => {
    const there = await scene();
    await publishCheckpoint(there.repository, checkpointOf("1.5.0", "1.4.9", "2026-11-22T02:00:00Z"), freshKeys().signer);
    const entries = await there.list();
    for (const to of ["1.4.9", "1.5.0"]) expect(() => findTarget(entries, to)).toThrow(expect.objectContaining({ code: "integrity", exitCode: 17 }) as Error);
  });

  test("a newer one that cannot be trusted is passed over aloud", async () => {
    const there = await scene();
    const forged = checkpointOf("1.4.9", "1.4.1", "2026-11-23T02:00:00Z");
    await publishCheckpoint(there.repository, forged, freshKeys().signer);
    const passed: string[] = [];
    expect(findTarget(await there.list(), "1.4.1", ({ id }) => { passed.push(id); }).id).toBe(before142.id);
    expect(passed).toEqual([forged.id]);
  });
});

describe("what was seen after a deploy", () => {
  test("stands beside its checkpoint, newest first, and is no checkpoint itself", async () => {
    const there = await scene();
    const looks = ["2026-11-20T02:10:00Z", "2026-11-20T14:00:00Z"].map((at) => deployedOf(before142, at));
    for (const look of looks) await publishDeployed(there.repository, look, there.signer);
    expect((await listDeployed(there.repository, "ehr", before142.id)).map(({ deployed }) => deployed)).toEqual(looks.toReversed());
    expect(await listDeployed(there.repository, "ehr", before143.id)).toEqual([]);
    expect(await there.list()).toHaveLength(2);
  });

  test("does not count when a stranger signed it, or it was copied under another checkpoint", async () => {
    const there = await scene();
    const look = deployedOf(before142, "2026-11-20T02:10:00Z");
    await publishDeployed(there.repository, look, there.signer);
    await publishDeployed(there.repository, deployedOf(before142, "2026-11-20T03:00:00Z"), freshKeys().signer);
    for (const end of ["", ".sig"]) await there.store.put(deployedKey("ehr", before143.id, new Date(look.at)) + end, (await there.store.get(deployedKey("ehr", before142.id, new Date(look.at)) + end))!.bytes);
    expect((await listDeployed(there.repository, "ehr")).map(({ checkpoint, problem }) => [checkpoint, problem?.message])).toEqual([
      [before142.id, expect.stringContaining("a stranger signed it")], [before142.id, undefined], [before143.id, expect.stringContaining("it was moved or copied")],
    ]);
  });
});

describe("names", () => {
  test.each(["1.4.2", "v1", "2026.11.21-rc.1+build_7", "A"])("%s is the name of a release", (name) => { expect(checkRelease(name, "--release")).toBe(name); });
  test.each(["", ".1", "-1", "a b", "a/b", "ä", "x".repeat(81), "1-20261121T020000Z.deployed"])("%j is none", (name) => {
    expect(() => checkRelease(name, "--release")).toThrow(expect.objectContaining({ code: "usage", message: expect.stringContaining("--release") as unknown }) as Error);
  });

  test("no name of a checkpoint is that of a record beside one", () => {
    const [, file = ""] = /([^/]+)\.json$/.exec(deployedKey("ehr", before142.id, new Date("2026-11-21T02:10:00Z"))) ?? [];
    expect(partsOfDeployedName(file)).toEqual({ checkpoint: before142.id, at: new Date("2026-11-21T02:10:00Z") });
    expect(partsOfCheckpointId(file)).toBeUndefined();
    expect(partsOfDeployedName(before142.id)).toBeUndefined();
    expect(partsOfCheckpointId("1-20269921T020000Z")).toBeUndefined();
  });
});
