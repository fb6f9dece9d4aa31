/** What the plan's screen says before the name is typed. */
import { expect, test } from "vitest";

import { renderPlan } from "../../../src/cli/rollback-view.ts";
import type { PlatformState, WorkloadState } from "../../../src/rollback/platform/platform.ts";
import { begunOf } from "../rollback/rollback-fixture.ts";

const workload = (name: string, replicas: number, kind: WorkloadState["kind"] = "service"): WorkloadState => ({ kind, name, replicas, revision: null, configSha256: "0".repeat(64), healthChecked: true, images: [{ container: name, reference: name, id: `sha256:${"a".repeat(64)}`, pinned: null }], resolved: {} });
const state = (...workloads: WorkloadState[]): PlatformState => ({ platform: "compose", address: { project: "ehr" }, workloads, settings: [] });

test("a service that was scaled since is said to go back to the replicas of then", () => {
  const { plan } = begunOf("2026-11-21T02:00:00.000Z", "signer");
  const shown = renderPlan({ ...plan, now: { ...plan.now, state: state(workload("app", 1), workload("worker", 5), workload("api", 4, "deployment")) }, target: { ...plan.target, state: state(workload("app", 1), workload("worker", 3), workload("api", 2, "deployment"), workload("mailer", 1)) } });
  expect(shown).toContain("worker: worker (aaaaaaaaaaaa) -> worker (aaaaaaaaaaaa); REPLICAS 5 -> 3");
  expect(shown).toContain("mailer: nothing -> mailer (aaaaaaaaaaaa)");
  expect(shown.match(/REPLICAS/g)).toHaveLength(1);
});
