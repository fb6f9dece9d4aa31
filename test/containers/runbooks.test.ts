/** The shipped runbooks for Docker Compose, executed on a real engine with a real application. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";

import { sweepApps } from "../harness/compose-app.ts";
import { rollingBack, type RollingBack } from "../harness/rolling-back.ts";
import { executeRunbook, executeWell, journalOf, performedSteps } from "../harness/runbooks.ts";

beforeAll(sweepApps);

const imagesOf = async ({ app }: RollingBack): Promise<string[]> => [...new Set([...(await app.containers("app")), ...(await app.containers("worker"))].filter(({ running }) => running).map(({ image }) => image))];

test("compose-release brings back images and data, after its plan was read", async () => {
  const here = await rollingBack();
  await here.app.sql("INSERT INTO patients (name) SELECT 'before' FROM generate_series(1, 40)");
  await here.deployAfterCheckpoint("1.5.0");
  await here.app.answers(503);
  const inputs = { to: "1.4.1", project: here.app.project, file: join(here.app.folder, "compose.yaml"), plan: join(here.folder, "plan.json"), health: here.app.healthUrl };
  // Killed when the rollback itself is over, and the runbook does not know it yet.
  const killed = await executeRunbook(here, { runbook: "compose-release", inputs, killAt: "note is back at 1.4.1" });
  expect(killed.code, killed.told).toBeUndefined();
  const { id, entries } = await journalOf(here);
  expect(entries.at(-1)).toMatchObject({ kind: "step-noted", step: "carry-out" });
  const result = await executeWell(here, { direction: "resume", id, yesSteps: ["look"] });
  expect(result.steps.map(({ state }) => state)).toEqual(["done", "done", "done", "done", "done"]);
  expect(performedSteps((await journalOf(here)).entries)).toEqual({ see: 1, plan: 1, "carry-out": 1, "see-again": 1, look: 1 });
  expect(await here.app.answers(200)).toMatchObject({ status: "healthy", version: "1.4.1" });
  expect(await imagesOf(here)).toEqual([await here.app.imageId("1.4.1")]);
  expect((await here.app.sql("SELECT count(*) FROM patients WHERE name = 'before'")).trim()).toBe("40");
  expect(killed.told).toContain("DATA LOST");
}, 400_000);

test("compose-previous-file brings the previous release up, and can be taken back", async () => {
  const here = await rollingBack();
  const file = join(here.app.folder, "compose.yaml");
  const previous = join(here.app.folder, "docker-compose.previous.yml");
  await writeFile(previous, (await readFile(file, "utf8")).replaceAll("${APP_RELEASE}", "1.4.1"));
  await here.app.deploy("1.4.2");
  await here.app.answers(200);
  const inputs = { to: "1.4.1", project: here.app.project, file, previous, health: here.app.healthUrl };
  const killed = await executeRunbook(here, { runbook: "compose-previous-file", inputs, killAt: "step-started look" });
  expect(killed.code, `${killed.told}${JSON.stringify(killed.error)}`).toBeUndefined();
  expect(await here.app.answers(200)).toMatchObject({ version: "1.4.1" });
  expect(await imagesOf(here)).toEqual([await here.app.imageId("1.4.1")]);
  const { id } = await journalOf(here);
  const back = await executeWell(here, { direction: "abort", id });
  expect(back.steps.find((step) => step.id === "up")?.state).toBe("taken-back");
  expect(await here.app.answers(200)).toMatchObject({ version: "1.4.2" });

  await executeWell({ ...here, env: { ...here.env, HOLDFAST_STATE_DIR: join(here.folder, "another-state") } }, { runbook: "compose-previous-file", inputs });
  expect(await here.app.answers(200)).toMatchObject({ version: "1.4.1" });
}, 400_000);

test("compose-previous-file with an image that is not there ends before anything is stopped", async () => {
  const here = await rollingBack();
  const file = join(here.app.folder, "compose.yaml");
  const previous = join(here.app.folder, "docker-compose.previous.yml");
  await writeFile(previous, (await readFile(file, "utf8")).replaceAll("${APP_RELEASE}", "0.0.1-pruned"));
  const before = (await here.app.containers("app")).map(({ id }) => id);
  const ended = await executeRunbook(here, { runbook: "compose-previous-file", inputs: { to: "0.0.1", project: here.app.project, file, previous, health: here.app.healthUrl } });
  expect(ended).toMatchObject({ code: 22, error: { details: { stoppedAt: "images" } } });
  expect((await here.app.containers("app")).map(({ id }) => id)).toEqual(before);
}, 300_000);
