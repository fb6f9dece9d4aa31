/** What counts as observed: not what is right where nobody asks. */
import { onTestFinished, expect, test } from "vitest";

import { openWorkplace } from "../../../src/app/context.ts";
import { observeStep } from "../../../src/app/rollback/observe-step.ts";
import type { RollbackPlan } from "../../../src/rollback/plan/plan.ts";
import type { WorkloadObservation } from "../../../src/rollback/platform/platform.ts";
import { containing } from "../../harness/context.ts";
import { deployment, rollbackDefaults } from "../../harness/checkpoints.ts";
import { stepBench } from "../../harness/steps.ts";

const running = (start: string): WorkloadObservation => ({ workload: "app", replicas: [{ name: "ehr-app-1", images: ["sha256:1"], ready: true, start }], problem: undefined });

/** A rollback from 1.4.2 whose images are those of 1.4.1, on a platform of which each look sees the next. */
async function rolledBack(...looks: WorkloadObservation[]) {
  const there = await deployment();
  const { checkpoint } = await there.checkpoint({ coming: { how: "none" } });
  const workplace = await openWorkplace(there.on.context);
  onTestFinished(() => workplace.close());
  const plan = {
    database: "ehr", to: "1.4.1", strategy: "images-only", checkpoint: { id: checkpoint.id },
    now: { release: "1.4.2", ledgers: checkpoint.ledgers }, target: { state: checkpoint.state, ledgers: checkpoint.ledgers },
  } as unknown as RollbackPlan;
  const { context } = there.on;
  const platform = { ...there.platform, observe: () => Promise.resolve([looks.length > 1 ? looks.shift()! : looks[0]!]) };
  const step = observeStep({ context, workplace, database: context.config.databases.get("ehr")!, id: "rollback-1", plan, drainMs: 0 }, { ...rollbackDefaults, health: there.app.settings }, platform);
  return { app: there.app, observe: () => step.perform(stepBench()) };
}

test("where the release that should have gone still answers, the rollback failed, whatever the platform shows", async () => {
  const { app, observe } = await rolledBack(running("1"));
  expect(await observe()).toMatchObject({ replicas: 1 });
  app.answer = { ...app.answer, version: "1.4.2" };
  await expect(observe()).rejects.toMatchObject({ code: "rollback-failed", message: containing("the application says that it still is 1.4.2, and it was 1.4.1 at the checkpoint; the database was not touched") });
});

test("a replica that was started again, or is not ready any more, since it was first seen fails the rollback", async () => {
  const again = await rolledBack(running("1"), running("2"));
  await expect(again.observe()).rejects.toMatchObject({ code: "rollback-failed", message: containing("app: ehr-app-1 ended and was started again while it was observed") });
  const gone = await rolledBack(running("1"), { ...running("1"), problem: "app: ehr-app-1 is exited with 3" });
  await expect(gone.observe()).rejects.toMatchObject({ code: "rollback-failed", message: containing("app: ehr-app-1 is exited with 3") });
});
