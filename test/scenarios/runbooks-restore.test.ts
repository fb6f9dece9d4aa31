/** The shipped runbooks that restore, each executed against a real server as an operator would: nothing but their inputs is given. */
import { randomBytes } from "node:crypto";
import { expect, onTestFinished, test } from "vitest";

import { databasesLike } from "../harness/context.ts";
import { workbench } from "../harness/cli.ts";
import { createDatabase, dropDatabase, runSql, withSession } from "../harness/postgres.ts";
import { executeRunbook, executeWell, journalOf, performedSteps } from "../harness/runbooks.ts";

const clinic = `
  CREATE TABLE _prisma_migrations (id varchar(36) PRIMARY KEY, checksum varchar(64) NOT NULL, finished_at timestamptz, migration_name varchar(255) NOT NULL, logs text, rolled_back_at timestamptz, started_at timestamptz NOT NULL DEFAULT now(), applied_steps_count integer NOT NULL DEFAULT 0);
  INSERT INTO _prisma_migrations (id, checksum, finished_at, migration_name, applied_steps_count) VALUES ('1', 'aa', now(), '20260101000000_init', 1);
  CREATE TABLE patients (id serial PRIMARY KEY, name text NOT NULL UNIQUE);
  INSERT INTO patients (name) SELECT 'patient ' || n FROM generate_series(1, 300) n;
  CREATE TABLE visits (id int PRIMARY KEY, patient int NOT NULL REFERENCES patients);
  INSERT INTO visits SELECT n, n FROM generate_series(1, 50) n;
`;

/** A database with one backup, and everything that a runbook may leave beside it removed afterwards. */
async function clinicBench() {
  const live = `rb_${randomBytes(4).toString("hex")}`;
  onTestFinished(async () => { for (const name of await databasesLike(live)) await dropDatabase(name); });
  const { url } = await createDatabase(live);
  await runSql(live, clinic);
  const bench = await workbench(url);
  await bench.ok("repository", "init");
  const { id: backup } = (await bench.ok("backup", "--json")).json<{ id: string }>();
  const count = (sql: string, database = live) => withSession(database, async (session) => (await session.row<{ n: number }>(`SELECT (${sql})::int AS n`)).n);
  return { ...bench, live, backup, count, inputs: { live, backup } };
}

test("database-only brings the backup back, keeps what was live, and says who did what", async () => {
  const bench = await clinicBench();
  await runSql(bench.live, "DELETE FROM visits; UPDATE patients SET name = 'wrong ' || id; INSERT INTO patients (name) VALUES ('came later')");
  const result = await executeWell(bench, { runbook: "database-only", inputs: bench.inputs });
  expect(result).toMatchObject({ runbook: "database-only", database: "ehr", outcome: "done" });
  expect(result.steps.map(({ id, state, by }) => [id, state, by])).toEqual(["prove", "look", "stop-writers", "safety-backup", "swap", "start-writers"].map((id) => [id, "done", "dr.lee@clinic.example@here"]));
  expect(await bench.count("SELECT count(*) FROM visits")).toBe(50);
  expect(await bench.count("SELECT count(*) FROM patients WHERE name LIKE 'patient %'")).toBe(300);
  const [aside = ""] = await databasesLike(`${bench.live}_holdfast_old_`);
  expect(aside).not.toBe("");
  expect((await bench.ok("backup", "list", "--json")).json<{ label: string | null }[]>().map(({ label }) => label)).toEqual(["before-rollback", null]);
  expect(result.checklist).toContain("## 5. [x] Restore beside and swap");
  expect(result.checklist).toMatch(/> 2\d{3}-\d\d-\d\d \d\d:\d\d:\d\d UTC done by dr\.lee@clinic\.example@here/);
  // The timeline has it, with what it was.
  const [last] = (await bench.ok("audit", "show", "--last", "1", "--json")).json<{ action: string; subject: Record<string, string> }[]>();
  expect(last).toMatchObject({ action: "runbook run", subject: { database: "ehr", runbook: "database-only", run: result.run } });
  await bench.ok("audit", "verify");
  expect((await bench.ok("repository", "check", "--json")).json<{ garbage?: unknown }>()).toBeDefined();
}, 240_000);

test("database-only that is aborted after its swap puts what was live back", async () => {
  const bench = await clinicBench();
  await runSql(bench.live, "INSERT INTO patients (name) VALUES ('came later')");
  const killed = await executeRunbook(bench, { runbook: "database-only", inputs: bench.inputs, killAt: "step-started start-writers" });
  expect(killed.code).toBeUndefined();
  expect(await bench.count("SELECT count(*) FROM patients")).toBe(300);
  const { id } = await journalOf(bench);
  const result = await executeWell(bench, { direction: "abort", id });
  expect(result.outcome).toBe("aborted");
  expect(result.steps.find((step) => step.id === "swap")?.state).toBe("taken-back");
  expect(await bench.count("SELECT count(*) FROM patients")).toBe(301);
}, 240_000);

