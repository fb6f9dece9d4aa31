import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

import { belongingObjects, workloadObject, type PodTemplate } from "../../../../src/rollback/platform/kubernetes/objects.ts";
import { configurationSha256, differences, imagesInWords, isHealthChecked, lastingSha256, plainTemplate, resolvedTemplate, templateSha256 } from "../../../../src/rollback/platform/kubernetes/template.ts";
import { liveWorkload, type LiveWorkload } from "../../../../src/rollback/platform/kubernetes/workload.ts";

/** What kubectl answered of a Deployment and a StatefulSet that were updated once, on Kubernetes 1.33. */
const recorded = JSON.parse(readFileSync(join(import.meta.dirname, "../../../fixtures/kubernetes/recorded.json"), "utf8")) as Record<string, unknown>;

function live(kind: "deployment" | "statefulset", name: string, object: unknown): LiveWorkload {
  return liveWorkload({ kind, name }, workloadObject.parse(object));
}

const app = live("deployment", "app", recorded["deployment"]);
const template = (container: Record<string, unknown> = {}, metadata: Record<string, unknown> = {}): PodTemplate => ({ metadata: { labels: { app: "app" }, ...metadata }, spec: { containers: [{ name: "app", image: "ehr-app:1.4.1", ...container }] } });
const resolved = (...args: Parameters<typeof template>) => resolvedTemplate(template(...args), "uid-1");

describe("a recorded answer of the cluster", () => {
  test.each([
    ["Deployment", app, recorded["ofDeployment"], ["ehr-app:1.4.2", "ehr-app:1.4.1"]],
    ["StatefulSet", live("statefulset", "worker", recorded["statefulSet"]), recorded["ofStatefulSet"], ["ehr-worker:1.4.2", "ehr-worker:1.4.1"]],
  ])("lets a %s's template be known again among those that its history holds, and no other", (_, workload, belonging, images) => {
    const { items } = belongingObjects.parse(belonging);
    const held = items.flatMap((item) => (item.kind === "Pod" ? [] : [item.kind === "ReplicaSet" ? item.spec.template : item.data.spec.template]));
    const hashes = held.map((raw) => templateSha256(resolvedTemplate(raw, workload.object.metadata.uid)));
    expect(held.map((raw) => imagesInWords(raw)).toSorted().toReversed()).toEqual(images);
    expect(hashes.map((hash) => hash === workload.templateSha256)).toEqual(held.map((raw) => imagesInWords(raw) === images[0]));
  });

  test("keeps the password of a variable out of what is kept, and in what goes back to the cluster", () => {
    expect(JSON.stringify(app.template)).not.toContain("hunter2");
    expect(JSON.stringify(plainTemplate(app.object.spec.template))).toContain("hunter2");
  });
});

test("what holders add to a template does not count, and what a person adds does", () => {
  const patched = { ...template({ resources: null }, { creationTimestamp: null, labels: { app: "app", "pod-template-hash": "abc" } }), $patch: "replace" };
  expect(templateSha256(resolvedTemplate(patched, "uid-1"))).toBe(templateSha256(resolved()));
  expect(templateSha256(resolved({}, { labels: { app: "app", tier: "web" } }))).not.toBe(templateSha256(resolved()));
  expect(templateSha256(resolved({ image: "ehr-app:1.4.2" }))).not.toBe(templateSha256(resolved()));
  expect(templateSha256(resolved({ args: ["a", "b"] }))).not.toBe(templateSha256(resolved({ args: ["b", "a"] })));
});

test("a restart changes the template and neither what lasts of it nor its configuration; an image changes no configuration", () => {
  const restarted = resolved({}, { annotations: { "kubectl.kubernetes.io/restartedAt": "2026-11-22T03:00:00Z" } });
  expect(templateSha256(restarted)).not.toBe(templateSha256(resolved()));
  expect([lastingSha256(restarted), configurationSha256(restarted)]).toEqual([lastingSha256(resolved()), configurationSha256(resolved())]);
  expect(configurationSha256(resolved({ image: "ehr-app:1.4.2" }))).toBe(configurationSha256(resolved()));
  expect(configurationSha256(resolved({ env: [{ name: "A", value: "1" }] }))).not.toBe(configurationSha256(resolved()));
});

test("a changed password shows, though only its keyed hash is kept; the same one of another workload has another hash", () => {
  const password = (value: string, uid: string) => resolvedTemplate(template({ env: [{ name: "SMTP_PASSWORD", value }] }), uid);
  expect(templateSha256(password("a", "uid-1"))).not.toBe(templateSha256(password("b", "uid-1")));
  expect(templateSha256(password("a", "uid-1"))).toBe(templateSha256(password("a", "uid-1")));
  expect(templateSha256(password("a", "uid-1"))).not.toBe(templateSha256(password("a", "uid-2")));
});

test("differences name images and places, never a value", () => {
  const known = resolved({ env: [{ name: "A", value: "1" }, { name: "B", value: "2" }] });
  const other = resolved({ image: "ehr-app:1.4.2", env: [{ name: "Z", value: "private-value" }, { name: "A", value: "1" }, { name: "B", value: "3" }], args: ["x"] });
  expect(differences(other, known)).toEqual(["the image of app is ehr-app:1.4.2, not ehr-app:1.4.1", "spec.containers.app.env.Z differs", "spec.containers.app.env.B.value differs", "spec.containers.app.args differs"]);
  expect(differences(known, known)).toEqual([]);
  const many = resolved({ env: Array.from({ length: 9 }, (_, index) => ({ name: `V${index}`, value: "1" })) });
  expect(differences(many, resolved({ env: [{ name: "V0", value: "1" }] })).at(-1)).toBe("2 more differ");
});

test("a workload counts as health-checked only if every container that stays has a readiness probe", () => {
  const probe = { readinessProbe: { httpGet: { path: "/" } } };
  const two = (second: Record<string, unknown>): PodTemplate => ({ spec: { containers: [{ name: "app", image: "a:1", ...probe }, { name: "proxy", image: "b:1", ...second }], initContainers: [{ name: "init", image: "c:1" }] } });
  expect([isHealthChecked(two(probe)), isHealthChecked(two({}))]).toEqual([true, false]);
});
