import { expect, test } from "vitest";

import { requireSamePlan } from "../../../../src/app/rollback/same-plan.ts";
import type { RollbackPlan } from "../../../../src/rollback/plan/plan.ts";
import type { WorkloadState } from "../../../../src/rollback/platform/platform.ts";
import { begunOf } from "../rollback-fixture.ts";

const { plan: agreed } = begunOf("2026-11-22T02:00:00.000Z", "0".repeat(16));

/** The plan with every workload of now changed. */
const changed = (change: Partial<WorkloadState>): RollbackPlan => ({ ...agreed, now: { ...agreed.now, state: { ...agreed.now.state, workloads: agreed.now.state.workloads.map((workload) => ({ ...workload, ...change })) } } });

test.each<[string, Partial<WorkloadState>]>([
  ["another image", { images: [{ container: "app", reference: "app:1.4.3", id: "sha256:app-1.4.3", pinned: null }] }],
  ["another configuration of the same image", { configSha256: "d".repeat(64) }],
  ["a workload that was stopped", { replicas: 0 }],
])("%s is not what was agreed to", (_what, change) => {
  expect(() => { requireSamePlan(agreed, changed(change)); }).toThrow("what runs now is different now");
});

test("what an autoscaler did since does not void a plan, and neither does time", () => {
  expect(() => { requireSamePlan(agreed, { ...changed({ replicas: 7 }), madeAt: "2026-11-22T02:10:00.000Z" }); }).not.toThrow();
});
