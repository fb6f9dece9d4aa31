import { expect, test } from "vitest";

import { gitopsFinding } from "../../src/rollback/platform/kubernetes/gitops.ts";
import { kubectlOf } from "../../src/rollback/platform/kubernetes/kubectl.ts";
import { findWorkload } from "../../src/rollback/platform/kubernetes/workload.ts";
import type { Manifest } from "../harness/kubernetes.ts";
import { job } from "../harness/kubernetes.ts";
import { stepBench } from "../harness/steps.ts";
import { finding, scene, signal, workload } from "./rollback-scene.ts";

const [app1, app2] = ["shop/ehr-app:1.4.1", "shop/ehr-app:1.4.2"];

test("with nothing in the way, every finding is ok", async () => {
  const { capture, release, platform } = await scene(["deployment/app", "statefulset/queue"]);
  const settings = [{ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "flags" }, data: { a: "1" } }];
  const manifests = (image: string) => [workload("Deployment", "app", image, { container: { envFrom: [{ configMapRef: { name: "flags" } }] } }), workload("StatefulSet", "queue", image, { replicas: 1 })];
  await release(...settings, ...manifests(app1));
  const target = await capture();
  await release(...manifests(app2));
  const findings = await platform.preflight(target, await capture(), signal);
  expect(findings.map(({ id, outcome }) => [id, outcome])).toEqual(
    ["workloads", "others", "permissions", "revision", "gitops", "paused", "updates", "volumes", "autoscaler", "disruption-budget", "health-check", "jobs", "settings", "images"].map((id) => [id, "ok"]),
  );
  expect(finding(findings, "revision").detail).toMatch(/^deployment app: revision 1 \(app-\w+\); statefulset queue: revision queue-\w+ \(queue-\w+\)$/);
  expect(finding(findings, "images").detail).toBe(`${app1} is named by a tag, which may have moved: what runs afterwards is compared with the digest of the checkpoint`);
});

test("workloads that are paused, gone, held back or without a probe, and images that are pulled again, are found", async () => {
  const { capture, release, apply, platform, kubectl } = await scene(["deployment/app", "deployment/web", "statefulset/queue"]);
  await release(workload("Deployment", "app", app1, { container: { readinessProbe: null, imagePullPolicy: "Always" } }), workload("Deployment", "web", app1), workload("StatefulSet", "queue", app1, { replicas: 1, spec: { updateStrategy: { type: "OnDelete" } } }));
  const target = await capture();
  await kubectl("rollout", "pause", "deployment/app");
  await apply(workload("StatefulSet", "other", app2, { replicas: 0, spec: { updateStrategy: { rollingUpdate: { partition: 2 } } } }));
  const now = await capture();
  await kubectl("delete", "deployment/web");
  const findings = await platform.preflight(target, now, signal);
  expect(finding(findings, "paused")).toMatchObject({ outcome: "blocked", detail: "deployment app is paused: a change of the template would start nothing" });
  expect(finding(findings, "workloads")).toMatchObject({ outcome: "blocked", detail: "deployment web is not there" });
  expect(finding(findings, "updates")).toMatchObject({ outcome: "blocked", detail: "statefulset queue changes a pod only when somebody deletes it (OnDelete)" });
  expect(finding(findings, "health-check")).toMatchObject({ outcome: "warn", detail: expect.stringMatching(/^deployment app: a container without a readiness probe/) as string });
  expect(finding(findings, "images")).toMatchObject({ outcome: "warn", detail: expect.stringContaining(`${app1} will be pulled again by every pod (imagePullPolicy Always)`) as string });
});

test("a workload that nobody configured and that runs the release which is left is named, one that only has the same proxy is not", async () => {
  const { capture, release, apply, platform } = await scene(["deployment/app"]);
  const proxied = (name: string, image: string, replicas = 1) => workload("Deployment", name, image, { replicas, pod: { initContainers: [{ name: "proxy", image: "shop/proxy:2", restartPolicy: "Always" }] } });
  await release(proxied("app", app1));
  const target = await capture();
  await apply(proxied("mailer", app2), proxied("stopped", app2, 0), proxied("cache", "shop/cache:7"));
  await release(proxied("app", app2));
  const now = await capture();
  const findings = await platform.preflight(target, now, signal);
  expect(finding(findings, "others")).toMatchObject({ outcome: "warn", detail: `Deployment mailer runs ${app2}, and is not among the configured workloads: the rollback neither stops it nor brings it back` });
});

test("volumes that would be deleted as soon as the writers are stopped keep the rollback from starting", async () => {
  const { capture, apply, platform, kubectl } = await scene(["statefulset/queue"]);
  const claims = { volumeClaimTemplates: [{ metadata: { name: "data" }, spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } } }] };
  await apply(workload("StatefulSet", "queue", app1, { spec: { ...claims, persistentVolumeClaimRetentionPolicy: { whenScaled: "Delete", whenDeleted: "Retain" } } }));
  const state = await capture();
  const found = finding(await platform.preflight(state, state, signal), "volumes");
  expect(found).toMatchObject({ outcome: "blocked", detail: expect.stringMatching(/^statefulset queue deletes the volumes of pods that go when it is scaled down/) as string });
  const [, patch] = /--patch '([^']+)'/.exec(found.hint ?? "")!;
  await kubectl("patch", "statefulset/queue", "--patch", patch!);
  expect(finding(await platform.preflight(state, state, signal), "volumes").outcome).toBe("ok");
});

