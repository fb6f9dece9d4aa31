/** What takes migrations back is what somebody looked at: a plan names the SQL, and nothing else runs in its name. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";

import type { RollbackResult } from "../../src/app/rollback/carry-out.ts";
import { columns, databasePlace, type DatabasePlace, renaming } from "../harness/database-rollbacks.ts";

const good = "ALTER TABLE patients RENAME COLUMN full_name TO name;";
const harmful = `DELETE FROM patients; ${good}`;
const untouched = { columns: "id,full_name", rows: 4 };

/** A release with a plan to take it back by `good`, made with `options`. */
async function planned(...options: string[]): Promise<DatabasePlace> {
  const place = await databasePlace();
  await place.deploys("2.0.0", "1.0.0", renaming);
  await writeFile(join(place.folder, "reviewed.sql"), good);
  if (options.length === 0) await place.brings({ ...renaming, down: good });
  await place.ok("rollback", "plan", ...options, "--out", "plan.json");
  return place;
}

const carryOut = (place: DatabasePlace, ...options: string[]) => place.run("rollback", "--plan", "plan.json", "--confirm", place.name, ...options, "--json");

test("a plan brings the file of SQL that it was made with, and not what lies in the folder by then", async () => {
  const place = await planned("--down-file", "reviewed.sql");
  await place.brings({ ...renaming, down: harmful });
  expect(JSON.parse(await readFile(join(place.folder, "plan.json"), "utf8"))).toMatchObject({ strategy: "down-sql", loss: { downSql: [] } });
  const done = await carryOut(place);
  expect(done.code, done.stderr).toBe(0);
  expect(done.json<RollbackResult>()).toMatchObject({ strategy: "down-sql", outcome: "done" });
  expect(await columns(place)).toEqual({ columns: "id,name", rows: 4 });
});

test.each<readonly [what: string, options: readonly string[], change: (place: DatabasePlace) => Promise<unknown>, given: readonly string[]]>([
  ["was changed beside its migration", [], (place) => place.brings({ ...renaming, down: harmful }), []],
  ["was changed in the file that was named", ["--down-file", "reviewed.sql"], (place) => writeFile(join(place.folder, "reviewed.sql"), harmful), []],
  ["is another file", ["--down-file", "reviewed.sql"], (place) => writeFile(join(place.folder, "other.sql"), harmful), ["--down-file", "other.sql"]],
])("SQL that %s since the plan was made refuses it", async (_what, options, change, given) => {
  const place = await planned(...options);
  await change(place);
  const refused = await carryOut(place, ...given);
  expect([refused.code, refused.stdout]).toEqual([19, expect.stringContaining("no longer fits: the down-SQL is different now")]);
  expect(await columns(place)).toEqual(untouched);
});

test("SQL that was changed while the rollback stood still is not run by a resume", async () => {
  const place = await databasePlace();
  const config = (on: string): Promise<void> => writeFile(join(place.folder, "holdfast.yaml"), `databases: { ehr: { rollback: { platform: none, maintenance: { on: [${on}], off: ["true"] } } } }\n`);
  await place.deploys("2.0.0", "1.0.0", { ...renaming, down: good });
  await config("\"false\"");
  expect(await place.run("rollback", "--confirm", place.name)).toMatchObject({ code: 22 });
  await config("\"true\"");
  await place.brings({ ...renaming, down: harmful });
  const refused = await place.run("rollback", "resume");
  expect([refused.code, refused.stderr]).toEqual([19, expect.stringContaining("was changed since the plan was made")]);
  expect(await columns(place)).toEqual(untouched);
  await place.brings({ ...renaming, down: good });
  await place.ok("rollback", "resume");
  expect(await columns(place)).toEqual({ columns: "id,name", rows: 4 });
});
