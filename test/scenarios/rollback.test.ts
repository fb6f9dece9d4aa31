/** Rollbacks of a database whose application nobody told us about: what the platforms' own suites need not repeat. */
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";

import type { RollbackResult } from "../../src/app/rollback/carry-out.ts";
import type { RollbackPlan } from "../../src/app/rollback/make-plan.ts";
import type { RollbackJson } from "../../src/cli/rollback-view.ts";
import { generateKeys } from "../../src/app/keys/generate-keys.ts";
import { adding, badRelease as bad, columns, databasePlace, type DatabasePlace, renaming, way as back } from "../harness/database-rollbacks.ts";
import { roles } from "../harness/databases.ts";
import { startPgBouncer } from "../harness/pgbouncer.ts";
import { dropDatabase, withSession } from "../harness/postgres.ts";

test("a breaking migration goes back with the data, and the database before is kept", async () => {
  const place = await bad();
  const plan = (await place.ok("rollback", "plan", "--json")).json<RollbackPlan>();
  expect(plan).toMatchObject({ to: "1.0.0", strategy: "restore-and-swap", confirm: place.name, rehearsed: null, loss: { data: true, tables: [{ table: "public.patients", inserted: 2 }] } });
  expect(plan.steps.map(({ id }) => id)).toEqual(["restore-beside", "maintenance-on", "safety-backup", "swap", "observe"]);
  expect(await columns(place)).toEqual({ columns: "id,full_name", rows: 6 });

  const result = (await place.ok(...back(place), "--reason", "bad release", "--json")).json<RollbackResult>();
  expect(await columns(place)).toEqual({ columns: "id,name", rows: 4 });
  const { kept } = result.facts["swap"]!;
  // There is something to release only while a hold is in force.
  await place.ok("backup", "release", String(result.facts["safety-backup"]!["backup"]), "--reason", "the test has seen it");
  expect(await place.databases()).toEqual([place.name, kept]);
  expect((await place.ok("rollback", "list", "--json")).json<RollbackJson[]>()).toMatchObject([{ id: result.rollback, state: "done", to: "1.0.0" }]);
  const actions = (await place.ok("audit", "show", "--json")).json<{ action: string; outcome: string; subject: Record<string, string> }[]>();
  expect(actions).toContainEqual(expect.objectContaining({ action: "rollback", outcome: "ok", subject: expect.objectContaining({ rollback: result.rollback, release: "1.0.0", strategy: "restore-and-swap" }) as unknown }));
  expect((await place.ok("repository", "check", "--json")).stdout).not.toContain("damage\":\"");
});

test("reviewed down-SQL goes back without losing a row", async () => {
  const place = await databasePlace();
  await place.deploys("2.0.0", "1.0.0", { ...renaming, down: "ALTER TABLE patients RENAME COLUMN full_name TO name;" });
  await place.sql("INSERT INTO patients (full_name) VALUES ('since');\n");
  const result = (await place.ok(...back(place), "--json")).json<RollbackResult>();
  expect(result).toMatchObject({ strategy: "down-sql", outcome: "done" });
  expect(await columns(place)).toEqual({ columns: "id,name", rows: 5 });
  expect(await place.row("SELECT count(*) AS applied FROM _prisma_migrations")).toEqual({ applied: 1 });
  expect(await place.databases()).toEqual([place.name]);
});

test("down-SQL that fails leaves everything as it was, and the rollback can be aborted", async () => {
  const place = await databasePlace();
  await place.deploys("2.0.0", "1.0.0", { ...renaming, down: "ALTER TABLE patients RENAME COLUMN full_name TO name;\nALTER TABLE nobody DROP COLUMN x;" });
  const failed = await place.run(...back(place));
  expect([failed.code, failed.stderr]).toEqual([22, expect.stringMatching(/nothing of the down-SQL stands[\s\S]*rollback resume[\s\S]*rollback abort/)]);
  expect(await columns(place)).toEqual({ columns: "id,full_name", rows: 4 });
  await place.ok("rollback", "abort", "--reason", "the script is wrong");
  expect((await place.ok("rollback", "list", "--json")).json<RollbackJson[]>()).toMatchObject([{ state: "aborted" }]);
});

