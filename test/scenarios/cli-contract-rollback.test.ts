/** What scripts read of checkpoints, rollbacks and incidents: the shape of every command's JSON. */
import { dirname, join } from "node:path";
import { expect, test } from "vitest";

import { application } from "../harness/checkpoints.ts";
import { databasePlace, renaming, way } from "../harness/database-rollbacks.ts";
import { rollBack } from "../harness/rolling-back.ts";
import { shapesOf } from "../harness/shapes.ts";

const snapshot = join(dirname(import.meta.filename), "__contract__", "json-shapes-rollback.json");

test("the JSON of every command's result, and of its failures, has the shape that was agreed", async () => {
  const app = await application("1.0.0");
  const place = await databasePlace();
  Object.assign(place.env, { HOLDFAST_ROLLBACK_HEALTH_URL: app.settings.url, HOLDFAST_ROLLBACK_HEALTH_TIMEOUT: "3s", HOLDFAST_ROLLBACK_HEALTH_INTERVAL: "1s" });
  const { shapes, run } = shapesOf(place);
  await place.brings(renaming);
  await run("checkpoint create", 0, "checkpoint", "create", "--release", "2.0.0", "--running", "1.0.0", "--reason", "CHG-217");
  await place.applies(renaming);
  await place.sql("INSERT INTO patients (full_name) VALUES ('in between'), ('in between');\n");
  app.answer = undefined;
  await run("failure: a bad deploy", 24, "checkpoint", "verify");
  app.answer = { status: "healthy", version: "2.0.0", database: "connected" };
  await run("checkpoint verify", 0, "checkpoint", "verify");
  await run("checkpoint list", 0, "checkpoint", "list");
  await run("checkpoint show", 0, "checkpoint", "show");
  app.answer = { ...app.answer, version: "1.0.0" };

  await run("rollback rehearse", 0, "rollback", "rehearse", "--to", "1.0.0");
  await run("rollback plan", 0, "rollback", "plan");
  await run("failure: another name", 19, "rollback", "--to", "1.0.0", "--confirm", "another");
  await run("failure: no checkpoint", 16, "rollback", "plan", "--to", "0.9.0");
  await run("failure: nothing under way", 16, "rollback", "resume");
  expect((await rollBack(place, ["run", "1.0.0", place.name], "step-started observe")).code).toBeUndefined();
  await run("rollback abort", 0, "rollback", "abort", "--reason", "the release was mended");
  await run("rollback list", 0, "rollback", "list");
  const done = (await run("rollback", 0, "rollback", ...way(place).slice(1))) as { rollback: string };
  await run("rollback show", 0, "rollback", "show", done.rollback);

  await run("incident note", 0, "incident", "note", "latest", "the cause is known");
  await run("incident close", 0, "incident", "close", "latest", "--resolution", "mended");
  await run("incident list", 0, "incident", "list");
  await run("incident show", 0, "incident", "show", "latest");
  await run("incident report", 0, "incident", "report", "latest");
  await expect(`${JSON.stringify(shapes, null, 2)}\n`).toMatchFileSnapshot(snapshot);
}, 600_000);
