/** Rehearsals of a rollback on a real engine: the application in its releases, on copies of its real database. */
import { beforeAll, expect, test } from "vitest";

import { openWorkplace } from "../../src/app/context.ts";
import { lastRehearsal } from "../../src/rollback/rehearsal/records.ts";
import { composeApp, sweepApps } from "../harness/compose-app.ts";
import { bench } from "../harness/context.ts";
import { checkpointOf, clinicAt, composed, outcomeOf, recordedState, rehearsals, rehearse, remains, rollbackOf, stateOf } from "../harness/rehearsals.ts";

beforeAll(sweepApps);

test("a release and the backup from its time pass; on a backup of data that moved on it fails, and the evidence says why", async () => {
  const app = await composeApp();
  await app.deploy("1.4.1");
  await app.answers(200);
  await app.sql("INSERT INTO patients (name, phone) VALUES ('Ada Canary', '555-0199')");
  const here = await bench(app.databaseUrl, { database: composed(app) });
  const state = await stateOf(app);
  const checkpoint = await checkpointOf(here, state, "1.4.1");

  const fits = await rehearse(here, { to: "1.4.1", reason: "before the release of Friday" });
  expect(fits.error).toBeUndefined();
  expect(fits.evidence).toMatchObject({
    verdict: "pass", platform: "compose", reason: "before the release of Friday", checkpoint: { id: checkpoint.id, running: "1.4.1" }, backup: { id: checkpoint.backup.id },
    images: [{ workload: "app", id: await app.imageId("1.4.1") }, { workload: "worker", id: await app.imageId("1.4.1") }],
    isolation: { place: expect.stringMatching(/^holdfast-rehearsal-/) as string, leftOut: ["app: the service migrate", "worker: the service migrate"], placeholders: ["app: SESSION_SECRET", "worker: SESSION_SECRET"] },
    removed: { removed: true }, previous: null,
  });
  expect(outcomeOf(fits.evidence, "application:health")).toMatch(/^pass: http:\/\/app:8080\/api\/health passed 2 times in a row: status 200, status=healthy, database=connected, version=1.4.1/);
  expect(outcomeOf(fits.evidence, "application:services")).toMatch(/^pass: .*healthy by their own health check/);
  expect(outcomeOf(fits.evidence, "isolation:egress")).toMatch(/^pass: .*the container holdfast-test-app-\S+-db-1 \([\d.]+:5432, which answers this host\).* cannot$/);
  expect(await remains()).toEqual([]);

  await app.deploy("1.5.0");
  await app.answers(503);
  await checkpointOf(here, state, "1.4.1", { release: "1.5.1" });
  const database = { ...here.context.config.databases.get("ehr")!, rollback: rollbackOf(app, { timeoutMs: 8_000 }) };
  const moved = await rehearse(here.with({ config: { ...here.context.config, databases: new Map([["ehr", database]]) } }), { to: "1.4.1" });
  expect(moved.error).toMatchObject({ code: "drill-failed", exitCode: 20 });
  expect(moved.evidence).toMatchObject({ verdict: "fail", removed: { removed: true }, previous: { id: fits.evidence.id } });
  expect(outcomeOf(moved.evidence, "rows")).toMatch(/^pass/);
  expect(outcomeOf(moved.evidence, "application:health")).toMatch(/^fail: http:\/\/app:8080\/api\/health did not pass .*; the last answer: status 503, but must be 200$/);
  expect(moved.evidence.summary).toContain("status 503");
  expect(await remains()).toEqual([]);

  const written = JSON.stringify(await rehearsals(here)) + JSON.stringify(here.events);
  for (const secret of ["Ada Canary", "555-0199", app.password, app.sessionSecret]) expect(written).not.toContain(secret);
  const workplace = await openWorkplace(here.context);
  expect(await lastRehearsal(workplace.repository, "ehr", checkpoint.id)).toMatchObject({ id: fits.evidence.id, verdict: "pass" });
  expect(await lastRehearsal(workplace.repository, "ehr", "none")).toBeUndefined();
  await workplace.close();
}, 300_000);

test("an image that is gone from the engine fails before anything is restored", async () => {
  const here = await clinicAt("1.4.1");
  const gone = `sha256:${"0".repeat(64)}`;
  await checkpointOf(here, await recordedState("1.4.1", { image: gone }), "1.4.1");
  const { evidence, error } = await rehearse(here);
  expect(error).toMatchObject({ code: "drill-failed" });
  expect(outcomeOf(evidence, "images")).toBe(`fail: gone from the engine: holdfast-test/app:1.4.1 of app (${gone}); no rollback could start it either`);
  expect(outcomeOf(evidence, "restore")).toMatch(/^unverified: not reached/);
  expect(await remains()).toEqual([]);
});

test("an application that does not come up without what it has in production could not be verified", async () => {
  const here = await clinicAt("1.4.1", { timeoutMs: 3_000 });
  const ends = { command: ["sh", "-c", "exit 7"] };
  await checkpointOf(here, await recordedState("1.4.1", { resolved: { ...ends, secrets: [{ source: "api", target: "/run/secrets/api" }] } }), "1.4.1");
  const { evidence, error } = await rehearse(here);
  expect(error).toMatchObject({ code: "drill-unverified", exitCode: 21 });
  expect(outcomeOf(evidence, "application:services")).toMatch(/^unverified: app ended with exit status 7; whether .* cannot be told: app: secret \/run\/secrets\/api, app: SESSION_SECRET$/);
  expect(outcomeOf(evidence, "application:health")).toMatch(/^unverified: .*no answer/);

  await checkpointOf(here, await recordedState("1.4.1", { resolved: { ...ends, environment: { DATABASE_URL: "" } } }), "1.4.2");
  const lacking = await rehearse(here, { to: "1.4.2" });
  expect(lacking.error).toMatchObject({ code: "drill-failed" });
  expect(outcomeOf(lacking.evidence, "application:services")).toBe("fail: app ended with exit status 7");
});

test("the smoke test finds the copy and the application", async () => {
  const script = "set -e; test \"$(psql -X -A -t -c 'SELECT count(*) FROM patients' \"$DATABASE_URL\")\" = 3; curl -sf \"$HOLDFAST_REHEARSAL_URL/api/patients\" | grep -q '\"patients\":3'";
  const here = await clinicAt("1.4.1", {}, { command: ["sh", "-c", script], timeoutMs: 30_000 });
  await checkpointOf(here, await recordedState("1.4.1"), "1.4.1");
  expect(outcomeOf((await rehearse(here)).evidence, "smoke")).toMatch(/^pass: the command exited with 0/);
});

test("a cancelled rehearsal leaves nothing but its evidence", async () => {
  const here = await clinicAt("1.4.1");
  await checkpointOf(here, await recordedState("1.4.1"), "1.4.1");
  for (const step of ["provision", "restore", "application"]) {
    const cancel = new AbortController();
    here.listen((event) => { if (event.type === "step-started" && event.step === step) setTimeout(() => { cancel.abort(); }, 300); });
    const { evidence, error } = await rehearse(here.with({ signal: cancel.signal }));
    expect(error, step).toMatchObject({ code: "cancelled", message: expect.stringContaining("nothing of it is left but its evidence") as string });
    expect(evidence).toMatchObject({ verdict: "unverified", removed: { removed: true } });
    expect(await remains(), step).toEqual([]);
  }
}, 180_000);
