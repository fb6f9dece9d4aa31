import { expect, test } from "vitest";

import { HoldfastError } from "../../src/errors.ts";
import { kubernetesPlatform } from "../../src/rollback/platform/kubernetes/kubernetes-platform.ts";
import type { RollbackStep } from "../../src/rollback/step.ts";
import { imageIdOf, type Rule } from "../harness/kubernetes.ts";
import { stepBench } from "../harness/steps.ts";
import { finding, scene, signal, workload } from "./rollback-scene.ts";

const [app1, app2, app3, web1, web2] = ["shop/ehr-app:1.4.1", "shop/ehr-app:1.4.2", "shop/ehr-app:1.4.3", "shop/ehr-web:1.4.1", "shop/ehr-web:1.4.2"];
const image = "jsonpath={.spec.template.spec.containers[0].image}";

/** @returns the failure of a step */
async function failureOf(step: RollbackStep, run = stepBench()): Promise<HoldfastError> {
  const failure = await step.perform(run.of(step)).then(() => undefined, (error: unknown) => error);
  expect(failure).toBeInstanceOf(HoldfastError);
  return failure as HoldfastError;
}

/** Release 1.4.1 as the target, 1.4.2 as it runs now. */
async function twoReleases(changed: Parameters<typeof scene>[1] = {}) {
  const place = await scene(["deployment/app"], changed);
  await place.release(workload("Deployment", "app", app1));
  const target = await place.capture();
  await place.release(workload("Deployment", "app", app2));
  return { ...place, target, now: await place.capture() };
}

test("another apply between the plan and the step is refused, named, and not overwritten", async () => {
  const { apply, kubectl, platform, target, now } = await twoReleases();
  await apply(workload("Deployment", "app", app3, { container: { env: [{ name: "LOG_LEVEL", value: "private-value" }] } }));
  const before = await kubectl("get", "deployment/app", "--output", "jsonpath={.metadata.generation}");
  for (const step of [platform.stopWriters(now), platform.startTarget(target, now)[0]!]) {
    const failure = await failureOf(step);
    expect([failure.code, failure.message]).toEqual([
      "refused",
      `deployment app was changed by somebody else since it was looked at: the image of app is ${app3}, not ${app2}; spec.containers.app.env differs (generation 3, was 2)`,
    ]);
    expect(failure.hints[0]).toBe("Nothing of deployment app was overwritten.");
    expect(JSON.stringify([failure.hints, failure.details])).not.toContain("private-value");
  }
  expect(await kubectl("get", "deployment/app", "--output", "jsonpath={.metadata.generation}")).toBe(before);
  expect(await kubectl("get", "deployment/app", "--output", image)).toBe(app3);
});

test("a change that comes between reading and patching is seen by the server", async () => {
  const { kubectl, platform, target, now, apply } = await twoReleases();
  const [step] = platform.startTarget(target, now);
  const run = stepBench().of(step!);
  // What the step notes comes after it has looked and before it patches.
  const failure = await step!.perform({ ...run, begin: () => apply(workload("Deployment", "app", app3)) }).then(() => undefined, (error: unknown) => error);
  expect(failure).toMatchObject({ code: "refused", message: expect.stringContaining(`the image of app is ${app3}, not ${app2}`) as string });
  expect(await kubectl("get", "deployment/app", "--output", image)).toBe(app3);
});

test("an annotation that somebody sets meanwhile is no change of the workload, and stays", async () => {
  const { kubectl, platform, target, now } = await twoReleases();
  const [step] = platform.startTarget(target, now);
  const run = stepBench().of(step!);
  await step!.perform({ ...run, begin: async () => { await kubectl("annotate", "deployment/app", "note=seen"); } });
  expect(await kubectl("get", "deployment/app", "--output", image)).toBe(app1);
  expect(await kubectl("get", "deployment/app", "--output", "jsonpath={.metadata.annotations.note}")).toBe("seen");
});

