/** Maintenance: every workload at zero replicas, and no pod of it left that could write. */
import { setTimeout as sleep } from "node:timers/promises";

import { HoldfastError } from "../../../errors.ts";
import type { RollbackStep, StepFacts } from "../../step.ts";
import type { PlatformState } from "../platform.ts";
import { change } from "./guard.ts";
import type { Kubectl } from "./kubectl.ts";
import { recorded, type RecordedWorkload } from "./record.ts";
import { inStep, notChanged } from "./standing.ts";
import { belongings, inWords, readWorkload } from "./workload.ts";

export const maintenanceStep = "maintenance-on";
const pollMs = 500;

export function stopWriters(kubectl: Kubectl, now: PlatformState, timeoutMs: number): RollbackStep {
  const scale = async (to: (workload: RecordedWorkload) => number, signal: AbortSignal): Promise<StepFacts> => {
    const facts: Record<string, number> = {};
    for (const workload of now.workloads.map(recorded)) {
      const { before } = await inStep(kubectl, notChanged(workload), undefined, now, signal, () =>
        change(kubectl, { now: workload, target: undefined, replicas: [0] }, () => Promise.resolve({ replicas: to(workload) }), signal),
      );
      facts[`${workload.kind}/${workload.name}`] = before.replicas;
    }
    return facts;
  };
  return {
    id: maintenanceStep,
    title: `stop the writers: ${now.workloads.map(inWords).join(", ")}`,
    isDone: async ({ signal }) => (await look(kubectl, now, signal)).length === 0,
    async perform({ signal }) {
      const facts = await scale(() => 0, signal);
      await untilGone(kubectl, now, timeoutMs, signal);
      return facts;
    },
    undo: ({ signal }) => scale(({ state }) => state.replicas, signal),
  };
}

async function untilGone(kubectl: Kubectl, now: PlatformState, timeoutMs: number, signal: AbortSignal): Promise<void> {
  const until = performance.now() + timeoutMs;
  for (;;) {
    const left = await look(kubectl, now, signal);
    if (left.length === 0) return;
    if (performance.now() > until) {
      throw new HoldfastError("rollback-failed", `the writers did not stop within ${timeoutMs / 1000} s: ${left.join(", ")}`, {
        hints: ["See why with `kubectl describe pod`; a pod whose node is gone stays until it is deleted with --force."],
        details: { left },
      });
    }
    await sleep(pollMs, undefined, { signal }).catch(() => undefined);
  }
}

function look(kubectl: Kubectl, now: PlatformState, signal: AbortSignal): Promise<string[]> {
  return inStep(kubectl, "whether the writers stopped cannot be seen", undefined, now, signal, () => remaining(kubectl, now, signal));
}

/** @returns what still runs or may start again, by name */
async function remaining(kubectl: Kubectl, now: PlatformState, signal: AbortSignal): Promise<string[]> {
  const left = await Promise.all(
    now.workloads.map(recorded).map(async (workload) => {
      const live = await readWorkload(kubectl, workload, signal);
      const { pods } = await belongings(kubectl, live, signal);
      const wanted = live.replicas > 0 ? [`${inWords(live)} (${live.replicas} replicas are asked for)`] : [];
      return [...wanted, ...pods.map(({ metadata }) => `pod ${metadata.name}`)];
    }),
  );
  return left.flat();
}
