import { describe, expect, test } from "vitest";

import { drillKey } from "../../../src/catalog/layout.ts";
import { generateSigningKey, loadSigner, loadTrustedSigners } from "../../../src/catalog/signatures.ts";
import { beginDrill } from "../../../src/drill/evidence/begun.ts";
import { serializeEvidence } from "../../../src/drill/evidence/evidence.ts";
import { reportIndexOf } from "../../../src/drill/evidence/report-index.ts";
import { sha256Of, textOf } from "../../../src/drill/evidence/signed-file.ts";
import { verifyDrills } from "../../../src/drill/evidence/verify-evidence.ts";
import { freshKeys } from "../catalog/fixture.ts";
import { actor, type DrillBench, draftOf, drillBench, fourDrills, named, recordedOf, sign } from "./fixture.ts";

test("four drills in a chain, with reports and a certification, are whole", async () => {
  const { verify, drills, ids } = await fourDrills();
  expect(drills.map(({ evidence }) => evidence.previous?.id)).toEqual([undefined, ...ids.slice(0, 3)]);
  expect(await verify(drills.map(recordedOf))).toEqual({ drills: 4, proven: 4, problems: [], warnings: [] });
});

test("a drill that the timeline does not know yet is a warning, not a problem", async () => {
  const { verify, drills, ids } = await fourDrills();
  expect(await verify(drills.slice(0, 3).map(recordedOf))).toMatchObject({ problems: [], warnings: [`the timeline has no entry of drill ${ids[3]!}; if it waits on a host, that host adds it with its next run`] });
});

const signedFiles = ["evidence.json", "evidence.json.sig", "reports.json", "reports.json.sig", "report.html", "report.md", "junit.xml"];

describe.each([...signedFiles, "certification"])("one changed byte in %s", (name) => {
  test.each(["first", "middle", "last", "many places"])("is detected: %s", async (where) => {
    const { signer, verify, read, put, ids, drills } = await fourDrills();
    const recorded = drills.map(recordedOf);
    for (const file of name === "certification" ? [`certification-${signer.id}.json`, `certification-${signer.id}.json.sig`] : [name]) {
      const whole = await read(ids[1]!, file);
      const last = whole.byteLength - 1;
      const places = where === "first" ? [0] : where === "middle" ? [last >> 1] : where === "last" ? [last] : Array.from({ length: 24 }, (_, n) => (n * 7919) % whole.byteLength);
      for (const place of places) {
        const changed = Buffer.from(whole);
        changed[place]! ^= 1;
        await put(ids[1]!, file, changed);
        expect(named(await verify(recorded), ids), `${file}, byte ${place}`).toContainEqual(expect.stringMatching(/^2 (edited|stranger)$/));
      }
      await put(ids[1]!, file, whole);
      expect((await verify(recorded)).problems).toEqual([]);
    }
  });
});

test("a changed byte shows also where neither a follower nor the timeline tells", async () => {
  const { verify, read, put, ids } = await fourDrills();
  const whole = await read(ids[3]!, "evidence.json");
  await put(ids[3]!, "evidence.json", Buffer.from(whole.toString().replace('"verdict": "pass"', '"verdict": "fail"')));
  const report = await verify();
  expect(named(report, ids)).toEqual(["4 edited"]);
  expect(report.problems[0]!.detail).toContain("was changed, or a stranger signed it");
});

