/** Whole rollbacks on Docker Compose: an application in three releases, its database, its migrations, and a client that watches. */
import { beforeAll, expect, test, vi } from "vitest";

import type { RollbackPlan } from "../../src/app/rollback/make-plan.ts";
import type { RollbackResult } from "../../src/app/rollback/carry-out.ts";
import type { ShownRollbackJson } from "../../src/cli/rollback-view.ts";
import { sweepApps } from "../harness/compose-app.ts";
import { docker } from "../harness/containers.ts";
import { badReleaseOnCompose, databasesOf, patientsOf, pollingClient, rollBack, rollingBack, type RollingBack, watchEngine } from "../harness/rolling-back.ts";

// Dozens of containers, on a machine that may be busy.
vi.setConfig({ testTimeout: 300_000 });

beforeAll(sweepApps);

const imagesOf = async ({ app }: RollingBack): Promise<string[]> => {
  const containers = [...(await app.containers("app")), ...(await app.containers("worker"))];
  expect(containers.every(({ running }) => running)).toBe(true);
  return [...new Set(containers.map(({ image }) => image))];
};

test("a destructive migration is rolled back with its data, and what was written in between is told before and kept after", async () => {
  const here = await badReleaseOnCompose();
  const plan = (await here.ok("rollback", "plan", "--to", "1.4.1", "--json", "--out", `${here.folder}/plan.json`)).json<RollbackPlan>();
  expect(plan).toMatchObject({ strategy: "restore-and-swap", to: "1.4.1", confirm: here.app.project, now: { release: "1.5.0" }, loss: { data: true } });
  expect(plan.loss.tables).toContainEqual(expect.objectContaining({ table: "public.patients", inserted: 3, difference: 3, by: "sequence" }));
  expect(plan.migrations.map(({ verdict }) => verdict)).toContain("incompatible");
  const shown = (await here.ok("rollback", "plan", "--to", "1.4.1")).stdout;
  expect(shown).toMatch(/DATA LOST/);
  expect(shown).toMatch(/public\.patients +3 /);

  const refused = await here.run("rollback", "--plan", "plan.json", "--confirm", "another");
  expect([refused.code, refused.stderr]).toEqual([19, expect.stringContaining(here.app.project)]);
  const result = (await here.ok("rollback", "--plan", "plan.json", "--confirm", here.app.project, "--json")).json<RollbackResult>();
  expect(result).toMatchObject({ outcome: "done", to: "1.4.1", facts: { observe: { healthPassed: 3 } } });

  expect(await here.app.answers(200)).toMatchObject({ status: "healthy", version: "1.4.1", database: "connected" });
  expect(await imagesOf(here)).toEqual([await here.app.imageId("1.4.1")]);
  expect(await patientsOf(here)).toBe(here.before);
  const safety = result.facts["safety-backup"]?.["backup"];
  await here.ok("restore", String(safety), "--into", "what_was_lost");
  const lost = await docker("exec", (await here.app.containers("db"))[0]!.name, "psql", "-h", "/tmp", "-U", "postgres", "-d", "what_was_lost", "-At", "-c", "SELECT count(*) FROM patients WHERE full_name = 'in between'");
  expect(lost).toBe("3");

  const record = (await here.ok("rollback", "show", result.rollback, "--json")).json<ShownRollbackJson>();
  expect(record.journal.filter(({ kind }) => kind === "step-done").map((entry) => "step" in entry && entry.step)).toEqual(record.plan.steps.map(({ id }) => id));
  const report = (await here.ok("incident", "report", result.incident!)).stdout;
  expect(report).toContain("1.4.1");
  expect(report).not.toContain("in between");
});

test("a compatible migration is rolled back by images alone: no row is lost, and a client waits less than 15 seconds", async () => {
  const here = await rollingBack();
  await here.deployAfterCheckpoint("1.4.2");
  await here.app.answers(200);
  await here.app.sql("INSERT INTO patients (name) SELECT 'since' FROM generate_series(1, 5)");
  const before = await patientsOf(here);
  const client = pollingClient(here.app.healthUrl);
  const result = (await here.ok("rollback", "--to", "1.4.1", "--confirm", here.app.project, "--json")).json<RollbackResult>();
  const { longestMs, answers } = await client.stop();
  expect(result).toMatchObject({ strategy: "images-only", outcome: "done" });
  expect(answers).toBeGreaterThan(5);
  process.stderr.write(`images only: the longest time without a good answer was ${Math.round(longestMs)} ms\n`);
  expect(longestMs).toBeLessThan(15_000);
  expect(await here.app.answers(200)).toMatchObject({ version: "1.4.1" });
  expect(await imagesOf(here)).toEqual([await here.app.imageId("1.4.1")]);
  expect(await patientsOf(here)).toBe(before);
  expect(await databasesOf(here)).toEqual(["ehr"]);
});

