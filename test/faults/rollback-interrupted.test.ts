/** Rollbacks that are killed, aborted, raced or gone on with elsewhere: the database alone, as everything around it is the platforms' own. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";

import { besideName } from "../../src/app/rollback/database-steps.ts";
import type { RollbackJson, ShownRollbackJson } from "../../src/cli/rollback-view.ts";
import { badRelease as bad, columns, way as back } from "../harness/database-rollbacks.ts";
import { createDatabase, dropDatabase, runSql, withSession } from "../harness/postgres.ts";
import { rollBack } from "../harness/rolling-back.ts";

test("an abort after the swap brings back the database that was live, with its last rows, and drops nothing that was live meanwhile", async () => {
  const place = await bad();
  const killed = await rollBack(place, ["run", "1.0.0", place.name], "step-started observe");
  expect(killed.code).toBeUndefined();
  expect(await columns(place)).toEqual({ columns: "id,name", rows: 4 });
  await place.sql("INSERT INTO patients (name) VALUES ('meanwhile');\n");
  // Killed once the names are changed back, before the journal says so: the next one must not take the copy for the database that was live.
  expect((await rollBack(place, ["abort"], "effect undo swap")).code).toBeUndefined();
  const aborted = await rollBack(place, ["abort"]);
  expect(aborted).toMatchObject({ code: 0, result: { outcome: "aborted" } });
  expect(await columns(place)).toEqual({ columns: "id,full_name", rows: 6 });
  const setAside = String(aborted.result!.facts["swap"]!["setAside"]);
  expect(await place.databases()).toEqual([place.name, setAside]);
  await withSession("postgres", (admin) => admin.execute(`ALTER DATABASE "${setAside}" WITH ALLOW_CONNECTIONS true`));
  expect(await withSession(setAside, (session) => session.row("SELECT count(*) AS rows FROM public.patients WHERE name = 'meanwhile'"))).toEqual({ rows: 1 });

  // It is over: nothing of it is taken up again, and a new one can be made.
  expect((await place.run("rollback", "resume")).code).toBe(16);
  const again = await place.run("rollback", "resume", aborted.result!.rollback);
  expect([again.code, again.stderr]).toEqual([19, expect.stringContaining("has ended: returned to what ran before")]);
  await place.ok(...back(place));
  expect(await columns(place)).toEqual({ columns: "id,name", rows: 4 });
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

test("a rollback that a person has finished by hand is ended as it stands, and nothing is touched", async () => {
  const place = await bad();
  expect((await rollBack(place, ["run", "1.0.0", place.name], "step-started swap")).code).toBeUndefined();
  const before = await place.databases();
  await place.ok("rollback", "abort", "--leave-as-is", "finished by hand");
  expect((await place.ok("rollback", "list", "--json")).json<RollbackJson[]>()).toMatchObject([{ state: "left", message: "ended as it stands: finished by hand" }]);
  expect(await place.databases()).toEqual(before);
  expect(await place.run("rollback", "resume")).toMatchObject({ code: 16 });
}, 120_000);