describe("removed evidence is missed", () => {
  test.each([0, 1, 2] as const)("by its follower: number %i of four, counted from 0", async (n) => {
    for (const file of ["", "evidence.json"]) {
      const { verify, remove, store, ids } = await fourDrills();
      if (n === 1) await remove(ids[1]!, "certification-");
      await store.put(drillKey("ehr", ids[n]!, "begun.json"), Buffer.from("{}"));
      await remove(ids[n]!, file);
      const problems = named(await verify(), ids);
      // A folder that is still there is named for itself, a folder that is gone by its follower.
      expect(problems).toEqual([`${n + 1} removed`]);
    }
  });

  test("by the timeline if it was the newest, or all of them were", async () => {
    const { verify, remove, drills, ids } = await fourDrills();
    const recorded = drills.map(recordedOf);
    await remove(ids[3]!);
    expect((await verify()).problems).toEqual([]);
    expect(named(await verify(recorded), ids)).toEqual(["4 removed"]);
    for (const id of ids) await remove(id);
    expect(named(await verify(recorded), ids)).toEqual(["1 removed", "2 removed", "3 removed", "4 removed"]);
  });

  test("once, although both its follower and the timeline miss it", async () => {
    const { verify, remove, drills, ids } = await fourDrills();
    await remove(ids[1]!);
    expect(named(await verify(drills.map(recordedOf)), ids)).toEqual(["2 removed"]);
  });

  test("also of the newest, by a certification that is left", async () => {
    const { verify, remove, certify, store, drills, ids } = await fourDrills();
    await certify(drills[3]);
    await beginDrill(store, { database: "ehr", backup: null, startedAt: new Date(drills[3].evidence.startedAt), expires: new Date("2026-04-16T00:00:00Z"), actor, ids: { suffix: () => "7f3a" } });
    await remove(ids[3]!, "evidence.json");
    expect(named(await verify(), ids)).toEqual(["4 removed"]);
  });

  test("and a drill that ended without a verdict is no tampering", async () => {
    const { verify, store, ids } = await fourDrills();
    const id = "drill-ehr-20260601T020000Z-0000";
    const begun = { format: 1, kind: "holdfast-drill-begun", id, database: "ehr", backup: null, host: "db1", user: "drill", pid: 4711, started: "1", space: "", startedAt: "2026-06-01T02:00:00.000Z", expires: "2026-06-01T14:00:00.000Z" };
    await store.put(drillKey("ehr", id, "begun.json"), textOf(begun));
    expect(await verify()).toMatchObject({ drills: 5, proven: 4, problems: [] });
    expect(ids).toHaveLength(4);
  });
});

describe("re-ordered evidence is detected", () => {
  const swap = async ({ read, put }: DrillBench, a: string, b: string, files: readonly string[]): Promise<void> => {
    for (const file of files) {
      const [first, second] = [await read(a, file), await read(b, file)];
      await put(a, file, second);
      await put(b, file, first);
    }
  };

  test.each([[0, 1], [0, 3], [1, 2], [2, 3]])("two whole folders that are exchanged: %i and %i", async (a, b) => {
    const four = await fourDrills();
    await swap(four, four.ids[a]!, four.ids[b]!, signedFiles);
    const problems = named(await four.verify(), four.ids);
    expect(problems).toContain(`${a + 1} misplaced`);
    expect(problems).toContain(`${b + 1} misplaced`);
  });

  test("evidence without its signature", async () => {
    const four = await fourDrills();
    await swap(four, four.ids[1]!, four.ids[2]!, ["evidence.json"]);
    expect(named(await four.verify(), four.ids)).toEqual(expect.arrayContaining(["2 edited", "3 edited"]));
  });

  test("a folder that is renamed to another time", async () => {
    const { verify, read, put, remove, ids } = await fourDrills();
    const later = "drill-ehr-20260915T020000Z-7f3a";
    for (const file of signedFiles) await put(later, file, await read(ids[0]!, file));
    await remove(ids[0]!);
    expect((await verify()).problems.map(({ drill, problem }) => [drill, problem])).toEqual(expect.arrayContaining([[later, "misplaced"], [ids[0], "removed"]]));
  });

  test("a copy under a second id", async () => {
    const { verify, read, put, ids } = await fourDrills();
    const copy = "drill-ehr-20260915T020000Z-7f3a";
    for (const file of signedFiles) await put(copy, file, await read(ids[3]!, file));
    expect((await verify()).problems).toMatchObject([{ drill: copy, problem: "misplaced" }]);
  });

  test("another database's evidence, and another repository's, signed by the same key", async () => {
    const four = await fourDrills();
    const foreign = await four.publish(draftOf("2026-05-15T02:00:00Z", { database: "billing", id: "drill-ehr-20260515T020000Z-7f3a" }));
    for (const file of signedFiles) await four.put(foreign.evidence.id, file, (await four.store.get(drillKey("billing", foreign.evidence.id, file)))!.bytes);
    expect((await four.verify()).problems).toMatchObject([{ drill: foreign.evidence.id, problem: "misplaced" }]);
    await four.remove(foreign.evidence.id);
    const elsewhere = { ...four.drills[3].evidence, repository: { id: "of staging", url: "memory:" } };
    await sign(four, four.ids[3]!, serializeEvidence(elsewhere));
    expect(named(await four.verify(), four.ids)).toEqual(["4 misplaced"]);
  });
});