test("ConfigMaps and Secrets that changed, went or cannot be compared are named, and what is in them is not", async () => {
  const { capture, release, apply, platform, kubectl } = await scene(["deployment/app"]);
  const map = (name: string, value: string) => ({ apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data: { value } });
  const secret = (name: string, value: string) => ({ apiVersion: "v1", kind: "Secret", metadata: { name }, stringData: { value } });
  const from = ["flags", "same", "remade"].map((name) => ({ configMapRef: { name } }));
  await release(map("flags", "1"), map("same", "1"), map("remade", "1"), secret("database", "one"), workload("Deployment", "app", app1, { container: { envFrom: [...from, { secretRef: { name: "database" } }, { configMapRef: { name: "optional", optional: true } }] } }));
  const target = await capture();
  await apply(map("flags", "private-value"), secret("database", "private-value"));
  await kubectl("delete", "configmap/remade");
  await apply(map("remade", "1"));
  const changed = finding(await platform.preflight(target, await capture(), signal), "settings");
  expect(changed).toMatchObject({ outcome: "warn", detail: "configmap flags was changed, or made anew; configmap remade was changed, or made anew; secret database was changed, or made anew" });
  expect(JSON.stringify(changed)).not.toContain("private-value");
  await kubectl("delete", "secret/database");
  const gone = finding(await platform.preflight(target, await capture(), signal), "settings");
  expect([gone.outcome, gone.detail]).toEqual(["blocked", expect.stringMatching(/^secret database is not there; configmap flags was changed/)]);
});

test("Jobs, CronJobs, autoscalers and exhausted disruption budgets are named", async () => {
  const { capture, release, apply, platform, kubectl } = await scene(["deployment/app"]);
  await release(workload("Deployment", "app", app1, { replicas: 1 }));
  const target = await capture();
  const cron = (name: string, suspend: boolean) => ({ apiVersion: "batch/v1", kind: "CronJob", metadata: { name }, spec: { schedule: "0 3 * * *", suspend, jobTemplate: { spec: (job(name, app1)["spec"]) } } });
  await apply(job("migrate", app2, { labels: { "holdfast-test/ready": "never" } }), job("seed", app2), cron("nightly", false), cron("rested", true));
  await apply(
    { apiVersion: "policy/v1", kind: "PodDisruptionBudget", metadata: { name: "app" }, spec: { minAvailable: 1, selector: { matchLabels: { app: "app" } } } },
    { apiVersion: "policy/v1", kind: "PodDisruptionBudget", metadata: { name: "others" }, spec: { minAvailable: 1, selector: { matchLabels: { app: "other" } } } },
    { apiVersion: "autoscaling/v2", kind: "HorizontalPodAutoscaler", metadata: { name: "app" }, spec: { minReplicas: 1, maxReplicas: 4, scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "app" } } },
  );
  await kubectl("wait", "--for", "condition=Complete", "job/seed", "--timeout", "60s");
  await kubectl("wait", "--for", "jsonpath={.status.active}=1", "job/migrate", "--timeout", "60s");
  const now = await capture();
  const findings = await platform.preflight(target, now, signal);
  expect(finding(findings, "jobs")).toMatchObject({ outcome: "warn", detail: "Job migrate is not finished (1 active); CronJob nightly runs at 0 3 * * *; the rollback stops none of them" });
  expect(finding(findings, "disruption-budget")).toMatchObject({ outcome: "warn", detail: expect.stringMatching(/^app allows no disruption of deployment app now: /) as string });
  expect(finding(findings, "autoscaler")).toMatchObject({ outcome: "warn", detail: "app keeps deployment app between 1 and 4 replicas, and rests while it is at zero" });

  // What an autoscaler did is nobody's apply, and under load it is not taken back.
  await release(workload("Deployment", "app", app2, { replicas: 4 }));
  const grown = await capture();
  expect(finding(await platform.preflight(target, grown, signal), "autoscaler").detail).toMatch(/; deployment app had 1 at the checkpoint and has 4 now$/);
  await kubectl("scale", "deployment/app", "--replicas", "3");
  const [step, rollout] = platform.startTarget(target, grown);
  expect(step!.title).toMatch(/, 1 replicas \(4 now\)$/);
  const run = stepBench();
  await run.perform(step!, rollout!);
  expect([await step!.isDone(run.of(step!)), (await platform.observe(target, signal))[0]!.problem]).toEqual([true, undefined]);
  expect(await kubectl("get", "deployment/app", "--output", "jsonpath={.spec.replicas} {.spec.template.spec.containers[0].image}")).toBe(`3 ${app1}`);
  await run.undo(step!);
  expect((await capture()).workloads[0]).toMatchObject({ replicas: 3, images: [{ reference: app2 }] });
});