test("a migration that the older release can live with changes nothing in the database", async () => {
  const place = await databasePlace();
  await place.deploys("2.0.0", "1.0.0", adding);
  const result = (await place.ok(...back(place), "--json")).json<RollbackResult>();
  expect(result).toMatchObject({ strategy: "images-only", outcome: "done", facts: { observe: { ledger: adding.name } } });
  // Nobody looked at what runs, so nobody says that it was seen.
  expect(result.message).toBe("the database of ehr was left as it is, which 1.0.0 can live with; that 1.0.0 runs on it is for you to see to");
  expect(await columns(place)).toEqual({ columns: "id,name,email", rows: 4 });
});

test.each<readonly [what: string, prepare: (place: DatabasePlace) => Promise<readonly string[]>, code: number, says: RegExp]>([
  ["a release that no checkpoint knows", () => Promise.resolve(["--to", "0.9.0", "--confirm", "x"]), 16, /no checkpoint goes back to 0\.9\.0/],
  ["the release that came, in place of the one before", () => Promise.resolve(["--to", "2.0.0", "--confirm", "x"]), 16, /goes back to 1\.0\.0/],
  ["another name", (place) => Promise.resolve([...back(place).slice(1, -1), "another"]), 19, /"another" was typed, but/],
  ["an input of a runbook that is not named", (place) => Promise.resolve([...back(place).slice(1), "--input", "table=public.patients"]), 2, /no --runbook is named/],
  ["nobody to ask", () => Promise.resolve(["--to", "1.0.0"]), 19, /not confirmed, and there is no terminal/],
  ["a backup that was damaged", async (place) => {
    const folder = join(place.folder, "repository", "ehr", "backups");
    const [id = ""] = await readdir(folder);
    const file = join(folder, id, "data.pgdump.zst.age");
    const bytes = await readFile(file);
    bytes[bytes.length - 20]! ^= 1;
    await writeFile(file, bytes);
    return back(place).slice(1);
  }, 19, /part data: the SHA-256/],
  ["a checkpoint that a stranger signed", async (place) => {
    const keys = await generateKeys(join(place.folder, "strangers"));
    place.env["HOLDFAST_TRUSTED_SIGNERS"] = keys.files.trustedSigners;
    place.env["HOLDFAST_SIGNING_KEY_FILE"] = keys.files.signingKey;
    return back(place).slice(1);
  }, 17, /stranger signed it|changed/],
  ["a checkpoint that was changed", async (place) => {
    const folder = join(place.folder, "repository", "ehr", "checkpoints");
    const file = join(folder, (await readdir(folder)).find((name) => name.endsWith(".json"))!);
    await writeFile(file, (await readFile(file, "utf8")).replace('"running": "1.0.0"', '"running": "1.0.0 "'));
    return ["--confirm", place.name];
  }, 17, /changed, or a stranger signed it/],
])("%s refuses the rollback, and nothing is touched", async (_what, prepare, code, says) => {
  const place = await bad();
  const before = await place.databases();
  const refused = await place.run("rollback", ...(await prepare(place)));
  expect([refused.code, refused.stderr]).toEqual([code, expect.stringMatching(says)]);
  expect(await place.databases()).toEqual(before);
  expect(await columns(place)).toEqual({ columns: "id,full_name", rows: 6 });
});

test("a plan that no longer fits is refused, and says what moved", async () => {
  const place = await bad();
  await place.ok("rollback", "plan", "--out", "plan.json");
  await place.applies(adding);
  const refused = await place.run("rollback", "--plan", "plan.json", "--confirm", place.name);
  expect([refused.code, refused.stderr]).toEqual([19, expect.stringMatching(/no longer fits: the migration ledger is different now/)]);
  expect((await place.run("rollback", "plan", "--out", "plan.json")).stderr).toContain("plan.json exists already");
  await writeFile(join(place.folder, "other.json"), "{}");
  expect(await place.run("rollback", "--plan", "other.json", "--confirm", place.name)).toMatchObject({ code: 2 });
});


