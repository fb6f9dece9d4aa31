/** What doctor sees of a cluster: the workloads, and what the configured user may do with them. */
import { expect, test } from "vitest";

import { databaseNamed } from "../../src/app/context.ts";
import { checkRollback } from "../../src/app/doctor/doctor-rollback.ts";
import type { DoctorCheck } from "../../src/app/doctor/doctor.ts";
import { rollbackDefaults } from "../harness/checkpoints.ts";
import { bench, containing } from "../harness/context.ts";
import { scene, workload } from "./rollback-scene.ts";

test("a namespace whose workloads may be rolled back is shown; what is missing, forbidden or not reached is named", async () => {
  const place = await scene(["deployment/app"]);
  await place.release(workload("Deployment", "app", "shop/ehr-app:1.4.1"));
  const look = async (change: Partial<typeof place.settings> = {}): Promise<(name: string) => DoctorCheck | undefined> => {
    const { context } = await bench("postgresql://nobody@127.0.0.1:1/ehr", { database: { rollback: { ...rollbackDefaults, platform: "kubernetes", kubernetes: { ...place.settings, ...change } } } });
    const area = await checkRollback(context, databaseNamed(context.config));
    return (name) => area!.checks.find((check) => check.name === name);
  };
  const well = await look();
  expect(well("platform")).toMatchObject({ outcome: "ok", detail: `context holdfast-test, namespace ${place.name}: app shop/ehr-app:1.4.1 (2)` });
  expect(well("permissions")).toMatchObject({ outcome: "ok", detail: expect.stringMatching(/^\d+ permissions were asked for$/) as string });
  expect((await look({ workloads: ["deployment/printer"] }))("platform")).toMatchObject({ outcome: "fail", code: "configuration", detail: containing("deployment printer is not in namespace") });
  expect((await look({ context: "holdfast-no-such-context" }))("platform")).toMatchObject({ outcome: "fail", detail: containing("holdfast-no-such-context") });
  const reading = { apiGroups: ["", "apps", "batch", "policy", "autoscaling"], resources: ["*"], verbs: ["get", "list", "watch"] };
  const reader = await place.user("reader", [reading]);
  const mayRead = await look({ kubeconfig: reader.kubeconfig });
  expect(mayRead("platform")).toMatchObject({ outcome: "ok" });
  expect(mayRead("permissions")).toMatchObject({ outcome: "fail", code: "configuration", detail: containing("patch deployments.apps/app"), hint: containing("Role") });
  const blind = await place.user("blind", [{ apiGroups: [""], resources: ["events"], verbs: ["get"] }]);
  expect((await look({ kubeconfig: blind.kubeconfig }))("platform")).toMatchObject({ outcome: "fail", hint: containing("Give ") });
}, 300_000);
