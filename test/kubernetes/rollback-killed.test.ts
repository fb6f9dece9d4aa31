/** Rollbacks on a real Kubernetes control plane that are killed after every step, and go on each time. */
import { expect, test } from "vitest";

import type { RollbackPlan } from "../../src/app/rollback/make-plan.ts";
import type { ShownRollbackJson } from "../../src/cli/rollback-view.ts";
import { badRelease, old, patients } from "../harness/kubernetes-app.ts";
import { rollBack } from "../harness/rolling-back.ts";

test.each(["effect", "step-started"])("killed at the %s of every step in turn, the rollback ends as an undisturbed one, and nothing is done twice", async (event) => {
  const app = await badRelease();
  const steps = (await app.ok("rollback", "plan", "--to", "1.4.1", "--json")).json<RollbackPlan>().steps.map(({ id }) => id);
  let direction = ["run", "1.4.1", app.namespace.name];
  for (const step of steps) {
    expect([step, (await rollBack(app, direction, `${event} ${step}`)).code]).toEqual([step, undefined]);
    direction = ["resume"];
  }
  const last = await rollBack(app, ["resume"]);
  expect(last).toMatchObject({ code: 0, result: { outcome: "done" } });
  expect(await app.running()).toEqual(old);
  expect(await patients(app)).toBe(app.before);
  const { journal } = (await app.ok("rollback", "show", last.result!.rollback, "--json")).json<ShownRollbackJson>();
  for (const step of steps) expect(journal.filter((entry) => entry.kind === "step-done" && entry.step === step)).toHaveLength(1);
  // The cluster's own word: the previous ReplicaSet was scaled up once, and the bad one down once.
  const scaled = (await app.namespace.kubectl("get", "events", "--field-selector", "reason=ScalingReplicaSet", "--output", "jsonpath={range .items[*]}{.involvedObject.name} {.count} {.message}{\"\\n\"}{end}")).trim().split("\n");
  expect(scaled.filter((line) => line.startsWith("api") && /[Ss]caled down replica set .* from 2 to 0/.test(line))).toHaveLength(1);
}, 400_000);
