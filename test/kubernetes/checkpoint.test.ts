/** Checkpoints of workloads whose rollout stands still: what is recorded is what is deployed, and nobody is told that it runs. */
import { expect, test } from "vitest";

import { databaseNamed } from "../../src/app/context.ts";
import { checkRollback } from "../../src/app/doctor/doctor-rollback.ts";
import { rollbackDefaults } from "../harness/checkpoints.ts";
import { bench, containing } from "../harness/context.ts";
import { kubernetesApp, manifestsOf } from "../harness/kubernetes-app.ts";
import { scene, workload } from "./rollback-scene.ts";

test("a deploy of which one workload never comes up is bad, though the application is healthy; a checkpoint of it warns", async () => {
  const app = await kubernetesApp({ HOLDFAST_ROLLBACK_HEALTH_TIMEOUT: "8s", HOLDFAST_ROLLBACK_HEALTH_TIMES: "1" });
  await app.namespace.apply(...manifestsOf("1.4.1").map((manifest) => ({ ...manifest, spec: { ...(manifest["spec"] as object), revisionHistoryLimit: 0 } })));
  const taken = await app.ok("checkpoint", "create", "--release", "1.4.2", "--no-migrations", "--json");
  expect(taken.json<{ warnings: string[] }>().warnings).toEqual(["api", "worker"].map((name) => `deployment ${name} keeps no former revision (revisionHistoryLimit: 0): once another release is applied, nothing can bring this one back; set it to 2 or more in its manifest before the deploy`));

  await app.deploy("1.4.2", { wait: false });
  await app.namespace.kubectl("rollout", "status", "deployment/api", "--timeout", "60s");
  await app.namespace.kubectl("set", "image", "deployment/worker", "worker=clinic/worker:1.4.2-broken");
  const verified = await app.run("checkpoint", "verify", "1.4.2");
  expect([verified.code, verified.stderr]).toEqual([24, expect.stringMatching(/the deploy of 1\.4\.2 is bad: deployment worker: .*1 old replica has not ended .*ImagePullBackOff \(worker\)/)]);

  await app.namespace.kubectl("scale", "deployment/api", "--replicas", "0");
  await app.namespace.kubectl("wait", "--for", "delete", "pods", "--selector", "app=api", "--timeout", "60s");
  const next = await app.ok("checkpoint", "create", "--release", "1.4.3", "--running", "1.4.2", "--no-migrations", "--json");
  expect(next.json<{ id: string; warnings: string[] }>().warnings).toEqual(expect.arrayContaining([
    containing("what is deployed is not what runs (deployment worker: "),
    "nothing runs of api: a rollback to this checkpoint would come back to that",
  ]));
  expect((await app.ok("checkpoint", "show", "1.4.3")).stdout).toMatch(/worker:1\.4\.2-broken +not known/);
});

test("doctor names a workload of which no former revision is kept", async () => {
  const place = await scene(["deployment/app"]);
  await place.release(workload("Deployment", "app", "shop/ehr-app:1.4.1", { spec: { revisionHistoryLimit: 0 } }));
  const { context } = await bench("postgresql://nobody@127.0.0.1:1/ehr", { database: { rollback: { ...rollbackDefaults, platform: "kubernetes", kubernetes: place.settings } } });
  const area = await checkRollback(context, databaseNamed(context.config));
  expect(area?.checks.find(({ name }) => name === "history")).toMatchObject({ outcome: "warn", detail: containing("deployment app keeps no former revision") });
});
