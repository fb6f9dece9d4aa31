/** The wait until what was patched runs: by `kubectl rollout status`, and then until nothing of before is left. */
import { setTimeout as sleep } from "node:timers/promises";

import { HoldfastError } from "../../../errors.ts";
import { redact } from "../../../process/redact.ts";
import { ToolFailure } from "../../../process/run.ts";
import type { RollbackStep } from "../../step.ts";
import type { PlatformState } from "../platform.ts";
import { isNotFound, type Kubectl } from "./kubectl.ts";
import { observeWorkload } from "./observe.ts";
import { hasTemplateOf, recorded, type RecordedWorkload } from "./record.ts";
import { inStep, whereThingsStand } from "./standing.ts";
import { differences } from "./template.ts";
import { belongings, inWords, isCurrent, readWorkload, type LiveWorkload } from "./workload.ts";

const pollMs = 1_000;
/** A StatefulSet's pods may come to stand in its way while it is waited for. */
const lookAgainMs = 5_000;

export function rolloutStep(kubectl: Kubectl, target: PlatformState, now: PlatformState, timeoutMs: number): RollbackStep {
  return {
    id: "rollout",
    title: `wait until every replica is ready: ${target.workloads.map(inWords).join(", ")}`,
    isDone: ({ signal }) =>
      inStep(kubectl, "whether the rollout is over cannot be seen", target, now, signal, async () => {
        const seen = await Promise.all(target.workloads.map((state) => observeWorkload(kubectl, recorded(state), signal)));
        return seen.every(({ settled }) => settled);
      }),
    async perform({ signal }) {
      const until = performance.now() + timeoutMs;
      const waits = await Promise.allSettled(
        target.workloads.map(recorded).map((workload) => inStep(kubectl, `${inWords(workload)} cannot be waited for`, target, now, signal, () => wait(kubectl, workload, until, signal))),
      );
      const failures = waits.flatMap((result) => (result.status === "rejected" ? [result.reason as Error] : []));
      const unready = failures.filter((failure) => failure instanceof Unready);
      const other = failures.find((failure) => !(failure instanceof Unready));
      if (other !== undefined) throw other;
      if (unready.length > 0) throw await neverReady(kubectl, unready, target, now, timeoutMs, signal);
      return Object.fromEntries(target.workloads.map(({ kind, name, replicas }) => [`${kind}/${name}`, replicas]));
    },
  };
}

/** Why a workload was not ready in time; becomes part of the step's one error. */
class Unready extends Error {}

async function neverReady(kubectl: Kubectl, unready: readonly Unready[], target: PlatformState, now: PlatformState, timeoutMs: number, signal: AbortSignal): Promise<HoldfastError> {
  const standing = await whereThingsStand(kubectl, target, now, signal);
  return new HoldfastError("rollback-failed", `the rollout did not become ready within ${timeoutMs / 1000} s: ${unready.map(({ message }) => message).join("; ")}`, {
    hints: [
      `Things stand so: ${standing.join("; ")}.`,
      "Look at the pods with `kubectl describe pod` and `kubectl logs`.",
    ],
    details: { standing, unready: unready.map(({ message }) => message) },
  });
}

async function wait(kubectl: Kubectl, to: RecordedWorkload, until: number, signal: AbortSignal): Promise<void> {
  for (;;) {
    const live = await requireTarget(kubectl, to, signal);
    const stuckPods = to.kind === "statefulset" && live.object.status.observedGeneration >= live.generation;
    if (stuckPods) await deleteStuck(kubectl, live, signal);
    const left = until - performance.now();
    const finished = left > 0 && (await rolledOut(kubectl, to, to.kind === "statefulset" ? Math.min(left, lookAgainMs) : left, signal));
    const { problem, settled } = await observeWorkload(kubectl, to, signal);
    // Which images run is for the observation to say, and no reason to wait.
    if (finished && settled) return;
    if (performance.now() >= until) throw new Unready([problem ?? `${inWords(to)}: its controller does not call it rolled out`, ...failedConditions(live)].join("; "));
    await sleep(pollMs, undefined, { signal }).catch(() => undefined);
  }
}

/** @throws HoldfastError `refused` if somebody applied another template meanwhile: waiting for that would call it the target */
async function requireTarget(kubectl: Kubectl, to: RecordedWorkload, signal: AbortSignal): Promise<LiveWorkload> {
  const live = await readWorkload(kubectl, to, signal);
  if (hasTemplateOf(live, to)) return live;
  throw new HoldfastError("refused", `${inWords(to)} was changed by somebody else after it was returned: ${differences(live.template, to.record.template).join("; ")}`, {
    hints: [`Nothing of ${inWords(to)} was overwritten; make a new plan with \`holdfast rollback plan\`.`],
  });
}

/**
 * Whether `kubectl rollout status` came to its end. That a Deployment's own progress deadline was exceeded ends nothing: its
 * pods may still become ready, the condition may be left from the release that failed, and ours is the limit that counts.
 */
async function rolledOut(kubectl: Kubectl, { kind, name }: RecordedWorkload, leftMs: number, signal: AbortSignal): Promise<boolean> {
  const seconds = Math.max(1, Math.ceil(leftMs / 1000));
  try {
    await kubectl.run(["rollout", "status", `${kind}/${name}`, `--timeout=${seconds}s`], { signal, timeoutMs: seconds * 1000 });
    return true;
  } catch (error) {
    if (error instanceof ToolFailure && (error.timedOut || isNotFound(error) || /progress deadline|timed out waiting|timed out/.test(error.lastLines))) return false;
    throw error;
  }
}

/**
 * A StatefulSet does not go on to the next pod before the last is ready, and one of the failed release never will be: such
 * pods are in the way of the template that would heal them, until somebody deletes them.
 */
async function deleteStuck(kubectl: Kubectl, live: LiveWorkload, signal: AbortSignal): Promise<void> {
  const own = await belongings(kubectl, live, signal);
  for (const pod of own.pods) {
    const ready = pod.status.conditions.some(({ type, status }) => type === "Ready" && status === "True");
    if (ready || pod.metadata.deletionTimestamp !== undefined || isCurrent(pod, live, own)) continue;
    await kubectl.run(["delete", "pod", pod.metadata.name, "--ignore-not-found", "--wait=false"], { signal });
  }
}

/** What a workload itself says: that a quota was exceeded, that no pod could be made. */
function failedConditions({ object }: LiveWorkload): string[] {
  return object.status.conditions
    .filter(({ type, status }) => type === "ReplicaFailure" && status === "True")
    .map(({ reason, message }) => redact(`${reason ?? "ReplicaFailure"}: ${message ?? ""}`));
}
