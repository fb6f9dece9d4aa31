/** The older images, run by pods of their own beside a copy of their data. */
import type { Kubectl } from "../../platform/kubernetes/kubectl.ts";
import type { Finding } from "../evidence.ts";
import { type ServiceState, whyEnded } from "../services.ts";
import { changedSince, listOf } from "./admitted.ts";
import { checkImages } from "./images.ts";
import { type AskedPod, awaitStarted, isReady, letGo, readPod, type RunningPod, type Standing } from "./pods.ts";
import type { ReleasePod } from "./release-pods.ts";

export interface Boot {
  readonly release: readonly ReleasePod[];
  readonly made: readonly AskedPod[];
  /** On which everything was tried. */
  readonly node: string;
  /** What the application has in production and misses here. */
  readonly without: readonly string[];
  readonly signal: AbortSignal;
}

/** Lets the pods go, and sees whether they run what was recorded. @throws ToolFailure; HoldfastError `drill-unverified` if one was changed; the cancellation */
export async function startPods(kubectl: Kubectl, { release, made, node, without, signal }: Boot): Promise<Finding> {
  for (const pod of made) await letGo(kubectl, pod, signal);
  const standings = await awaitStarted(kubectl, made.map(({ name }) => name), signal);
  const changed = standings.flatMap(({ pod }, index) => [
    ...changedSince(pod, made[index]?.asked ?? { metadata: { name: "" }, spec: {} }).map((what) => `${pod.metadata.name} ${what}`),
    ...(pod.spec["nodeName"] === undefined || pod.spec["nodeName"] === node ? [] : [`${pod.metadata.name} is on another node than ${node}, on which it was tried what can be reached`]),
  ]);
  if (changed.length > 0) return { outcome: "unverified", detail: `not apart any more: ${changed.join("; ")}` };
  const stuck = standings.filter(({ state }) => state === "stuck" || state === "starting");
  if (stuck.length > 0) return { outcome: isGone(stuck) && !without.some((what) => what.endsWith("imagePullSecrets")) ? "fail" : "unverified", detail: stuck.map(({ pod, state, why }) => `${pod.metadata.name} ${state === "stuck" ? "cannot start" : "did not start in time"}: ${why}`).join("; ") };
  const early = standings.flatMap(({ pod }) => endedIn(pod, "initContainerStatuses").filter(({ exitCode }) => exitCode !== 0));
  if (early.length > 0) return whyEnded(early, without);
  return checkImages(standings.flatMap(({ pod }) => release.filter((each) => each.pod.metadata.name === pod.metadata.name).map(({ workload }) => ({ workload, pod }))));
}

/** The registry was asked, and says that there is no such image: then no rollback could start it either. */
function isGone(stuck: readonly Standing[]): boolean {
  return stuck.every(({ why }) => /manifest unknown|: not found|ErrImageNeverPull/i.test(why));
}

/** One for each pod that runs, and one for each container that has ended. @throws ToolFailure */
export async function podServices(kubectl: Kubectl, names: readonly string[], signal: AbortSignal): Promise<ServiceState[]> {
  const pods = await Promise.all(names.map((name) => readPod(kubectl, name, signal)));
  return pods.flatMap((pod): ServiceState[] => {
    const ended = [...endedIn(pod, "initContainerStatuses").filter(({ exitCode }) => exitCode !== 0), ...endedIn(pod, "containerStatuses")];
    if (ended.length > 0) return ended.map(({ service, exitCode }) => ({ service, status: "exited", exitCode, health: undefined }));
    const { phase } = pod.status;
    // Evicted, or its node is gone: no container says so.
    if (phase === "Failed" || phase === "Succeeded") return [{ service: pod.metadata.name, status: "exited", exitCode: phase === "Failed" ? 1 : 0, health: undefined }];
    const probed = listOf(pod.spec["containers"]).some(({ readinessProbe }) => readinessProbe !== undefined);
    return [{ service: pod.metadata.name, status: phase === "Running" ? "running" : "created", exitCode: 0, health: probed ? (isReady(pod) ? "healthy" : "starting") : undefined }];
  });
}

function endedIn({ metadata, status }: RunningPod, which: "containerStatuses" | "initContainerStatuses"): { readonly service: string; readonly exitCode: number }[] {
  return status[which].flatMap(({ name, state: { terminated } }) => (terminated === undefined ? [] : [{ service: `${name} of ${metadata.name}`, exitCode: terminated.exitCode ?? 1 }]));
}
