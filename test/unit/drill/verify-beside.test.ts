/** Reports and certifications: what lies beside the evidence. */
import { describe, expect, test } from "vitest";

import { sha256Of, textOf } from "../../../src/drill/evidence/signed-file.ts";
import { freshKeys } from "../catalog/fixture.ts";
import { fourDrills, named, recordedOf } from "./fixture.ts";

describe("what lies beside the evidence has to fit it", () => {
  test.each(["report.html", "report.md", "junit.xml", "reports.json"])("a removed %s", async (file) => {
    const { verify, remove, ids } = await fourDrills();
    for (const name of file === "reports.json" ? [file, `${file}.sig`] : [file]) await remove(ids[0]!, name);
    expect(named(await verify(), ids)).toEqual(["1 removed"]);
  });

  test("reports of another drill, with their signed list", async () => {
    const { verify, read, put, ids } = await fourDrills();
    for (const file of ["report.html", "reports.json", "reports.json.sig"]) await put(ids[0]!, file, await read(ids[1]!, file));
    expect(named(await verify(), ids)).toEqual(["1 misplaced"]);
  });

  test("a report that the signed list does not name", async () => {
    const { verify, put, signer, drills, ids } = await fourDrills();
    const empty = textOf({ format: 1, kind: "holdfast-drill-reports", drill: ids[0], evidenceSha256: drills[0].sha256, reports: [], signer: signer.id });
    await put(ids[0]!, "reports.json", empty);
    await put(ids[0]!, "reports.json.sig", signer.sign(empty));
    expect(named(await verify(), ids)).toEqual(["1 garbage", "1 garbage", "1 garbage"]);
  });

  test("a certification of other evidence, of another drill, under another key's name, and a stranger's", async () => {
    const stranger = freshKeys().signer;
    const forge = async (change: object, by?: "stranger"): Promise<string[]> => {
      const { verify, put, signer, drills, ids } = await fourDrills();
      const key = by ? stranger : signer;
      const bytes = textOf({ format: 1, kind: "holdfast-drill-certification", drill: ids[0], evidenceSha256: drills[0].sha256, by: "x", statement: "y", at: "2026-12-01T00:00:00.000Z", signer: key.id, ...change });
      await put(ids[0]!, `certification-${key.id}.json`, bytes);
      await put(ids[0]!, `certification-${key.id}.json.sig`, key.sign(bytes));
      return named(await verify(), ids);
    };
    expect(await forge({})).toEqual([]);
    expect(await forge({ evidenceSha256: sha256Of(Buffer.from("other")) })).toEqual(["1 edited"]);
    expect(await forge({ drill: "drill-ehr-20260915T020000Z-7f3a" })).toEqual(["1 misplaced"]);
    expect(await forge({}, "stranger")).toEqual(["1 stranger"]);
    expect(await forge({ by: 7 })).toEqual(["1 garbage"]);
  });

  test("a certification that lies under another key's name", async () => {
    const { verify, read, put, signer, ids } = await fourDrills();
    for (const end of [".json", ".json.sig"]) await put(ids[1]!, `certification-${"0".repeat(16)}${end}`, await read(ids[1]!, `certification-${signer.id}${end}`));
    expect(named(await verify(), ids)).toEqual(["2 misplaced"]);
  });

  test("a certification that the timeline names and that was removed", async () => {
    const { verify, remove, certify, drills, ids } = await fourDrills();
    const { sha256: certification } = await certify(drills[2]);
    const recorded = [...drills.map(recordedOf), { ...recordedOf(drills[2]), certification }];
    expect((await verify(recorded)).problems).toEqual([]);
    await remove(ids[2]!, "certification-");
    expect(named(await verify(recorded), ids)).toEqual(["3 removed"]);
  });
});
