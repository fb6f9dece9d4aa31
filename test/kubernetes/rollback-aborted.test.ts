/** The way back of the way back, on Kubernetes: a rollback that was killed after the database was swapped is aborted. */
import { expect, test } from "vitest";

import type { RollbackResult } from "../../src/app/rollback/carry-out.ts";
import type { RollbackPlan } from "../../src/app/rollback/make-plan.ts";
import { badRelease, imageOf, patients } from "../harness/kubernetes-app.ts";
import { rollBack } from "../harness/rolling-back.ts";
import { takenBack } from "../harness/taken-back.ts";

test("aborted after the swap, before the workloads went back and once they had: the newer release and its rows are back each time", async () => {
  const app = await badRelease();
  const rows = await patients(app);
  const newer = [imageOf("api", "1.5.0"), imageOf("api", "1.5.0"), imageOf("worker", "1.5.0")];
  expect(await app.running()).toEqual(newer);
  const steps = (await app.ok("rollback", "plan", "--to", "1.4.1", "--json")).json<RollbackPlan>().steps.map(({ id }) => id);
  const swap = steps.indexOf("swap");
  // Killed before the step that comes after the swap, and before the last one: the second is also a new rollback after the first.
  for (const killedAt of [swap + 1, steps.length - 1]) {
    const killed = await rollBack(app, ["run", "1.4.1", app.namespace.name], `step-started ${steps[killedAt]!}`);
    expect(killed.code, killed.told).toBeUndefined();
    expect(await patients(app)).toBe(app.before);
    const aborted = (await app.ok("rollback", "abort", "--reason", "the release was mended", "--json")).json<RollbackResult>();
    // The safety backup is kept, and to wait for a rollout changes nothing: neither has anything to be taken back.
    await takenBack(app, aborted, steps.slice(0, killedAt).filter((step) => step !== "safety-backup" && step !== "rollout").toReversed());
    expect(await patients(app)).toBe(rows);
    await expect.poll(() => app.running(), { timeout: 60_000 }).toEqual(newer);
  }
}, 400_000);