describe("signatures that prove nothing are detected", () => {
  test("a missing one", async () => {
    const { verify, remove, ids } = await fourDrills();
    await remove(ids[2]!, "evidence.json.sig");
    expect(named(await verify(), ids)).toEqual(["3 unsigned"]);
  });

  test("a stranger's, in the newest and in the middle", async () => {
    const stranger = freshKeys().signer;
    for (const n of [1, 3] as const) {
      const four = await fourDrills();
      await sign(four, four.ids[n]!, serializeEvidence({ ...four.drills[n].evidence, signer: stranger.id }), stranger);
      expect(named(await four.verify(), four.ids)).toContain(`${n + 1} stranger`);
    }
  });

  test("a stranger's who claims to be ours", async () => {
    const four = await fourDrills();
    await sign(four, four.ids[3]!, four.drills[3].bytes, freshKeys().signer);
    expect(named(await four.verify(), four.ids)).toEqual(["4 edited"]);
  });

  test("a trusted key that signs for another", async () => {
    const pair = generateSigningKey();
    const bench = await drillBench(undefined, loadTrustedSigners(pair.publicKeyPem, "a test"));
    const drill = await bench.publish(draftOf("2026-01-15T02:00:00Z"));
    await sign(bench, drill.evidence.id, drill.bytes, loadSigner(pair.privateKeyPem, "a test"));
    expect((await bench.verify()).problems).toMatchObject([{ problem: "edited", detail: expect.stringContaining(`says that ${bench.signer.id} signed it`) as string }]);
  });

  test.each([["rubbish", "{"], ["an empty list", "[]"], ["evidence of a later format", '{"format":2}']])("%s that is signed", async (_, text) => {
    const four = await fourDrills();
    await sign(four, four.ids[3]!, Buffer.from(text));
    expect(named(await four.verify(), four.ids)).toEqual(["4 garbage"]);
  });
});

describe("a broken chain is detected, although a trusted key signed every link", () => {
  test("evidence that was signed anew with all that lies beside it no longer is the one that its follower names", async () => {
    const four = await fourDrills();
    const id = four.ids[2]!;
    const bytes = serializeEvidence({ ...four.drills[2].evidence, summary: "all was well" });
    await sign(four, id, bytes);
    const index = textOf(reportIndexOf(id, sha256Of(bytes), four.drills[2].reports, four.signer.id));
    await four.put(id, "reports.json", index);
    await four.put(id, "reports.json.sig", four.signer.sign(index));
    expect((await four.verify()).problems).toEqual([{ database: "ehr", drill: id, problem: "edited", detail: `the SHA-256 of its evidence is ${sha256Of(bytes)}, but drill ${four.ids[3]!} follows ${four.drills[2].sha256}` }]);
  });

  test("evidence that was signed anew no longer is the one that the reports were made from", async () => {
    const four = await fourDrills();
    await sign(four, four.ids[3]!, serializeEvidence({ ...four.drills[3].evidence, summary: "all was well" }));
    expect((await four.verify()).problems).toEqual([{ database: "ehr", drill: four.ids[3], problem: "edited", detail: `ehr/drills/${four.ids[3]!}/reports.json was made for other evidence` }]);
  });

  test("the newest that was signed anew no longer is the one that the timeline names", async () => {
    const four = await fourDrills();
    await sign(four, four.ids[3]!, serializeEvidence({ ...four.drills[3].evidence, verdict: "fail" }));
    const problems = (await four.verify(four.drills.map(recordedOf))).problems;
    expect(problems).toContainEqual({ database: "ehr", drill: four.ids[3], problem: "edited", detail: expect.stringContaining(`but the timeline recorded ${four.drills[3].sha256}`) as string });
  });

  test("two that follow one", async () => {
    const four = await fourDrills();
    await sign(four, four.ids[3]!, serializeEvidence({ ...four.drills[3].evidence, previous: four.drills[2].evidence.previous }));
    expect(named(await four.verify(), four.ids)).toContain("4 forked");
  });

  test("two beginnings", async () => {
    const four = await fourDrills();
    await sign(four, four.ids[3]!, serializeEvidence({ ...four.drills[3].evidence, previous: null }));
    expect(named(await four.verify(), four.ids)).toContain("4 forked");
  });
});

test("a folder that no drill of this database can have made is named", async () => {
  const { verify, put } = await fourDrills();
  for (const name of ["drill-billing-20260915T020000Z-7f3a", "notes", "drill-ehr-20261399T020000Z-7f3a"]) await put(name, "evidence.json", "{}");
  expect((await verify()).problems.map(({ problem }) => problem)).toEqual(["garbage", "garbage", "garbage"]);
});

test("without a trusted signer nothing is called sound", async () => {
  const bench = await drillBench();
  await bench.publish(draftOf("2026-01-15T02:00:00Z"));
  await expect(verifyDrills({ ...bench.repository, trusted: [] }, "ehr", [])).rejects.toMatchObject({ code: "configuration" });
});
