import { expect, test } from "vitest";

import { kubernetesPlatform } from "../../src/rollback/platform/kubernetes/kubernetes-platform.ts";
import { platformStateShape, type PlatformState } from "../../src/rollback/platform/platform.ts";
import { imageIdOf } from "../harness/kubernetes.ts";
import { stepBench } from "../harness/steps.ts";
import { scene, signal, workload } from "./rollback-scene.ts";

const [app1, app2, web1, web2] = ["shop/ehr-app:1.4.1", "shop/ehr-app:1.4.2", "shop/ehr-web:1.4.1", "shop/ehr-web:1.4.2"];
const planted = "hunter2-Zebra-93";

function states(state: PlatformState): unknown[] {
  return state.workloads.map(({ name, revision, replicas, images }) => [name, revision, replicas, images.map(({ id }) => id)]);
}

test("captures the revision, the ids that really run and what the pods read, and no secret of it", async () => {
  const { capture, release } = await scene(["deployment/app", "statefulset/queue"]);
  await release(
    { apiVersion: "v1", kind: "Secret", metadata: { name: "database" }, stringData: { url: planted } },
    { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "flags" }, data: { "smtp.conf": `pass ${planted}` } },
    { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "mounted" }, data: { motd: "hello" } },
    workload("Deployment", "app", app1, {
      metadata: { annotations: { note: planted } },
      container: {
        env: [{ name: "SMTP_PASSWORD", value: planted }, { name: "LOG_LEVEL", value: "debug" }, { name: "URL", valueFrom: { secretKeyRef: { name: "database", key: "url" } } }],
        envFrom: [{ configMapRef: { name: "flags" } }, { secretRef: { name: "absent", optional: true } }],
        args: ["--listen", "3000", "--api-token", planted, `--db=postgres://ehr:${planted}@db/ehr`],
      },
      pod: { volumes: [{ name: "m", projected: { sources: [{ configMap: { name: "mounted" } }] } }] },
    }),
    workload("StatefulSet", "queue", web1, { replicas: 1, container: { readinessProbe: null } }),
  );
  const state = await capture();
  expect(platformStateShape.parse(JSON.parse(JSON.stringify(state)))).toEqual(state);
  expect(JSON.stringify(state)).not.toContain(planted);
  expect(JSON.stringify(state)).not.toContain(Buffer.from(planted).toString("base64"));
  expect(state.address).toEqual({ context: "holdfast-test", namespace: expect.stringMatching(/^ehr-/) as string });
  expect(state.workloads.map(({ kind, name, revision, replicas, healthChecked, images }) => ({ kind, name, revision, replicas, healthChecked, images }))).toEqual([
    { kind: "deployment", name: "app", revision: "1", replicas: 2, healthChecked: true, images: [{ container: "app", reference: app1, id: imageIdOf(app1), pinned: null }] },
    { kind: "statefulset", name: "queue", revision: expect.stringMatching(/^queue-/) as string, replicas: 1, healthChecked: false, images: [{ container: "queue", reference: web1, id: imageIdOf(web1), pinned: null }] },
  ]);
  expect(state.settings.map(({ kind, name }) => `${kind}/${name}`)).toEqual(["configmap/flags", "configmap/mounted", "secret/database"]);
  expect(JSON.stringify(state.workloads[0]!.resolved["template"])).toContain("debug");
});

test("the same state is captured the same, and a changed Secret, image or variable shows", async () => {
  const { capture, release, kubectl } = await scene(["deployment/app"]);
  const manifest = (level: string, image: string) => workload("Deployment", "app", image, { container: { env: [{ name: "LOG_LEVEL", value: level }, { name: "API_KEY", value: planted }], envFrom: [{ secretRef: { name: "database" } }] } });
  const secret = (url: string) => ({ apiVersion: "v1", kind: "Secret", metadata: { name: "database" }, stringData: { url } });
  await release(secret("one"), manifest("debug", app1));
  const first = await capture();
  expect(await capture()).toEqual(first);

  await release(secret("two"));
  const second = await capture();
  expect(second.settings[0]!.sha256).not.toBe(first.settings[0]!.sha256);
  expect(second.workloads).toEqual(first.workloads);

  await release(manifest("debug", app2));
  const third = await capture();
  expect(third.workloads[0]!.configSha256).toBe(first.workloads[0]!.configSha256);
  await kubectl("rollout", "restart", "deployment/app");
  await kubectl("rollout", "status", "deployment/app", "--timeout", "60s");
  expect((await capture()).workloads[0]!.configSha256).toBe(first.workloads[0]!.configSha256);
  await release(manifest("info", app2));
  expect((await capture()).workloads[0]!.configSha256).not.toBe(first.workloads[0]!.configSha256);
});