test.each([
  ["replicas", (kubectl: (...args: string[]) => Promise<string>) => kubectl("scale", "deployment/app", "--replicas", "5"), "5 replicas are asked for, not 2"],
  ["a pause", (kubectl: (...args: string[]) => Promise<string>) => kubectl("rollout", "pause", "deployment/app"), "its rollouts were paused"],
  ["its strategy", (kubectl: (...args: string[]) => Promise<string>) => kubectl("patch", "deployment/app", "--patch", '{"spec":{"minReadySeconds":7}}'), "what is asked of it beside its template is not what it was"],
])("a change of %s by somebody else is refused too", async (_, act, said) => {
  const { kubectl, platform, target, now } = await twoReleases();
  await act(kubectl);
  expect((await failureOf(platform.startTarget(target, now)[0]!)).message).toContain(said);
  expect(await kubectl("get", "deployment/app", "--output", image)).toBe(app2);
});

test("a workload that was deleted and made again is another one", async () => {
  const { kubectl, platform, target, now, release } = await twoReleases();
  await kubectl("delete", "deployment/app");
  await release(workload("Deployment", "app", app2));
  expect((await failureOf(platform.startTarget(target, now)[0]!)).message).toContain("it was deleted and made again");
  expect(finding(await platform.preflight(target, now, signal), "revision").outcome).toBe("blocked");
});

test("a workload that was deleted and applied again goes back too, and is told that its secrets could not be compared", async () => {
  const { kubectl, platform, target, release, capture } = await twoReleases();
  const manifest = (image: string) => workload("Deployment", "app", image, { container: { env: [{ name: "API_KEY", value: "hunter2-zebra" }] } });
  await release(manifest(app1));
  const keyed = await capture();
  await kubectl("delete", "deployment/app");
  await release(manifest(app1));
  await release(manifest(app2));
  const now = await capture();
  const findings = await platform.preflight(keyed, now, signal);
  expect(finding(findings, "revision").outcome).toBe("ok");
  expect(finding(findings, "workloads")).toMatchObject({ outcome: "warn", detail: "deployment app was made anew since the checkpoint, or this is another cluster; what looks secret in its template cannot be compared" });
  const run = stepBench();
  await run.perform(...platform.startTarget(keyed, now));
  expect((await platform.observe(keyed, signal)).map(({ problem }) => problem)).toEqual([undefined]);
  expect(await kubectl("get", "deployment/app", "--output", "jsonpath={.spec.template.spec.containers[0]['image','env']}")).toBe(`${app1} [{"name":"API_KEY","value":"hunter2-zebra"}]`);
  expect(finding(await platform.preflight(target, await capture(), signal), "revision")).toMatchObject({ outcome: "blocked" });
});

test("another apply after the rollback is told by the wait and the observation, and stands", async () => {
  const { kubectl, platform, target, now, release } = await twoReleases();
  const [undo, rollout] = platform.startTarget(target, now);
  const run = stepBench();
  await run.perform(undo!);
  await release(workload("Deployment", "app", app3));
  expect(await failureOf(rollout!)).toMatchObject({ code: "refused", message: `deployment app was changed by somebody else after it was returned: the image of app is ${app3}, not ${app1}` });
  const [seen] = await platform.observe(target, signal);
  expect(seen!.problem).toContain(`its template is not the target's, somebody else applied another (the image of app is ${app3}, not ${app1})`);
  await expect(undo!.undo!(run.of(undo!))).rejects.toMatchObject({ code: "refused" });
  expect(await kubectl("get", "deployment/app", "--output", image)).toBe(app3);
});

