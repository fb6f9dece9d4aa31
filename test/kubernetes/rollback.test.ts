/** Whole rollbacks on a real Kubernetes control plane: two Deployments, a migration Job, and a real database. */
import { expect, test } from "vitest";

import type { RollbackPlan } from "../../src/app/rollback/make-plan.ts";
import type { RollbackResult } from "../../src/app/rollback/carry-out.ts";
import { badRelease, imageOf, kubernetesApp, manifestsOf, old, patients, write } from "../harness/kubernetes-app.ts";
import { rollBack } from "../harness/rolling-back.ts";

test("a destructive migration is rolled back with its data, after the plan has told what is lost", async () => {
  const app = await badRelease();
  const plan = (await app.ok("rollback", "plan", "--to", "1.4.1", "--json")).json<RollbackPlan>();
  expect(plan).toMatchObject({ strategy: "restore-and-swap", confirm: app.namespace.name, loss: { data: true } });
  expect(plan.loss.tables).toContainEqual(expect.objectContaining({ table: "public.patients", inserted: 3, difference: 3, by: "sequence" }));
  // The migration Job has ended, so it is nothing that would run again.
  expect(plan.preflight.find(({ id }) => id === "jobs")).toMatchObject({ outcome: "ok" });
  const result = (await app.ok("rollback", "--to", "1.4.1", "--confirm", app.namespace.name, "--json")).json<RollbackResult>();
  expect(result).toMatchObject({ outcome: "done", facts: { observe: { healthPassed: 3 } } });
  expect(await app.running()).toEqual(old);
  expect(await patients(app)).toBe(app.before);
  expect((await fetch(app.healthUrl)).status).toBe(200);
});

test("a compatible migration is rolled back by images alone, and no row is lost", async () => {
  const app = await kubernetesApp();
  await app.checkpoint("1.4.2");
  await app.deploy("1.4.2");
  await write(app, "INSERT INTO patients (name, email) VALUES ('since', 'since@example.org')");
  const before = await patients(app);
  const result = (await app.ok("rollback", "--to", "1.4.1", "--confirm", app.namespace.name, "--json")).json<RollbackResult>();
  expect(result).toMatchObject({ strategy: "images-only", outcome: "done" });
  expect(await app.running()).toEqual(old);
  expect(await patients(app)).toBe(before);
});

test("a release that is a configuration alone goes back, and not by a plan from before somebody changed it again", async () => {
  const app = await kubernetesApp();
  const level = (): Promise<string> => app.namespace.kubectl("get", "deployment", "api", "--output", "jsonpath={.spec.template.spec.containers[0].env[0].value}");
  const configure = (value: string): Promise<string> => app.namespace.kubectl("set", "env", "deployment/api", `LOG_LEVEL=${value}`);
  await app.checkpoint("1.4.2");
  await configure("debug");
  const planned = await app.ok("rollback", "plan", "--to", "1.4.1", "--out", "plan.json");
  expect(planned.stdout).toMatch(/api: .* -> .*; its configuration is not the target's, and goes back too/);
  await configure("trace");
  const refused = await app.run("rollback", "--plan", "plan.json", "--confirm", app.namespace.name);
  expect([refused.code, refused.stderr]).toEqual([19, expect.stringContaining("no longer fits: what runs now is different now")]);
  expect(await level()).toBe("trace");
  const result = (await app.ok("rollback", "--to", "1.4.1", "--confirm", app.namespace.name, "--json")).json<RollbackResult>();
  expect([result.strategy, result.outcome, await level()]).toEqual(["images-only", "done", "info"]);
});

test("a release whose rollout never becomes ready is rolled back too", async () => {
  const app = await kubernetesApp();
  await app.checkpoint("1.4.2");
  await app.deploy("1.4.2", { wait: false, labels: { "holdfast-test/ready": "never" } });
  const result = (await app.ok("rollback", "--to", "1.4.1", "--confirm", app.namespace.name, "--json")).json<RollbackResult>();
  expect(result.outcome).toBe("done");
  expect(await app.running()).toEqual(old);
});

test("another apply during the rollback is seen and not overwritten", async () => {
  const app = await kubernetesApp();
  await app.checkpoint("1.4.2");
  await app.deploy("1.4.2");
  const { namespace } = app;
  const first = await rollBack(app, ["run", "1.4.1", namespace.name], "step-started undo-deployment-worker");
  expect(first.code).toBeUndefined();
  await namespace.apply(manifestsOf("1.5.0")[1]!);
  const second = await rollBack(app, ["resume"]);
  expect(second).toMatchObject({ code: 19, error: { code: "refused", message: expect.stringContaining("worker") as string } });
  expect(await namespace.kubectl("get", "deployment", "worker", "--output", "jsonpath={.spec.template.spec.containers[0].image}")).toBe(imageOf("worker", "1.5.0"));
});

test("a revision that is no longer there refuses the rollback before anything is touched", async () => {
  const app = await kubernetesApp();
  await app.checkpoint("1.4.2");
  await app.namespace.kubectl("patch", "deployment", "api", "--type", "merge", "--patch", '{"spec":{"revisionHistoryLimit":0}}');
  await app.deploy("1.4.2");
  await app.namespace.kubectl("patch", "deployment", "api", "--type", "merge", "--patch", '{"spec":{"revisionHistoryLimit":0}}');
  await expect.poll(() => app.namespace.kubectl("get", "replicasets", "--selector", "app=api", "--output", "name"), { timeout: 20_000 }).not.toContain("\n");
  const refused = await app.run("rollback", "--to", "1.4.1", "--confirm", app.namespace.name);
  expect([refused.code, refused.stderr]).toEqual([19, expect.stringMatching(/api[\s\S]*revision/)]);
});

test("a GitOps controller that would undo it refuses the rollback", async () => {
  const app = await kubernetesApp();
  await app.checkpoint("1.4.2");
  await app.deploy("1.4.2");
  await app.namespace.kubectl("annotate", "deployment", "api", "argocd.argoproj.io/tracking-id=clinic:apps/Deployment:clinic/api");
  const refused = await app.run("rollback", "--to", "1.4.1", "--confirm", app.namespace.name);
  expect([refused.code, refused.stderr]).toEqual([19, expect.stringMatching(/Argo CD/)]);
});

test("what RBAC denies half-way is told, and the rollback goes on once it is allowed", async () => {
  const app = await kubernetesApp();
  await app.checkpoint("1.4.2");
  await app.deploy("1.4.2");
  const reading = { apiGroups: ["", "apps", "batch", "policy", "autoscaling"], resources: ["*"], verbs: ["get", "list", "watch"] };
  const writing = { apiGroups: ["apps"], resources: ["deployments", "deployments/scale"], verbs: ["patch", "update"] };
  const user = await app.namespace.user("responder", [reading, writing]);
  app.env["KUBECONFIG"] = user.kubeconfig;
  const killed = await rollBack(app, ["run", "1.4.1", app.namespace.name], "step-started undo-deployment-worker");
  expect(killed.code).toBeUndefined();
  await user.allow([reading, { ...writing, resourceNames: ["api"] }]);
  const denied = await rollBack(app, ["resume"]);
  expect(denied.code).not.toBe(0);
  expect(denied.error?.message).toMatch(/deployment worker was not changed: .* may not patch deployments\.apps/);
  await user.allow([reading, writing]);
  const result = await rollBack(app, ["resume"]);
  expect(result).toMatchObject({ code: 0, result: { outcome: "done" } });
  expect(await app.running()).toEqual(old);
});