test("images alone on a schema that does not fit them are refused, unless somebody says why not", async () => {
  const here = await badReleaseOnCompose();
  const refused = await here.run("rollback", "--to", "1.4.1", "--strategy", "images-only", "--confirm", here.app.project);
  expect([refused.code, refused.stderr]).toEqual([19, expect.stringContaining("--accept-incompatible")]);
  expect(await imagesOf(here)).toEqual([await here.app.imageId("1.5.0")]);
  // It is done as it was asked for, and what is observed is told: the old release cannot live with this schema.
  here.env["HOLDFAST_ROLLBACK_HEALTH_TIMEOUT"] = "5s";
  const insisted = await here.run("rollback", "--to", "1.4.1", "--strategy", "images-only", "--accept-incompatible", "the vendor says so", "--confirm", here.app.project);
  expect([insisted.code, insisted.stderr]).toEqual([22, expect.stringMatching(/health check did not pass[\s\S]*the database was not touched[\s\S]*rollback resume[\s\S]*rollback abort/)]);
  const aborted = (await here.ok("rollback", "abort", "--json")).json<RollbackResult>();
  expect(aborted.outcome).toBe("aborted");
  expect(await imagesOf(here)).toEqual([await here.app.imageId("1.5.0")]);
});

const stepsOfSwap = ["restore-beside", "maintenance-on", "safety-backup", "swap", "start-previous", "observe"];

test.each(["effect", "step-started"])("killed at the %s of every step in turn, the rollback ends as an undisturbed one, and nothing is done twice", async (event) => {
  const here = await badReleaseOnCompose();
  const engine = watchEngine(here.app.project);
  const told: string[] = [];
  let direction = ["run", "1.4.1", here.app.project];
  for (const step of stepsOfSwap) {
    const { code, told: said } = await rollBack(here, direction, `${event} ${step}`);
    expect([step, code]).toEqual([step, undefined]);
    told.push(said);
    direction = ["resume"];
  }
  const last = await rollBack(here, ["resume"]);
  expect(last).toMatchObject({ code: 0, result: { outcome: "done" } });

  expect(await here.app.answers(200)).toMatchObject({ version: "1.4.1" });
  expect(await imagesOf(here)).toEqual([await here.app.imageId("1.4.1")]);
  expect(await patientsOf(here)).toBe(here.before);
  const [live, kept, ...more] = await databasesOf(here);
  expect([live, kept, more]).toEqual(["ehr", last.result!.facts["swap"]!["kept"], []]);

  const { journal } = (await here.ok("rollback", "show", last.result!.rollback, "--json")).json<ShownRollbackJson>();
  for (const step of stepsOfSwap) expect(journal.filter((entry) => entry.kind === "step-done" && entry.step === step)).toHaveLength(1);
  const found = journal.filter((entry) => entry.kind === "step-done" && entry.found).map((entry) => "step" in entry && entry.step);
  expect(found).toEqual(event === "effect" ? stepsOfSwap.slice(0, -1) : []);
  // The engine's own word: each container of the bad release was stopped once, and each of the good one was started once.
  const events = await engine.stop();
  const of = (action: string): string[] => events.filter((line) => line.startsWith(`${action} `)).map((line) => line.replace(/^.*-((?:app|worker)-\d+)$/, "$1")).sort();
  expect([of("die"), of("start")]).toEqual([["app-1", "worker-1", "worker-2"], ["app-1", "worker-1", "worker-2"]]);
  const backups = (await here.ok("backup", "list", "--json")).json<{ label: string | null }[]>();
  expect(backups.map(({ label }) => label).sort()).toEqual(["pre-deploy", "safety"]);
}, 400_000);