test("two Deployments go back to what the checkpoint knows, again after their revisions were renumbered, and an undo brings them forward", async () => {
  const { capture, release, platform } = await scene(["deployment/app", "deployment/web"]);
  await release(workload("Deployment", "app", app1), workload("Deployment", "web", web1, { replicas: 3 }));
  const target = await capture();
  await release(workload("Deployment", "app", app2, { replicas: 1 }), workload("Deployment", "web", web2, { replicas: 3 }));
  const now = await capture();
  expect(states(now)).toEqual([["app", "2", 1, [imageIdOf(app2)]], ["web", "2", 3, [imageIdOf(web2)]]]);

  const steps = platform.startTarget(target, now);
  expect(steps.map(({ id }) => id)).toEqual(["undo-deployment-app", "undo-deployment-web", "rollout"]);
  expect(steps[0]!.title).toBe(`return deployment app to ${app1} (revision 1), 2 replicas (1 now)`);
  const run = stepBench();
  for (const step of steps) expect(await step.isDone(run.of(step))).toBe(false);
  await run.perform(...steps);
  for (const step of steps) expect(await step.isDone(run.of(step))).toBe(true);
  expect(states(await capture())).toEqual([["app", "3", 2, [imageIdOf(app1)]], ["web", "3", 3, [imageIdOf(web1)]]]);
  const seen = await platform.observe(target, signal);
  expect(seen.map(({ problem }) => problem)).toEqual([undefined, undefined]);
  expect(seen.map(({ replicas }) => replicas.map(({ images, ready }) => [images, ready]))).toEqual([Array(2).fill([[imageIdOf(app1)], true]), Array(3).fill([[imageIdOf(web1)], true])]);
  expect((await platform.observe(now, signal)).every(({ problem }) => problem !== undefined)).toBe(true);

  await run.undo(...steps);
  const back = await capture();
  expect(back.workloads.map(({ replicas, resolved }) => [replicas, resolved["templateSha256"]])).toEqual(now.workloads.map(({ replicas, resolved }) => [replicas, resolved["templateSha256"]]));
  // What was revision 1 is none by that number any more.
  await run.perform(...platform.startTarget(target, back));
  expect(states(await capture())).toEqual([["app", "5", 2, [imageIdOf(app1)]], ["web", "5", 3, [imageIdOf(web1)]]]);
});

test("writers stop until no pod is left, start from there as the target, or come back as they were", async () => {
  const { capture, release, platform, kubectl, settings } = await scene(["deployment/app", "statefulset/queue"]);
  await release(workload("Deployment", "app", app1), workload("StatefulSet", "queue", web1, { replicas: 1 }));
  const target = await capture();
  await release(workload("Deployment", "app", app2, { replicas: 3 }), workload("StatefulSet", "queue", web2, { replicas: 2 }));
  const now = await capture();

  const stop = platform.stopWriters(now);
  const run = stepBench();
  expect([stop.id, await stop.isDone(run.of(stop))]).toEqual(["maintenance-on", false]);
  await run.perform(stop);
  expect(run.facts.get("maintenance-on")).toEqual({ "deployment/app": 3, "statefulset/queue": 2 });
  expect(await kubectl("get", "pods", "--output", "name")).toBe("");
  expect(await stop.isDone(run.of(stop))).toBe(true);

  await run.undo(stop);
  await kubectl("rollout", "status", "deployment/app", "--timeout", "60s");
  await kubectl("rollout", "status", "statefulset/queue", "--timeout", "60s");
  const same = await capture();
  expect(states(same)).toEqual(states(now));

  await run.perform(stop, ...platform.startTarget(target, now));
  expect((await platform.observe(target, signal)).map(({ problem }) => problem)).toEqual([undefined, undefined]);
  expect(states(await capture()).map((state) => (state as unknown[]).slice(2))).toEqual([[2, [imageIdOf(app1)]], [1, [imageIdOf(web1)]]]);

  // An abort takes the templates back first, and lets nothing run before the writers may.
  await run.undo(...platform.startTarget(target, now));
  expect(states(await capture()).map((state) => (state as unknown[])[2])).toEqual([0, 0]);
  await run.undo(stop);
  expect(states(await capture()).map((state) => (state as unknown[])[2])).toEqual([3, 2]);
  expect(settings.namespace).toBe(platform.confirmName);
});

test("a pod that does not end keeps the writers from counting as stopped, and is named", async () => {
  const { capture, release, platform, kubectl } = await scene(["deployment/app"], { rolloutTimeoutMs: 2_000 });
  await release(workload("Deployment", "app", app1, { replicas: 1, labels: { "holdfast-test/ends": "never" } }));
  const now = await capture();
  const stop = platform.stopWriters(now);
  const run = stepBench();
  await expect(stop.perform(run.of(stop))).rejects.toMatchObject({ code: "rollback-failed", message: expect.stringMatching(/^the writers did not stop within 2 s: pod app-/) as string });
  expect(await stop.isDone(run.of(stop))).toBe(false);
  await kubectl("label", "pods", "--all", "holdfast-test/ends-");
  await stop.perform(run.of(stop));
  expect(await stop.isDone(run.of(stop))).toBe(true);
});