test("a missing revision is found before anything is touched, and again by the step", async () => {
  const place = await scene(["deployment/app", "statefulset/queue"]);
  const release = (app: string, queue: string) => place.release(workload("Deployment", "app", app, { spec: { revisionHistoryLimit: 0 } }), workload("StatefulSet", "queue", queue, { replicas: 1 }));
  await release(app1, web1);
  const target = await place.capture();
  await release(app2, web2);
  await place.kubectl("wait", "--for", "delete", "replicaset", "--selector", "app=app", "--timeout", "2s").catch(() => undefined);
  const now = await place.capture();
  const found = finding(await place.platform.preflight(target, now, signal), "revision");
  expect(found).toMatchObject({ outcome: "blocked", detail: `missing revision: deployment app no longer keeps revision 1 (${app1})` });
  expect(found.hint).toMatch(/^Raise spec\.revisionHistoryLimit of deployment app, and apply the manifest/);
  expect((await failureOf(place.platform.startTarget(target, now)[0]!)).message).toBe(`the history of deployment app no longer has the template of ${app1} (revision 1)`);
  expect(await place.kubectl("get", "deployment/app", "--output", image)).toBe(app2);
});

test("a rollout that never becomes ready fails with why, and can be taken back", async () => {
  const { apply, release, capture, platform, kubectl } = await scene(["deployment/app"], { rolloutTimeoutMs: 4_000 });
  await apply(workload("Deployment", "app", "shop/ehr-app:1.4.1-broken", { replicas: 1 }));
  const target = await capture();
  await release(workload("Deployment", "app", app2, { replicas: 1 }));
  const now = await capture();
  const steps = platform.startTarget(target, now);
  const run = stepBench();
  await run.perform(steps[0]!);
  const failure = await failureOf(steps[1]!, run);
  expect(failure.code).toBe("rollback-failed");
  expect(failure.message).toMatch(/^the rollout did not become ready within 4 s: deployment app: .*1 of 1 replicas are not ready \(app-\w+-\w+: ImagePullBackOff \(app\)\)/);
  expect(failure.hints[0]).toBe("Things stand so: deployment app: the target's template, 1 replica.");
  expect(await steps[1]!.isDone(run.of(steps[1]!))).toBe(false);
  await run.undo(...steps);
  await kubectl("rollout", "status", "deployment/app", "--timeout", "60s");
  expect((await platform.observe(now, signal)).map(({ problem }) => problem)).toEqual([undefined]);
});

test("an image that is not the checkpoint's, a replica that is not ready and one that does not end are each seen", async () => {
  const { capture, release, apply, platform, kubectl } = await scene(["deployment/app"]);
  await release(workload("Deployment", "app", app1, { replicas: 1 }));
  const target = await capture();
  const other = { ...target, workloads: target.workloads.map((state) => ({ ...state, resolved: { ...state.resolved, imageIds: { app: [imageIdOf(app2)] } } })) };
  expect((await platform.observe(other, signal))[0]!.problem).toMatch(/^deployment app: app of app-\S+ runs shop\/ehr-app@sha256:\w+, not shop\/ehr-app@sha256:/);

  const unknown = { ...target, workloads: target.workloads.map((state) => ({ ...state, resolved: { ...state.resolved, imageIds: {} } })) };
  const [byName] = await platform.observe(unknown, signal);
  expect([byName!.problem, byName!.replicas[0]!.images[0]]).toEqual([undefined, `${app1} (${imageIdOf(app1)}; compared by name, the checkpoint knows no digest)`]);

  await apply(workload("Deployment", "app", app1, { replicas: 1, labels: { "holdfast-test/ready": "never" } }));
  await kubectl("wait", "--for", "jsonpath={.status.updatedReplicas}=1", "deployment/app", "--timeout", "60s");
  const never = await capture();
  expect((await platform.observe(never, signal))[0]!.problem).toMatch(/1 old replica has not ended.*1 of 1 replicas are not ready \(\S+: the readiness probe of app does not pass\)/);
  expect((await platform.observe(never, signal))[0]!.replicas.map(({ ready }) => ready)).toEqual([false, false]);

  await kubectl("delete", "deployment/app");
  expect(await platform.observe(target, signal)).toEqual([{ workload: "deployment/app", replicas: [], problem: "deployment app is not there" }]);
});

