/** Down-SQL that is not what its reviewers took it for. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";

import type { RollbackResult } from "../../src/app/rollback/carry-out.ts";
import type { RollbackPlan } from "../../src/app/rollback/make-plan.ts";
import { columns, databasePlace, type DatabasePlace, renaming, way } from "../harness/database-rollbacks.ts";

const back = "ALTER TABLE patients RENAME COLUMN full_name TO name;";
const state = async (place: DatabasePlace): Promise<unknown> => ({ ...(await columns(place)), ...(await place.row<object>("SELECT count(*) AS applied FROM _prisma_migrations")) });

test("down-SQL that does not bring the schema back is no success: nothing of it stands, until somebody accepts it", async () => {
  const place = await databasePlace();
  await place.deploys("2.0.0", "1.0.0", { ...renaming, sql: `${renaming.sql} CREATE INDEX by_name ON patients (full_name);`, down: back });
  const failed = await place.run(...way(place), "--json");
  expect([failed.code, failed.json<{ error: { message: string } }>().error.message]).toEqual([22, expect.stringMatching(/the schema is not the checkpoint's: it differs in .*index.*; nothing of it stands/)]);
  expect(await state(place)).toEqual({ columns: "id,full_name", rows: 4, applied: 2 });
  await place.ok("rollback", "abort");

  const result = (await place.ok(...way(place), "--strategy", "down-sql", "--accept-incompatible", "an index more does no harm", "--json")).json<RollbackResult>();
  expect(result).toMatchObject({ strategy: "down-sql", outcome: "done" });
  expect(await state(place)).toEqual({ columns: "id,name", rows: 4, applied: 1 });
});

test("what a person took back by hand in the ledger alone is not observed as done", async () => {
  const place = await databasePlace();
  await place.deploys("2.0.0", "1.0.0", { ...renaming, down: `${back} ALTER TABLE nobody DROP COLUMN x;` });
  expect((await place.run(...way(place))).code).toBe(22);
  await place.sql("DELETE FROM _prisma_migrations WHERE migration_name LIKE '%rename';\n");
  const resumed = await place.run("rollback", "resume");
  expect([resumed.code, resumed.stderr]).toEqual([22, expect.stringMatching(/did not come out as planned: the schema is not the checkpoint's: it differs in column/)]);
  await place.sql(`${back}\n`);
  await place.ok("rollback", "resume");
});

test("a plan with a script of the operator's runs that script, and is refused once it is another", async () => {
  const place = await databasePlace();
  await place.deploys("2.0.0", "1.0.0", { ...renaming, down: `${back} DELETE FROM patients;` });
  const reviewed = join(place.folder, "reviewed.sql");
  await writeFile(reviewed, `${back} -- reviewed\n`);
  await place.ok("rollback", "plan", "--to", "1.0.0", "--down-file", reviewed, "--out", "plan.json");
  const carryOut = ["rollback", "--plan", "plan.json", "--confirm", place.name] as const;

  await writeFile(reviewed, `${back} TRUNCATE patients;`);
  const refused = await place.run(...carryOut);
  expect([refused.code, refused.stderr]).toEqual([19, expect.stringMatching(/no longer fits: the down-SQL is different now/)]);
  await writeFile(reviewed, `${back} -- reviewed\n`);
  const result = (await place.ok(...carryOut, "--json")).json<RollbackResult>();
  const { migrations: [agreed] } = JSON.parse(await readFile(join(place.folder, "plan.json"), "utf8")) as RollbackPlan;
  expect(result.facts["down-sql"]).toMatchObject({ sha256: agreed?.downSha256 });
  expect(await state(place)).toEqual({ columns: "id,name", rows: 4, applied: 1 });
});

test("the plan and the post-mortem say what the down-SQL takes away, and do not call it nothing", async () => {
  const place = await databasePlace();
  const visits = { name: "20260203000000_visits", sql: "CREATE TABLE visits (id serial PRIMARY KEY, note text); ALTER TABLE patients ADD COLUMN email text NOT NULL UNIQUE DEFAULT gen_random_uuid()::text;", down: "DROP TABLE visits; ALTER TABLE patients DROP COLUMN email;" };
  await place.deploys("2.0.0", "1.0.0", visits);
  await place.sql("INSERT INTO visits (note) VALUES ('Zoe'), ('Yan');\n");
  const plan = (await place.ok("rollback", "plan", "--strategy", "down-sql", "--json")).json<RollbackPlan>();
  expect(plan.loss).toEqual({ data: true, minutes: 0, tables: [], downSql: ["DROP TABLE visits", "DROP COLUMN patients.email"] });
  const screen = await place.ok("rollback", "plan", "--strategy", "down-sql", "--skip-safety-backup", "no room");
  expect(screen.stdout).toMatch(/DATA LOST: what the down-SQL takes away, its rows not counted \(it stays NOWHERE\); other rows stay\n {2}DROP TABLE visits\n {2}DROP COLUMN patients\.email\n/);
  // What was shown is what the command at its end does.
  expect(screen.stdout).toContain(`go ahead with: holdfast rollback --to 1.0.0 --strategy down-sql --skip-safety-backup 'no room' --confirm ${place.name}`);
  await place.ok(...way(place), "--strategy", "down-sql");
  expect((await place.ok("incident", "report", "latest")).stdout).toContain("- Data: what the down-SQL takes away: DROP TABLE visits; DROP COLUMN patients.email");
});
