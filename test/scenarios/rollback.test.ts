/** Rollbacks of a database whose application nobody told us about: what the platforms' own suites need not repeat. */
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";

import { besideName } from "../../src/app/rollback/database-steps.ts";
import type { RollbackResult } from "../../src/app/rollback/carry-out.ts";
import type { RollbackPlan } from "../../src/app/rollback/make-plan.ts";
import type { RollbackJson, ShownRollbackJson } from "../../src/cli/rollback-view.ts";
import { generateKeys } from "../../src/app/keys/generate-keys.ts";
import { adding, databasePlace, type DatabasePlace, renaming } from "../harness/database-rollbacks.ts";
import { createDatabase, dropDatabase, runSql } from "../harness/postgres.ts";
import { rollBack } from "../harness/rolling-back.ts";

const back = (place: DatabasePlace): readonly string[] => ["rollback", "--to", "1.0.0", "--confirm", place.name];

/** Somebody wrote two rows after a release that renames a column. */
async function bad(): Promise<DatabasePlace> {
  const place = await databasePlace();
  await place.deploys("2.0.0", "1.0.0", renaming);
  await place.sql("INSERT INTO patients (full_name) VALUES ('in between'), ('in between');\n");
  return place;
}

const columns = (place: DatabasePlace): Promise<{ columns: string; rows: number }> =>
  place.row("SELECT (SELECT string_agg(column_name, ',' ORDER BY ordinal_position) FROM information_schema.columns WHERE table_name = 'patients') AS columns, (SELECT count(*) FROM patients) AS rows");

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
  expect(result).toMatchObject({ strategy: "images-only", outcome: "done" });
  expect(await columns(place)).toEqual({ columns: "id,name,email", rows: 4 });
});

test("an abort after the swap brings back the database that was live, with its last rows", async () => {
  const place = await bad();
  const killed = await rollBack(place, ["run", "1.0.0", place.name], "step-started observe");
  expect(killed.code).toBeUndefined();
  expect(await columns(place)).toEqual({ columns: "id,name", rows: 4 });
  const aborted = await rollBack(place, ["abort"]);
  expect(aborted).toMatchObject({ code: 0, result: { outcome: "aborted" } });
  expect(await columns(place)).toEqual({ columns: "id,full_name", rows: 6 });
  expect(await place.databases()).toEqual([place.name]);
}, 120_000);

test("killed between the effect of every step in turn and its entry in the journal, it goes on each time and ends as an undisturbed one", async () => {
  const place = await bad();
  let direction = ["run", "1.0.0", place.name];
  const steps = ["restore-beside", "maintenance-on", "safety-backup", "swap", "observe"];
  for (const step of steps) {
    expect([step, (await rollBack(place, direction, `effect ${step}`)).code]).toEqual([step, undefined]);
    direction = ["resume"];
  }
  const last = await rollBack(place, ["resume"]);
  expect(last).toMatchObject({ code: 0, result: { outcome: "done" } });
  expect(await columns(place)).toEqual({ columns: "id,name", rows: 4 });
  expect(await place.databases()).toEqual([place.name, last.result!.facts["swap"]!["kept"]]);
  const { journal } = (await place.ok("rollback", "show", last.result!.rollback, "--json")).json<ShownRollbackJson>();
  expect(journal.flatMap((entry) => (entry.kind === "step-done" ? [entry.step] : []))).toEqual(steps);
  expect(journal.flatMap((entry) => (entry.kind === "step-done" && entry.found ? [entry.step] : []))).toEqual(steps.slice(0, -1));
  expect((await place.ok("backup", "list", "--json")).json<{ label: string | null }[]>().map(({ label }) => label).sort()).toEqual(["pre-deploy", "safety"]);
}, 300_000);

test("killed in the middle of the restore and of the safety backup, it leaves no half copy and no second backup", async () => {
  const place = await bad();
  expect((await rollBack(place, ["run", "1.0.0", place.name], "progress restore-beside")).code).toBeUndefined();
  const last = await rollBack(place, ["resume"]);
  expect(last).toMatchObject({ code: 0, result: { outcome: "done" } });
  expect(await place.databases()).toEqual([place.name, last.result!.facts["swap"]!["kept"]]);
}, 120_000);

test("another host goes on from the journal in the repository", async () => {
  const place = await bad();
  expect((await rollBack(place, ["run", "1.0.0", place.name], "step-started swap")).code).toBeUndefined();
  await rm(join(place.folder, "state"), { recursive: true });
  expect(await rollBack(place, ["resume"])).toMatchObject({ code: 0, result: { outcome: "done" } });
  expect(await columns(place)).toEqual({ columns: "id,name", rows: 4 });
}, 120_000);

test.each<readonly [what: string, prepare: (place: DatabasePlace) => Promise<readonly string[]>, code: number, says: RegExp]>([
  ["a release that no checkpoint knows", () => Promise.resolve(["--to", "0.9.0", "--confirm", "x"]), 16, /no checkpoint goes back to 0\.9\.0/],
  ["the release that came, in place of the one before", () => Promise.resolve(["--to", "2.0.0", "--confirm", "x"]), 16, /goes back to 1\.0\.0/],
  ["another name", (place) => Promise.resolve([...back(place).slice(1, -1), "another"]), 19, /"another" was typed, but/],
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

test("a second rollback is kept out while one runs, and while one has not ended", async () => {
  const place = await bad();
  const running = place.start(...back(place), "--log-format", "json");
  let heard = "";
  await new Promise<void>((resolve) => running.stderr.on("data", (chunk: Buffer) => {
    heard += chunk.toString();
    if (heard.includes("restore-beside")) resolve();
  }));
  const second = await place.run(...back(place));
  expect([second.code, second.stderr]).toEqual([11, expect.stringContaining("rollback")]);
  expect((await running).exitCode).toBe(0);

  const again = await bad();
  expect((await rollBack(again, ["run", "1.0.0", again.name], "step-started swap")).code).toBeUndefined();
  await expect.poll(async () => (await again.run("rollback", "plan", "--json")).stdout, { timeout: 30_000 }).toContain("was begun and has not ended");
  const third = await again.run(...back(again), "--lock-wait", "20");
  expect([third.code, third.stderr]).toEqual([19, expect.stringContaining("was begun and has not ended")]);
}, 120_000);

test("a name that is taken by somebody else's database refuses the restore beside", async () => {
  const place = await bad();
  const killed = await rollBack(place, ["run", "1.0.0", place.name], "step-started restore-beside");
  expect(killed.code).toBeUndefined();
  const [{ id } = { id: "" }] = (await place.ok("rollback", "list", "--json")).json<RollbackJson[]>();
  const beside = besideName(place.name, id);
  await createDatabase(beside);
  await runSql(beside, "CREATE TABLE theirs (id int);\n");
  // A database of that name counts as the proved copy only if the restore gave it the name.
  const resumed = await rollBack(place, ["resume"]);
  expect(resumed.code).not.toBe(0);
  expect(await columns(place)).toEqual({ columns: "id,full_name", rows: 6 });
  await dropDatabase(beside);
}, 120_000);
