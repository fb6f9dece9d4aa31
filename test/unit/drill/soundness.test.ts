import { expect, test } from "vitest";

import { amcheckFinding, healthFinding } from "../../../src/drill/checks/soundness.ts";
import type { Health } from "../../../src/postgres/health.ts";

const sound: Health = { indexes: 2, constraints: 3, invalidIndexes: [], unenforcedKeys: [], incompleteIndexes: [], unvalidatedConstraints: [], notEnforcedConstraints: [], disabledTriggers: [], withoutPrimaryKey: [] };
const all = { checked: 2, total: 2, checkedBytes: 9, totalBytes: 9 };
const none = { checked: 0, total: 2, checkedBytes: 0, totalBytes: 9 };

test("only what no restore should leave behind fails; the rest is told", () => {
  expect(healthFinding(sound).outcome).toBe("pass");
  for (const key of ["incompleteIndexes", "unvalidatedConstraints", "notEnforcedConstraints", "disabledTriggers"] as const) {
    const finding = healthFinding({ ...sound, [key]: ["x on y"] });
    expect(finding).toMatchObject({ outcome: "pass", detail: expect.stringContaining("x on y") as string });
  }
  for (const key of ["invalidIndexes", "unenforcedKeys"] as const) expect(healthFinding({ ...sound, [key]: ["x on y"] })).toMatchObject({ outcome: "fail", detail: expect.stringContaining("x on y") as string });
});

test("long lists are cut, and say by how much", () => {
  const { detail } = healthFinding({ ...sound, invalidIndexes: Array.from({ length: 12 }, (_, at) => `i${at}`) });
  expect(detail).toContain("12 indexes are invalid: i0, i1");
  expect(detail).toContain("i9, and 2 more");
});

test("amcheck claims nothing that it did not see", () => {
  const inspection = { version: "1.3", indexes: all, heaps: all, damaged: [], refused: [], seconds: 1 };
  expect(amcheckFinding({ unavailable: "the scratch's server does not offer the extension amcheck" }, 1_000)).toEqual({ outcome: "left-out", detail: "the scratch's server does not offer the extension amcheck" });
  expect(amcheckFinding(inspection, 1_000)).toMatchObject({ outcome: "pass", compared: 4 });
  expect(amcheckFinding({ ...inspection, heaps: undefined }, 1_000)).toMatchObject({ outcome: "pass", compared: 2, detail: expect.stringContaining("no tables (this version cannot)") as string });
  expect(amcheckFinding({ ...inspection, indexes: none, heaps: none }, 1_000)).toMatchObject({ outcome: "unverified", compared: 0 });
  expect(amcheckFinding({ ...inspection, heaps: none }, 1_000)).toMatchObject({ outcome: "pass", detail: expect.stringContaining("0 of 2 tables looked into (0 % of their bytes); 2 not looked at") as string });
  expect(amcheckFinding({ ...inspection, heaps: none, damaged: [{ relation: "public.a", how: "XX002" }] }, 1_000)).toMatchObject({ outcome: "fail", detail: expect.stringMatching(/^1 damaged: public.a, a damaged index \(XX002\)/) as string });
});
