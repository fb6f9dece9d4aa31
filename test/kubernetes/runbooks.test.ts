/** The shipped runbook for Kubernetes, executed on a real control plane. */
import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";

import { workbench } from "../harness/cli.ts";
import { executeRunbook, executeWell, journalOf, performedSteps } from "../harness/runbooks.ts";
import { scene, workload } from "./rollback-scene.ts";

/** Two Deployments, released twice. Nothing but the repository's folder is behind the configuration. */
async function released() {
  const made = await scene(["deployment/app", "deployment/worker"]);
  await made.release(workload("Deployment", "app", "ehr-app:1"), workload("Deployment", "worker", "ehr-worker:1"));
  await made.release(workload("Deployment", "app", "ehr-app:2"), workload("Deployment", "worker", "ehr-worker:2"));
  const bench = await workbench(`postgresql://nobody@127.0.0.1:1/none_${randomBytes(3).toString("hex")}`, { KUBECONFIG: made.settings.kubeconfig ?? "", HOLDFAST_DATABASE: "ehr" });
  await bench.ok("repository", "init");
  const imageOf = (name: string): Promise<string> => made.kubectl("get", `deployment/${name}`, "--output=jsonpath={.spec.template.spec.containers[0].image}");
  const inputs = { context: "holdfast-test", namespace: made.name, appTo: "1", appNow: "2", appImage: "ehr-app:1", workerTo: "1", workerNow: "2", workerImage: "ehr-worker:1" };
  return { ...made, bench, inputs, images: async () => [(await imageOf("app")).trim(), (await imageOf("worker")).trim()] };
}

test("kubernetes-release takes both Deployments back to their revisions, and undoes none twice after a kill", async () => {
  const { bench, inputs, images } = await released();
  const killed = await executeRunbook(bench, { runbook: "kubernetes-release", inputs, killAt: "note deployment.apps/worker rolled back" });
  expect(killed.code, `${killed.told}${JSON.stringify(killed.error)}`).toBeUndefined();
  const { id } = await journalOf(bench);
  await executeWell(bench, { direction: "resume", id, yesSteps: ["by-hand"] });
  expect(performedSteps((await journalOf(bench)).entries)).toEqual({ look: 1, "undo-app": 1, "undo-worker": 1, see: 1, "by-hand": 1 });
  expect(await images()).toEqual(["ehr-app:1", "ehr-worker:1"]);
}, 180_000);

test("kubernetes-release that is aborted half-way brings the first Deployment back to what it was", async () => {
  const { bench, inputs, images } = await released();
  const killed = await executeRunbook(bench, { runbook: "kubernetes-release", inputs, killAt: "step-started undo-worker" });
  expect(killed.code, `${killed.told}${JSON.stringify(killed.error)}`).toBeUndefined();
  expect(await images()).toEqual(["ehr-app:1", "ehr-worker:2"]);
  await executeWell(bench, { direction: "abort", id: (await journalOf(bench)).id });
  expect(await images()).toEqual(["ehr-app:2", "ehr-worker:2"]);
}, 180_000);

test("kubernetes-release refuses what somebody has rolled out since, and a revision that is not there", async () => {
  const { bench, inputs, images, release } = await released();
  const missing = await executeRunbook(bench, { runbook: "kubernetes-release", inputs: { ...inputs, workerTo: "77" } });
  expect(missing).toMatchObject({ code: 22, error: { details: { stoppedAt: "look" } } });
  await release(workload("Deployment", "app", "ehr-app:3"));
  const raced = await executeRunbook({ ...bench, env: { ...bench.env, HOLDFAST_STATE_DIR: `${bench.folder}/another` } }, { runbook: "kubernetes-release", inputs });
  expect(raced).toMatchObject({ code: 19, error: { code: "refused", details: { stoppedAt: "undo-app" } } });
  expect(await images()).toEqual(["ehr-app:3", "ehr-worker:2"]);
}, 180_000);