test("database-only that was killed right after its swap, before the journal said so, finds it done and swaps no second time", async () => {
  const bench = await clinicBench();
  await runSql(bench.live, "DELETE FROM visits");
  const killed = await executeRunbook(bench, { runbook: "database-only", inputs: bench.inputs, killAt: `note ${bench.live}_holdfast_old_` });
  expect(killed.code).toBeUndefined();
  const { id, entries } = await journalOf(bench);
  expect(entries.at(-1)).toMatchObject({ kind: "step-noted", step: "swap", facts: { command: 1 } });
  await executeWell(bench, { direction: "resume", id, yesSteps: ["start-writers"] });
  const after = (await journalOf(bench)).entries;
  expect(performedSteps(after)).toMatchObject({ swap: 1, "start-writers": 1 });
  expect(after.find((entry) => entry.kind === "step-done" && entry.step === "swap")).toMatchObject({ found: true });
  expect(await databasesLike(`${bench.live}_holdfast_old_`)).toHaveLength(1);
  expect(await bench.count("SELECT count(*) FROM visits")).toBe(50);
}, 240_000);

test("dropped-table puts the table beside, with its rows and keys, and touches nothing that is live", async () => {
  const bench = await clinicBench();
  const rescue = `${bench.live}_rescue`;
  await runSql(bench.live, "DROP TABLE visits; INSERT INTO patients (name) VALUES ('came later')");
  const result = await executeWell(bench, { runbook: "dropped-table", inputs: { ...bench.inputs, table: "visits", rescue } });
  expect(result.outcome).toBe("done");
  expect(await bench.count("SELECT count(*) FROM restored.visits")).toBe(50);
  expect(await bench.count("SELECT count(*) FROM pg_constraint WHERE conrelid = 'restored.visits'::regclass AND contype = 'p'")).toBe(1);
  expect(await bench.count("SELECT count(*) FROM patients")).toBe(301);
  expect(await databasesLike(rescue)).toEqual([]);
  // What the runbook says to do where the live one is gone.
  await runSql(bench.live, "ALTER TABLE restored.visits SET SCHEMA public");
}, 240_000);

test("dropped-table keeps the names of a live table apart, and refuses where the schema beside is there", async () => {
  const bench = await clinicBench();
  const rescue = `${bench.live}_rescue`;
  await runSql(bench.live, "DELETE FROM visits; DELETE FROM patients WHERE id > 100");
  await executeWell(bench, { runbook: "dropped-table", inputs: { ...bench.inputs, table: "patients", rescue } });
  expect(await bench.count("SELECT count(*) FROM restored.patients")).toBe(300);
  expect(await bench.count("SELECT count(*) FROM public.patients")).toBe(100);
  const again = await executeRunbook(bench, { runbook: "dropped-table", inputs: { ...bench.inputs, table: "patients", rescue } });
  expect(again).toMatchObject({ code: 19, error: { code: "refused", message: expect.stringContaining("step put-beside: what must hold before it does not") as string } });
  expect(again.error?.hints.join(" ")).toContain("rollback resume runbook-ehr-");
  expect(await bench.count("SELECT count(*) FROM restored.patients")).toBe(300);
}, 240_000);

test("bad-migration goes back to the ledger before it, and refuses a backup from after it", async () => {
  const bench = await clinicBench();
  await runSql(bench.live, "ALTER TABLE patients DROP COLUMN name; INSERT INTO _prisma_migrations (id, checksum, finished_at, migration_name, applied_steps_count) VALUES ('2', 'bb', now(), '20260201000000_bad', 1)");
  const { id: late } = (await bench.ok("backup", "--json")).json<{ id: string }>();
  const head = "20260101000000_init";
  const copy = `${bench.live}_before`;
  const worthless = await executeRunbook(bench, { runbook: "bad-migration", inputs: { ...bench.inputs, backup: late, head, copy } });
  expect(worthless).toMatchObject({ code: 22, error: { message: expect.stringContaining("manifest.truth.migrations.0.head is something else") as string } });
  expect(await databasesLike(copy)).toEqual([]);
  await executeWell(bench, { runbook: "bad-migration", inputs: { ...bench.inputs, head, copy } });
  expect(await bench.count("SELECT count(name) FROM patients")).toBe(300);
  expect(await bench.count("SELECT count(*) FROM _prisma_migrations")).toBe(1);
}, 240_000);
