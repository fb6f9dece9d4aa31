/** Rehearsals of a rollback on a real engine: the application in its releases, on copies of its real database. */
import { beforeAll, expect, test } from "vitest";

import { composeApp, sweepApps } from "../harness/compose-app.ts";
import { bench } from "../harness/context.ts";
import { checkpointOf, composed, outcomeOf, rehearse, remains, stateOf } from "../harness/rehearsals.ts";

beforeAll(sweepApps);

test("a release and its backup that fit pass, apart from everything, and leave nothing", async () => {
  const app = await composeApp();
  await app.deploy("1.4.1");
  await app.answers(200);
  await app.sql("INSERT INTO patients (name, phone) VALUES ('Ada', '1')");
  const here = await bench(app.databaseUrl, { database: composed(app) });
  const checkpoint = await checkpointOf(here, await stateOf(app), "1.4.1");
  const { evidence, error } = await rehearse(here, { to: "1.4.1" });
  expect(error).toBeUndefined();
  expect(evidence).toMatchObject({ verdict: "pass", checkpoint: { id: checkpoint.id, running: "1.4.1" }, removed: { removed: true } });
  expect(outcomeOf(evidence, "application:health")).toMatch(/^pass: http:\/\/app:8080\/api\/health passed 2 times in a row: status 200, status=healthy/);
  expect(await remains()).toEqual([]);
}, 240_000);