/** A custom resource definition as Argo CD and Flux install it, as far as it matters here. */
function definition(plural: string, kind: string, group: string): Manifest {
  const anything = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${group}` },
    spec: { group, scope: "Namespaced", names: { plural, singular: kind.toLowerCase(), kind }, versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: { type: "object", properties: { spec: anything, status: anything } } } }] },
  };
}

test("a workload that Argo CD, Flux or an operator keeps is not rolled back, unless that rests", async () => {
  const { capture, release, apply, platform, settings, kubectl, name } = await scene(["deployment/app"]);
  await release(workload("Deployment", "app", app1));
  const target = await capture();
  const cluster = kubectlOf(settings);
  const gitops = async () => gitopsFinding(cluster, [(await findWorkload(cluster, { kind: "deployment", name: "app" }, signal))!], signal);
  const mark = async (...marks: [verb: "label" | "annotate", mark: string][]) => {
    for (const [verb, text] of marks) await kubectl(verb, "--overwrite", "deployment/app", text);
  };
  expect((await gitops()).outcome).toBe("ok");

  await mark(["annotate", `argocd.argoproj.io/tracking-id=${name}_ehr:apps/Deployment:${name}/app`]);
  const argo = await gitops();
  expect(finding(await platform.preflight(target, target, signal), "gitops")).toEqual(argo);
  expect([argo.outcome, argo.detail]).toEqual(["blocked", `Argo CD (application ${name}_ehr) keeps deployment app`]);
  expect(argo.hint).toContain("Suspend it with `argocd app set ehr --sync-policy none`.");
  await apply(definition("applications", "Application", "argoproj.io"), definition("kustomizations", "Kustomization", "kustomize.toolkit.fluxcd.io"), definition("helmreleases", "HelmRelease", "helm.toolkit.fluxcd.io"));
  await kubectl("wait", "--for", "condition=Established", "crd/applications.argoproj.io", "crd/kustomizations.kustomize.toolkit.fluxcd.io", "crd/helmreleases.helm.toolkit.fluxcd.io", "--timeout", "30s");
  const application = (syncPolicy: Manifest) => ({ apiVersion: "argoproj.io/v1", kind: "Application", metadata: { name: "ehr" }, spec: { syncPolicy } });
  await apply(application({ automated: { selfHeal: true } }));
  expect((await gitops()).outcome).toBe("blocked");
  await apply(application({ automated: { selfHeal: true, enabled: false } }));
  expect(await gitops()).toMatchObject({ outcome: "ok", detail: `Argo CD (application ${name}_ehr) leaves deployment app (application ehr does not sync by itself)` });
  await mark(["annotate", "argocd.argoproj.io/tracking-id-"], ["label", "argocd.argoproj.io/instance=ehr"]);
  expect((await gitops()).outcome).toBe("blocked");
  await mark(["annotate", "holdfast/gitops-suspended=the controller is down"]);
  expect((await gitops()).outcome).toBe("ok");
  await mark(["annotate", "holdfast/gitops-suspended-"], ["label", "argocd.argoproj.io/instance-"]);

  for (const [group, kind, resource] of [["kustomize.toolkit.fluxcd.io", "Kustomization", "kustomization"], ["helm.toolkit.fluxcd.io", "HelmRelease", "helmrelease"]] as const) {
    await mark(["label", `${group}/name=ehr`], ["label", `${group}/namespace=${name}`]);
    const flux = await gitops();
    expect([flux.outcome, flux.detail]).toEqual(["blocked", `Flux (${resource} ehr) keeps deployment app`]);
    expect(flux.hint).toContain(`\`flux suspend ${resource} ehr --namespace ${name}\``);
    await apply({ apiVersion: `${group}/v1`, kind, metadata: { name: "ehr" }, spec: { suspend: true } });
    expect(await gitops()).toMatchObject({ outcome: "ok", detail: `Flux (${resource} ehr) leaves deployment app (${resource}s ehr is suspended)` });
    await apply({ apiVersion: `${group}/v1`, kind, metadata: { name: "ehr" }, spec: { suspend: false } });
    const own = kind === "Kustomization" ? "reconcile" : "driftDetection";
    expect((await gitops()).outcome).toBe("blocked");
    await mark(["annotate", `${group}/${own}=disabled`]);
    expect((await gitops()).outcome).toBe("ok");
    await mark(["annotate", `${group}/${own}-`], ["label", `${group}/name-`]);
  }

  const owner = JSON.parse(await kubectl("get", "kustomizations.kustomize.toolkit.fluxcd.io", "ehr", "--output", "json")) as { metadata: { uid: string } };
  await kubectl("patch", "deployment/app", "--patch", JSON.stringify({ metadata: { ownerReferences: [{ apiVersion: "kustomize.toolkit.fluxcd.io/v1", kind: "Kustomization", name: "ehr", uid: owner.metadata.uid, controller: true }] } }));
  expect(await gitops()).toMatchObject({ outcome: "blocked", detail: "the controller of Kustomization ehr keeps deployment app" });
});