test("what would keep the live database from being swapped is told by the plan, before anything stops", async () => {
  const place = await bad();
  await place.sql("BEGIN; UPDATE patients SET full_name = 'x'; PREPARE TRANSACTION 'of the bank';\n");
  try {
    const refused = await place.run(...back(place));
    expect([refused.code, refused.stderr]).toEqual([19, expect.stringMatching(/prepared transactions hold .*: of the bank[\s\S]*COMMIT PREPARED/)]);
  } finally {
    await place.sql("ROLLBACK PREPARED 'of the bank';\n");
  }
  expect((await place.ok("rollback", "list", "--json")).json<RollbackJson[]>()).toEqual([]);
  expect(await place.databases()).toEqual([place.name]);

  await place.sql(`SELECT pg_create_logical_replication_slot('${place.name}_feed', 'pgoutput');\n`);
  try {
    const { preflight } = (await place.ok("rollback", "plan", "--json")).json<RollbackPlan>();
    expect(preflight.find(({ id }) => id === "swap")).toMatchObject({ outcome: "warn", detail: expect.stringContaining(`with the kept database stay the replication slots ${place.name}_feed`) as string });
  } finally {
    await place.sql(`SELECT pg_drop_replication_slot('${place.name}_feed');\n`);
  }
});

test("a role that is no superuser and may make no roles rolls its own database back, and is told beforehand whose connections it may not end", async () => {
  const place = await databasePlace();
  const role = `${place.name}_owner`;
  await roles([role], "LOGIN CREATEDB PASSWORD 'its own'");
  onTestFinished(async () => { for (const each of await place.databases()) await dropDatabase(each); });
  await place.sql(`ALTER DATABASE ${place.name} OWNER TO ${role}; ALTER TABLE patients OWNER TO ${role}; ALTER TABLE _prisma_migrations OWNER TO ${role};\n`);
  const url = new URL(place.env["DATABASE_URL"]!);
  place.env["DATABASE_URL"] = Object.assign(url, { username: role, password: "its own" }).href;
  await place.deploys("2.0.0", "1.0.0", renaming);
  await withSession(place.name, async () => {
    const { preflight } = (await place.ok("rollback", "plan", "--json")).json<RollbackPlan>();
    expect(preflight.find(({ id }) => id === "swap")).toMatchObject({ outcome: "warn", detail: expect.stringContaining("connections of postgres are there now, which this role may not end") as string });
    expect(preflight.filter(({ outcome }) => outcome === "blocked")).toEqual([]);
  });
  expect((await place.ok(...back(place), "--json")).json<RollbackResult>()).toMatchObject({ outcome: "done" });
  expect(await columns(place)).toEqual({ columns: "id,name", rows: 4 });
});

test("a pooler in session mode, which keeps its connections, is no obstacle; one that knows the database by another name is refused", async () => {
  const place = await bad();
  const pooler = await startPgBouncer("session", {}, { clinic: place.name });
  place.env["DATABASE_URL"] = pooler.url("clinic");
  const refused = await place.run("rollback", "--to", "1.0.0", "--confirm", "clinic");
  // The place of a checkpoint is told by its name as well.
  expect([refused.code, refused.stderr]).toEqual([19, expect.stringContaining(`the URL names the database clinic, but what answers is ${place.name}`)]);
  place.env["DATABASE_URL"] = pooler.url(place.name);
  expect((await place.ok(...back(place), "--json")).json<RollbackResult>()).toMatchObject({ outcome: "done" });
  expect(await columns(place)).toEqual({ columns: "id,name", rows: 4 });
});
