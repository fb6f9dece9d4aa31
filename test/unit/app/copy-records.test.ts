/** Records on their way to a copy: whole, proved, in an order that leaves nothing dangling, and never over what stands there. */
import { beforeEach, describe, expect, test } from "vitest";

import { readHold } from "../../../src/catalog/holds.ts";
import { appendIncident, readIncident } from "../../../src/rollback/incident/incident.ts";
import { draftOf, type DrillBench } from "../drill/fixture.ts";
import { publishEvidence } from "../../../src/drill/evidence/publish-evidence.ts";
import { sha256Of } from "../../../src/drill/evidence/signed-file.ts";
import { freshKeys } from "../catalog/fixture.ts";
import { copyPlace, type CopyPlace, copyRecords, damageAt, held, ids, keysOf, now, recordsWorld, type World } from "./records-fixture.ts";

let world: World;
let copy: CopyPlace;
beforeEach(async () => {
  world = await recordsWorld();
  copy = await copyPlace(world);
});

const bytesIn = ({ store }: Pick<CopyPlace, "store">, key: string): string | undefined => store.objects.get(key)?.bytes.toString("base64");
const change = ({ store }: Pick<CopyPlace, "store">, key: string, to: (bytes: Buffer) => Buffer): void => void store.objects.set(key, { bytes: to(Buffer.from(store.objects.get(key)!.bytes)), modified: new Date() });
const flipped = (bytes: Buffer): Buffer => { bytes[bytes.length >> 1]! ^= 1; return bytes; };

test("every record arrives byte for byte, is whole there, and nothing is brought twice", async () => {
  expect(await damageAt(world.repository, world.timeline)).toEqual([]);
  const { counts, problems, notes } = await copyRecords(world.repository, copy.repository);
  expect([problems, notes]).toEqual([[], []]);
  expect(counts).toMatchObject({ holds: { copied: 1 }, checkpoints: { copied: 1 }, deploys: { copied: 1 }, drills: { copied: 2 }, rehearsals: { copied: 3 }, incidents: { copied: 1 }, runbooks: { copied: 1 }, rollbacks: { copied: 1 } });
  expect(keysOf(copy.store)).toEqual(world.keys());
  for (const key of world.keys()) expect(bytesIn(copy, key), key).toBe(bytesIn(world, key));
  expect(await damageAt(copy.repository)).toEqual([]);
  const puts = copy.store.calls.get("put");
  for (const verify of [false, true]) {
    const again = await copyRecords(world.repository, copy.repository, { verify });
    expect([again.problems, Object.values(again.counts).reduce((sum, { copied }) => sum + copied, 0)]).toEqual([[], 0]);
    expect(again.counts.rehearsals.unchanged).toBe(3);
  }
  expect(copy.store.calls.get("put")).toBe(puts);
});

test("whichever object is changed at the source, its record is told and not published, and all others are", async () => {
  for (const key of world.keys()) {
    // That a drill began is not signed, and proves nothing.
    if (key.endsWith("begun.json") && key.includes("/drills/")) continue;
    const whole = Buffer.from(world.store.objects.get(key)!.bytes);
    change(world, key, flipped);
    const place = await copyPlace(world);
    const { problems } = await copyRecords(world.repository, place.repository);
    expect(problems, key).toHaveLength(1);
    const folder = /^(?:drills|rollbacks|runbooks)$/.test(key.split("/")[1]!) ? key.split("/").slice(0, 3).join("/") : key.replace(/(?:\.json)?(?:\.sig)?$/, "");
    expect(keysOf(place.store).filter((there) => there.startsWith(folder) && !there.startsWith(`${folder}.deployed`)), key).toEqual([]);
    expect(keysOf(place.store).length, key).toBeGreaterThan(world.keys().length - 16);
    world.store.objects.set(key, { bytes: whole, modified: new Date() });
  }
});

test("whichever object stands there and differs, it is told and left as it is", async () => {
  await copyRecords(world.repository, copy.repository);
  for (const key of world.keys()) {
    const whole = Buffer.from(copy.store.objects.get(key)!.bytes);
    change(copy, key, flipped);
    const harmed = bytesIn(copy, key);
    const { problems } = await copyRecords(world.repository, copy.repository, { verify: true });
    expect(problems, key).toEqual([expect.stringMatching(/is not what .* holds under that name|cannot be trusted/)]);
    expect(bytesIn(copy, key)).toBe(harmed);
    // Of another size it is seen without reading everything.
    change(copy, key, () => Buffer.concat([whole, Buffer.from("x")]));
    expect((await copyRecords(world.repository, copy.repository)).problems, key).toHaveLength(1);
    copy.store.objects.set(key, { bytes: whole, modified: new Date() });
  }
});

