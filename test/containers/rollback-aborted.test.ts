/** The way back of the way back, on Docker Compose: a rollback that stopped after the database was swapped is aborted. */
import { beforeAll, expect, test } from "vitest";

import type { RollbackResult } from "../../src/app/rollback/carry-out.ts";
import type { RollbackJson, ShownRollbackJson } from "../../src/cli/rollback-view.ts";
import { sweepApps } from "../harness/compose-app.ts";
import { badReleaseOnCompose, databasesOf, patientsOf, rollBack } from "../harness/rolling-back.ts";
import { takenBack } from "../harness/taken-back.ts";

beforeAll(sweepApps);

test("aborted after the swap, before the images started, once they ran, and when they did not work: the newer release and its rows are back each time", async () => {
  const here = await badReleaseOnCompose();
  const { app } = here;
  const newer = await app.imageId("1.5.0");
  const rows = await patientsOf(here);
  const stops: readonly (readonly [how: string, stop: () => Promise<unknown>, undone: readonly string[]])[] = [
    ["killed before the images start", () => rollBack(here, ["run", "1.4.1", app.project], "step-started start-previous"), ["swap", "maintenance-on", "restore-beside"]],
    ["killed once they run", () => rollBack(here, ["run", "1.4.1", app.project], "step-started observe"), ["start-previous", "swap", "maintenance-on", "restore-beside"]],
    ["they do not work", async () => {
      const failed = await here.run("rollback", "--to", "1.4.1", "--confirm", app.project, "--reason", "a bad release");
      expect([failed.code, failed.stderr]).toEqual([22, expect.stringMatching(/the one before is kept beside[^]*rollback abort/)]);
    }, ["observe", "start-previous", "swap", "maintenance-on", "restore-beside"].slice(1)],
  ];
  const kept: string[] = [];
  for (const [how, stop, undone] of stops) {
    if (how === "they do not work") Object.assign(here.env, { HOLDFAST_ROLLBACK_HEALTH_URL: "http://127.0.0.1:1/api/health", HOLDFAST_ROLLBACK_HEALTH_TIMEOUT: "2s" });
    await stop();
    // The checkpoint's rows are live; whoever wrote meanwhile wrote to them.
    expect(await patientsOf(here), how).toBe(here.before);
    await app.sql(`INSERT INTO patients (name) VALUES ('meanwhile ${kept.length}')`);
    const aborted = (await here.ok("rollback", "abort", "--reason", "the release was mended", "--json")).json<RollbackResult>();
    kept.push(await takenBack(here, aborted, undone));
    expect(await patientsOf(here), how).toBe(rows);
    expect(await databasesOf(here), how).toEqual(["ehr", ...kept]);
    const runs = [...(await app.containers("app")), ...(await app.containers("worker"))];
    expect(runs.map(({ image, running }) => [image, running]), how).toEqual(runs.map(() => [newer, true]));
    expect(runs, how).toHaveLength(3);
    expect(await app.answers(503), how).toMatchObject({ version: "1.5.0", database: "connected" });
  }
  Object.assign(here.env, { HOLDFAST_ROLLBACK_HEALTH_URL: app.healthUrl, HOLDFAST_ROLLBACK_HEALTH_TIMEOUT: "60s" });

  // What was over stays over, and a new one goes through.
  const result = (await here.ok("rollback", "--to", "1.4.1", "--confirm", app.project, "--json")).json<RollbackResult>();
  expect(result.outcome).toBe("done");
  expect(await app.answers(200)).toMatchObject({ version: "1.4.1" });
  expect(await patientsOf(here)).toBe(here.before);
  expect((await here.ok("rollback", "list", "--json")).json<RollbackJson[]>().map(({ state }) => state)).toEqual(["done", "aborted", "aborted", "aborted"]);
  expect((await here.ok("rollback", "show", result.rollback, "--json")).json<ShownRollbackJson>().journal.at(-1)).toMatchObject({ kind: "ended", outcome: "done" });
}, 600_000);
