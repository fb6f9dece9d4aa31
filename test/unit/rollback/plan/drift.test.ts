import { expect, test } from "vitest";

import { fingerprintOf } from "../../../../src/postgres/truth/catalog.ts";
import { schemaDrift } from "../../../../src/rollback/plan/drift.ts";

const entry = (kind: string, identity: string, sha256 = "a") => ({ kind, identity, sha256 });
const base = [entry("table", "t"), entry("index", "i"), entry("comment", "t")];
const drift = (now: readonly ReturnType<typeof entry>[]) => schemaDrift(fingerprintOf(base), fingerprintOf(now), { applied: [], oddities: [] });

test("an equal schema has not drifted, and a changed, lacking or further object has", () => {
  expect(drift(base)).toEqual([]);
  expect(drift([...base, entry("index", "by_hand")])).toEqual(["index"]);
  expect(drift([entry("table", "t", "b"), entry("comment", "t")])).toEqual(["index", "table"]);
});

test("comments, statistics and the database's own settings are no drift", () => {
  expect(drift([entry("table", "t"), entry("index", "i"), entry("statistics", "s"), entry("database-setting", "work_mem")])).toEqual([]);
});

test("where a migration was applied nobody can tell what was changed by hand", () => {
  expect(schemaDrift(fingerprintOf(base), fingerprintOf([]), { applied: [{ tool: "prisma", table: "t", name: "1" }], oddities: [] })).toBeNull();
});