test("nothing of a stranger's is brought, and everything of it is told", async () => {
  const { counts, problems } = await copyRecords({ ...world.repository, trusted: freshKeys().trusted }, copy.repository);
  expect(keysOf(copy.store)).toEqual([]);
  expect(problems.length).toBe(Object.keys(counts).length + 1 + 2);
});

test("wherever it is cut off, what is there is whole, and the next one completes it", async () => {
  await copyRecords(world.repository, copy.repository);
  const all = copy.store.calls.get("put")!;
  const cut = new Error("killed");
  for (let last = 0; last < all - 1; last += 1) {
    const place = await copyPlace(world);
    let left = last;
    for (const when of ["before", "after"] as const) {
      place.store.faults.before = undefined as never;
      left = last;
      place.store.faults[when] = (operation) => {
        if (operation === "put" && (left -= 1) < 0) throw cut;
      };
      await copyRecords(world.repository, place.repository).catch((error: unknown) => { expect(error).toBe(cut); });
      Reflect.deleteProperty(place.store.faults, when);
      expect(await damageAt(place.repository), `after ${last}`).toEqual([]);
    }
    expect((await copyRecords(world.repository, place.repository)).problems).toEqual([]);
    expect(keysOf(place.store)).toEqual(world.keys());
  }
}, 120_000);

test("what grew since is continued: a rollback that went on, an incident with another note, a new rehearsal", async () => {
  const open = await recordsWorld({ ended: false });
  const place = await copyPlace(open);
  await copyRecords(open.repository, place.repository);
  expect(keysOf(place.store).filter((key) => key.includes("outcome"))).toEqual([]);
  await open.end();
  await appendIncident(open.repository, open.signer, ids.incident, { kind: "note", text: "fourth", at: "2026-11-21T03:00:00.000Z", by: { user: "ann", host: "db1", operator: null } });
  await open.rehearse("rehearsal-ehr-20261104T020000Z-7f3a");
  const { counts, problems } = await copyRecords(open.repository, place.repository);
  expect(problems).toEqual([]);
  expect([counts.rollbacks.copied, counts.incidents.copied, counts.rehearsals, counts.drills.copied]).toEqual([1, 1, { copied: 1, unchanged: 3 }, 0]);
  expect(keysOf(place.store)).toEqual(open.keys());
  expect(await damageAt(place.repository)).toEqual([]);
});

test("what follows another is brought after it, whatever their names are", async () => {
  const last = "rehearsal-ehr-20261031T020000Z-7f3a";
  await world.rehearse(last);
  expect((await copyRecords(world.repository, copy.repository)).problems).toEqual([]);
  const brought = [...copy.store.objects.keys()].flatMap((key) => /rehearsals\/(rehearsal-ehr-\w+-\w+)/.exec(key)?.[1] ?? []);
  expect([...new Set(brought)]).toEqual([...ids.rehearsals, last]);
});

test("a certification that came later goes to its drill", async () => {
  await copyRecords(world.repository, copy.repository);
  const [drill = ""] = ids.drills;
  const evidence = world.store.objects.get(`ehr/drills/${drill}/evidence.json`)!.bytes;
  await world.certify({ evidence: { database: "ehr", id: drill }, sha256: sha256Of(evidence) } as Parameters<DrillBench["certify"]>[0]);
  expect((await copyRecords(world.repository, copy.repository)).counts.drills).toEqual({ copied: 1, unchanged: 1 });
  expect(keysOf(copy.store)).toEqual(world.keys());
});

test("an incident that was added to at the copy stays as it is there, and one that went on at both is told", async () => {
  await copyRecords(world.repository, copy.repository);
  const note = (text: string) => ({ kind: "note", text, at: "2026-11-21T03:00:00.000Z", by: { user: "ann", host: "db1", operator: null } }) as const;
  await appendIncident(copy.repository, world.signer, ids.incident, note("at the copy"));
  expect((await copyRecords(world.repository, copy.repository)).problems).toEqual([]);
  await appendIncident(world.repository, world.signer, ids.incident, note("at the source"));
  expect((await copyRecords(world.repository, copy.repository)).problems).toEqual([expect.stringContaining("goes on in two ways")]);
  expect((await readIncident(copy.repository, ids.incident)).records.at(-1)).toMatchObject({ text: "at the copy" });
});