const apps = (resources: string[], verbs: string[], resourceNames?: string[]): Rule => ({ apiGroups: ["apps"], resources, verbs, ...(resourceNames && { resourceNames }) });
const reading: Rule[] = [apps(["deployments", "replicasets"], ["get", "list", "watch"]), { apiGroups: [""], resources: ["pods", "configmaps", "secrets"], verbs: ["get", "list"] }];

test("a permission that is missing half-way is named with the state things are in, and the step goes on once it is given", async () => {
  const { release, capture, settings, user, kubectl } = await scene(["deployment/app", "deployment/web"]);
  await release(workload("Deployment", "app", app1), workload("Deployment", "web", web1));
  const target = await capture();
  await release(workload("Deployment", "app", app2), workload("Deployment", "web", web2));
  const now = await capture();
  const deployer = await user("deployer", [...reading, apps(["deployments"], ["patch"], ["app"])]);
  const platform = kubernetesPlatform({ ...settings, kubeconfig: deployer.kubeconfig });

  const findings = await platform.preflight(target, now, signal);
  const permissions = finding(findings, "permissions");
  expect(["autoscaler", "disruption-budget", "jobs"].map((id) => [finding(findings, id).outcome, finding(findings, id).detail.includes("may not be listed here")])).toEqual(Array(3).fill(["warn", true]));
  expect([permissions.outcome, permissions.detail]).toEqual(["blocked", `not allowed in namespace ${settings.namespace}: patch deployments.apps/web`]);

  const [undoApp, undoWeb, rollout] = platform.startTarget(target, now);
  const run = stepBench();
  await run.perform(undoApp!);
  const failure = await failureOf(undoWeb!, run);
  const who = `system:serviceaccount:${settings.namespace}:deployer`;
  expect([failure.code, failure.message]).toEqual(["rollback-failed", `deployment web was not changed: ${who} may not patch deployments.apps in namespace ${settings.namespace}`]);
  expect(failure.hints).toEqual([
    "Things stand so: deployment app: the target's template, 2 replicas; deployment web: the template that it had before, 2 replicas.",
    `Give ${who} a role that may patch deployments.apps in namespace ${settings.namespace}.`,
  ]);
  expect(await undoWeb!.isDone(run.of(undoWeb!))).toBe(false);
  expect(await kubectl("get", "deployment/web", "--output", image)).toBe(web2);

  await deployer.allow([...reading, apps(["deployments"], ["patch"])]);
  await run.perform(undoWeb!, rollout!);
  expect((await platform.observe(target, signal)).map(({ problem }) => problem)).toEqual([undefined, undefined]);
  expect(finding(await platform.preflight(target, now, signal), "permissions").outcome).toBe("ok");

  await deployer.allow([]);
  for (const step of [platform.stopWriters(now), undoApp!, rollout!]) await expect(step.isDone(run.of(step))).rejects.toMatchObject({ code: "rollback-failed", message: expect.stringContaining(`${who} may not get deployments.apps`) as string });
  await expect(platform.capture(signal)).rejects.toMatchObject({ code: "configuration", message: expect.stringContaining(`deployment app cannot be looked at: ${who} may not get deployments.apps`) as string });
  const blind = await platform.preflight(target, now, signal);
  expect(finding(blind, "permissions").outcome).toBe("blocked");
});

test("a kubeconfig's current context and namespace have no say", async () => {
  const { release, capture, settings, kubectl, kubeconfig } = await scene(["deployment/app"]);
  await release(workload("Deployment", "app", app1, { replicas: 1 }));
  await kubectl("config", "set-context", "--current", "--namespace", "default");
  await kubectl("config", "set-context", "other", "--cluster", "nowhere", "--user", "nobody");
  await kubectl("config", "use-context", "other");
  const state = await capture();
  expect([settings.kubeconfig, state.address, state.workloads.length]).toEqual([kubeconfig, { context: "holdfast-test", namespace: settings.namespace }, 1]);
});