test("a StatefulSet whose failed release never gets ready goes back, by its ControllerRevision", async () => {
  const { capture, release, platform, apply, kubectl } = await scene(["statefulset/queue"]);
  await release(workload("StatefulSet", "queue", web1));
  const target = await capture();
  await apply(workload("StatefulSet", "queue", "shop/ehr-web:1.4.2-broken"));
  await kubectl("wait", "--for", "jsonpath={.status.containerStatuses[0].state.waiting.reason}=ImagePullBackOff", "pod/queue-1", "--timeout", "60s");
  const now = await capture();
  expect((await platform.observe(now, signal))[0]!.problem).toContain("ImagePullBackOff (queue)");
  const run = stepBench();
  await run.perform(...platform.startTarget(target, now));
  expect((await platform.observe(target, signal))[0]).toEqual({
    workload: "statefulset/queue",
    replicas: ["queue-0", "queue-1"].map((name) => ({ name, images: [imageIdOf(web1)], ready: true })),
    problem: undefined,
  });
});

test("a Deployment goes back from a release that exceeded its progress deadline, and is waited for beyond it", async () => {
  const { capture, platform, settings, apply, kubectl } = await scene(["deployment/app"]);
  const manifest = (image: string) => workload("Deployment", "app", image, { replicas: 1, labels: { "holdfast-test/ready": "never" }, spec: { progressDeadlineSeconds: 1 } });
  const becomesReady = () => kubectl("label", "pods", "--all", "holdfast-test/ready-");
  const exceeded = () => kubectl("wait", "--for", "jsonpath={.status.conditions[?(@.type=='Progressing')].reason}=ProgressDeadlineExceeded", "deployment/app", "--timeout", "60s");
  await apply(manifest(app1));
  await exceeded();
  await becomesReady();
  // Not by its rollout's status, which goes by the exceeded deadline for a moment longer.
  await kubectl("wait", "--for", "jsonpath={.status.readyReplicas}=1", "deployment/app", "--timeout", "60s");
  const target = await capture();
  await apply(manifest(app2));
  await exceeded();
  const now = await capture();

  // The pod that was ready goes, and the one that comes in its place is not.
  await kubectl("delete", "pods", "--all");
  const [undo, rollout] = platform.startTarget(target, now);
  const impatient = kubernetesPlatform({ ...settings, rolloutTimeoutMs: 4_000 }).startTarget(target, now)[1]!;
  const run = stepBench();
  await run.perform(undo!);
  await expect(impatient.perform(run.of(impatient))).rejects.toMatchObject({ message: expect.stringMatching(/^the rollout did not become ready within 4 s: /) as string });
  await becomesReady();
  await run.perform(rollout!);
  expect((await platform.observe(target, signal)).map(({ problem }) => problem)).toEqual([undefined]);
});

test("another process makes the same steps of the plan's text, sees what was done, and does the rest once", async () => {
  const { capture, release, platform, kubectl, settings } = await scene(["deployment/app", "deployment/web"]);
  await release(workload("Deployment", "app", app1), workload("Deployment", "web", web1));
  const target = await capture();
  await release(workload("Deployment", "app", app2), workload("Deployment", "web", web2));
  const now = await capture();
  const plan = JSON.stringify({ target, now });
  const steps = () => {
    const read = JSON.parse(plan) as { target: PlatformState; now: PlatformState };
    const other = kubernetesPlatform(settings);
    return [other.stopWriters(read.now), ...other.startTarget(read.target, read.now)];
  };
  const generations = () => kubectl("get", "deployment/app", "deployment/web", "--output", "jsonpath={.items[*].metadata.generation}");
  expect(steps().map(({ id, title }) => [id, title])).toEqual([platform.stopWriters(now), ...platform.startTarget(target, now)].map(({ id, title }) => [id, title]));
  // Each step is done by a process that is killed before it can say so.
  for (const [index, step] of steps().entries()) {
    await step.perform(stepBench().of(step));
    const again = steps()[index]!;
    expect([step.id, await again.isDone(stepBench().of(again))]).toEqual([step.id, true]);
    const before = await generations();
    await again.perform(stepBench().of(again));
    expect([step.id, await generations()]).toEqual([step.id, before]);
  }
  expect(await generations()).toBe("4 4");
  expect((await platform.observe(target, signal)).map(({ problem }) => problem)).toEqual([undefined, undefined]);
});

test("a context, a kubeconfig or a workload that is not there is a matter of configuration", async () => {
  const { settings, release } = await scene(["deployment/app"]);
  await release(workload("Deployment", "web", web1));
  const refusal = (changed: Partial<typeof settings>) => kubernetesPlatform({ ...settings, ...changed }).capture(signal).catch((error: unknown) => error);
  expect(await refusal({})).toMatchObject({ code: "configuration", message: `deployment app is not in namespace ${settings.namespace}` });
  expect(await refusal({ context: "elsewhere", workloads: ["deployment/web"] })).toMatchObject({ code: "configuration", message: expect.stringContaining("elsewhere") as string });
  expect(await refusal({ kubeconfig: "/nowhere/config" })).toMatchObject({ code: "configuration", message: expect.stringContaining("/nowhere/config") as string });
  expect(() => kubernetesPlatform({ ...settings, workloads: ["pod/app"] })).toThrow("pod/app is no workload: it must read deployment/NAME or statefulset/NAME");
});
