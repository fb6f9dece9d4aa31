import { expect, test } from "vitest";

import { workloadObject } from "../../../../src/rollback/platform/kubernetes/objects.ts";
import { recorded, type RecordedWorkload, recordOf } from "../../../../src/rollback/platform/kubernetes/record.ts";
import { imagesFinding, pausedFinding, updatesFinding, workloadsFinding } from "../../../../src/rollback/platform/kubernetes/workload-findings.ts";
import { liveWorkload, type LiveWorkload } from "../../../../src/rollback/platform/kubernetes/workload.ts";
import type { PlatformState } from "../../../../src/rollback/platform/platform.ts";

const by = "kubectl --context prod --namespace ehr";
const content = (letter: string): string => `registry.test/ehr/app@sha256:${letter.repeat(64)}`;

function live(kind: "deployment" | "statefulset", image: string, spec: Readonly<Record<string, unknown>> = {}): LiveWorkload {
  const template = { metadata: { labels: { app: "app" } }, spec: { containers: [{ name: "app", image }] } };
  return liveWorkload({ kind, name: "app" }, workloadObject.parse({ kind: kind === "deployment" ? "Deployment" : "StatefulSet", metadata: { name: "app", uid: "uid-1", generation: 1 }, spec: { replicas: 2, selector: { matchLabels: { app: "app" } }, template, ...spec } }));
}

function captured(workload: LiveWorkload, ...ids: readonly string[]): { readonly to: RecordedWorkload; readonly state: PlatformState } {
  const { kind, name } = workload;
  const state = { kind, name, images: [], replicas: 2, revision: "1", configSha256: "0".repeat(64), healthChecked: true, resolved: { ...recordOf(workload, { app: [...ids] }) } };
  return { to: recorded(state), state: { platform: "kubernetes", address: {}, workloads: [state], settings: [] } };
}

const [stable, other] = ["ehr/app:stable", "ehr/app:1.4.2"].map((image) => live("deployment", image));

test("a tag that stands for another content now than at the checkpoint blocks the rollback: the template of then would start what runs now", () => {
  const found = imagesFinding([captured(stable!, content("a")).to], captured(stable!, content("b")).state);
  expect([found.outcome, found.detail]).toEqual(["blocked", expect.stringMatching(/^the tag has moved: ehr\/app:stable is what runs now as well, with another content/)]);
});

test.each<[string, RecordedWorkload, PlatformState]>([
  ["the release has a tag of its own", captured(stable!, content("a")).to, captured(other!, content("b")).state],
  ["a pod still runs the content of then", captured(stable!, content("a")).to, captured(stable!, content("b"), content("a")).state],
  ["nothing runs whose content could be compared", captured(stable!, content("a")).to, captured(stable!).state],
  ["the reference names the content itself", captured(live("deployment", content("a")), content("a")).to, captured(live("deployment", content("a")), content("b")).state],
])("no tag counts as moved where %s", (_where, to, now) => {
  expect(imagesFinding([to], now).outcome).not.toBe("blocked");
});

test.each([{ type: "OnDelete" }, { type: "RollingUpdate", rollingUpdate: { partition: 1 } }])("of a StatefulSet that holds pods back (%j) the template comes first: its controller would roll out the one that stands there", (updateStrategy) => {
  const { outcome, hint } = updatesFinding([live("statefulset", "ehr/app:1.5.0", { updateStrategy }), live("statefulset", "ehr/app:1.5.0", { updateStrategy: { type: "RollingUpdate", rollingUpdate: { partition: 0 } } })], by);
  expect(outcome).toBe("blocked");
  expect(hint).toMatch(/^Do not set spec\.updateStrategy to RollingUpdate first.*`kubectl --context prod --namespace ehr rollout undo statefulset\/app`, which changes no pod that is held back; then set it/);
});

test("whoever resumes a paused rollout is told what starts then", () => {
  expect(pausedFinding([live("deployment", "ehr/app:1.5.0", { paused: true })], by).hint).toContain("`kubectl --context prod --namespace ehr rollout resume deployment/app`, which rolls out ehr/app:1.5.0 where that does not run yet");
});

test("a strategy that was changed since the checkpoint is named, since only templates and replicas go back", () => {
  const then = captured(live("deployment", "ehr/app:1.4.1", { strategy: { type: "Recreate" } }), content("a"));
  const now = live("deployment", "ehr/app:1.4.2", { strategy: { type: "RollingUpdate" } });
  const found = workloadsFinding([{ to: then.to, live: now, held: [] }], [], then.state, captured(now, content("b")).state);
  expect(found).toMatchObject({ outcome: "warn", detail: expect.stringMatching(/^what is asked of deployment app beside its template is not what it was/) as string });
});

test("a workload that is being deleted cannot be gone back to, though it is still there", () => {
  const { to, state } = captured(stable!, content("a"));
  const leaving = { ...stable!, object: { ...stable!.object, metadata: { ...stable!.object.metadata, deletionTimestamp: "2026-11-22T03:00:00Z" } } };
  expect(workloadsFinding([{ to, live: leaving, held: [] }], [], state, state)).toMatchObject({ outcome: "blocked", detail: "deployment app is being deleted" });
});