test("what was drilled and rehearsed at the copy has a chain of its own, and does not come back with a copy of the copy", async () => {
  await copyRecords(world.repository, copy.repository);
  const draft = draftOf("2026-11-25T02:00:00Z");
  const own = await publishEvidence(copy.repository, { ...draft, repository: { id: copy.repository.id, url: "memory:" } }, { signer: world.signer, clock: { now: () => now }, actor: { user: "a", host: "b" }, render: () => [] });
  await world.rehearse("rehearsal-ehr-20261125T020000Z-7f3a", copy.repository);
  expect(own.evidence.previous).toBeNull();
  await world.publish(draftOf("2026-11-26T02:00:00Z"));
  await copyRecords(world.repository, copy.repository);
  expect(await damageAt(copy.repository)).toEqual([]);
  const back = await copyRecords(copy.repository, world.repository);
  expect([back.problems, back.notes]).toEqual([[], [expect.stringMatching(/^drill-.* stays there$/), expect.stringMatching(/^rehearsal-.* stays there$/)]]);
  expect(world.keys().filter((key) => key.includes("20261125"))).toEqual([]);
});

describe("a hold", () => {
  const reasonAt = async ({ repository }: Pick<CopyPlace, "repository">): Promise<string | undefined> => (await readHold(repository, held)).hold?.reason;
  const release = { kind: "release", reason: "settled", until: null } as const;

  test("goes only where its backup is", async () => {
    const without = await copyPlace(world, { backup: false });
    expect((await copyRecords(world.repository, without.repository)).counts.holds).toEqual({ copied: 0, unchanged: 0 });
    expect(keysOf(without.store).filter((key) => key.includes("/holds/"))).toEqual([]);
  });

  test("that was released at the source stands at the copy, and that is said each time", async () => {
    await copyRecords(world.repository, copy.repository);
    await world.hold(release);
    for (let n = 0; n < 2; n += 1) {
      const { notes, problems } = await copyRecords(world.repository, copy.repository);
      expect([notes, problems]).toEqual([[expect.stringMatching(/is held at .* not any more: a copy is let go at the copy only, with `holdfast backup release ehr-\S+ --from offsite`/)], []]);
    }
    expect(await reasonAt(copy)).toBe("litigation 17");
    await world.hold(release, copy.repository);
    expect(await copyRecords(world.repository, copy.repository)).toMatchObject({ notes: [], problems: [] });
  });

  test("that was released, and is held again, holds again with the whole story", async () => {
    await copyRecords(world.repository, copy.repository);
    await world.hold(release);
    await world.hold({ reason: "litigation 18" });
    expect((await copyRecords(world.repository, copy.repository)).counts.holds).toEqual({ copied: 1, unchanged: 0 });
    expect(await reasonAt(copy)).toBe("litigation 18");
  });

  test("is not shortened by a release and a hold of a moment", async () => {
    await copyRecords(world.repository, copy.repository);
    await world.hold(release);
    await world.hold({ until: "2026-12-01T00:00:00.000Z" });
    expect((await copyRecords(world.repository, copy.repository)).notes).toEqual([expect.stringContaining("for a shorter time")]);
    expect((await readHold(copy.repository, held)).hold).toMatchObject({ until: null });
  });

  test("that was released before it ever came is released there, and so is one whose time was over", async () => {
    await world.hold(release);
    await copyRecords(world.repository, copy.repository);
    expect([await reasonAt(copy), (await readHold(copy.repository, held)).records.length]).toEqual([undefined, 3]);
  });

  test("that was released at the copy, but not at the source, is told and not held again by itself", async () => {
    await copyRecords(world.repository, copy.repository);
    await world.hold(release, copy.repository);
    expect(await copyRecords(world.repository, copy.repository)).toMatchObject({ problems: [], notes: [expect.stringContaining("was released at")] });
    // Held again at the source: the two have parted.
    await world.hold({ reason: "litigation 18" });
    expect((await copyRecords(world.repository, copy.repository)).problems).toEqual([expect.stringContaining("goes on in two ways")]);
    expect(await reasonAt(copy)).toBeUndefined();
    await world.hold({ reason: "litigation 18" }, copy.repository);
    expect(await copyRecords(world.repository, copy.repository)).toMatchObject({ problems: [], notes: [] });
  });
});
