/** What every replica runs now, and whether the platform counts it as ready. */
import type { PlatformState, WorkloadObservation } from "../platform.ts";
import { redact } from "../../../process/redact.ts";
import { autoscalerOf } from "./autoscaler.ts";
import { idsIn, sameContent } from "./image-id.ts";
import type { Kubectl } from "./kubectl.ts";
import type { Pod } from "./objects.ts";
import { hasTemplateOf, recorded, type RecordedWorkload } from "./record.ts";
import { containersOf, differences } from "./template.ts";
import { belongings, findWorkload, inWords, isCurrent, type LiveWorkload } from "./workload.ts";

/** @throws ToolFailure */
export async function observe(kubectl: Kubectl, target: PlatformState, signal: AbortSignal): Promise<WorkloadObservation[]> {
  const seen = await Promise.all(target.workloads.map((state) => observeWorkload(kubectl, recorded(state), signal)));
  return seen.map(({ workload, replicas, problem }) => ({ workload, replicas, problem }));
}

/** `settled`: it has the target's template, and as many ready replicas as are asked for and no others, whatever image they run. */
type Seen = WorkloadObservation & { readonly settled: boolean };

/** @throws ToolFailure */
export async function observeWorkload(kubectl: Kubectl, to: RecordedWorkload, signal: AbortSignal): Promise<Seen> {
  const workload = `${to.kind}/${to.name}`;
  const live = await findWorkload(kubectl, to, signal);
  if (live === undefined) return { workload, replicas: [], problem: `${inWords(to)} is not there`, settled: false };
  const own = await belongings(kubectl, live, signal);
  const { pods } = own;
  const current = new Set(pods.filter((pod) => isCurrent(pod, live, own) && pod.metadata.deletionTimestamp === undefined));
  const unsettled = [...templateProblem(live, to), ...(await replicasProblem(kubectl, live, to, signal)), ...podProblems(live, pods, current)];
  const problems = [...unsettled, ...imageProblems(to, [...current])];
  return {
    workload,
    replicas: pods.map((pod) => ({ name: pod.metadata.name, images: imagesOf(pod, to), ready: isReady(pod) && current.has(pod) })),
    problem: problems.length === 0 ? undefined : `${inWords(to)}: ${problems.join("; ")}`,
    settled: unsettled.length === 0,
  };
}

function templateProblem(live: LiveWorkload, to: RecordedWorkload): string[] {
  if (hasTemplateOf(live, to)) return [];
  return [`its template is not the target's, somebody else applied another (${differences(live.template, to.record.template).join("; ")})`];
}

async function replicasProblem(kubectl: Kubectl, live: LiveWorkload, to: RecordedWorkload, signal: AbortSignal): Promise<string[]> {
  if (live.replicas === to.state.replicas) return [];
  const scaled = live.replicas > 0 && (await autoscalerOf(kubectl, live, signal)) !== undefined;
  return scaled ? [] : [`${live.replicas} replicas are asked for, the target has ${to.state.replicas}`];
}

function podProblems(live: LiveWorkload, pods: readonly Pod[], current: ReadonlySet<Pod>): string[] {
  const old = pods.filter((pod) => !current.has(pod)).map(({ metadata }) => metadata.name);
  const unready = [...current].filter((pod) => !isReady(pod));
  return [
    ...(live.object.status.observedGeneration < live.generation ? ["its controller has not seen the last change yet"] : []),
    ...(current.size === live.replicas ? [] : [`${current.size} of ${live.replicas} replicas are there`]),
    ...(old.length === 0 ? [] : [`${old.length} old ${old.length === 1 ? "replica has" : "replicas have"} not ended (${old.join(", ")})`]),
    ...(unready.length === 0 ? [] : [`${unready.length} of ${current.size} replicas are not ready (${unready.map((pod) => `${pod.metadata.name}: ${whyUnready(pod)}`).join(", ")})`]),
  ];
}

function imageProblems(to: RecordedWorkload, pods: readonly Pod[]): string[] {
  return pods.flatMap((pod) =>
    [...idsIn(pod)].flatMap(([container, { id }]) => {
      const wanted = to.record.imageIds[container] ?? [];
      // Without an id to compare with, that the template is the target's is all that can be known.
      return wanted.length === 0 || wanted.some((known) => sameContent(id, known) ?? id === known) ? [] : [`${container} of ${pod.metadata.name} runs ${id}, not ${wanted.join(" or ")}`];
    }),
  );
}

/** The ids that a pod runs; where the target has none to compare with, the text says that only the name is known to be right. */
function imagesOf(pod: Pod, to: RecordedWorkload): string[] {
  const ids = idsIn(pod);
  return containersOf(to.record.template).flatMap(({ name }) => {
    const found = ids.get(name);
    if (found === undefined) return [];
    return [(to.record.imageIds[name] ?? []).length === 0 ? `${found.reference} (${found.id}; compared by name, the checkpoint knows no digest)` : found.id];
  });
}

function isReady({ metadata, status }: Pod): boolean {
  return metadata.deletionTimestamp === undefined && status.conditions.some(({ type, status: is }) => type === "Ready" && is === "True");
}

/** `ImagePullBackOff (app)`, `0/2 nodes are available`, `its readiness probe fails` */
export function whyUnready({ status }: Pod): string {
  const states = [...status.initContainerStatuses, ...status.containerStatuses];
  const waiting = states.flatMap(({ name, state, restartCount }) => {
    const reason = state.waiting?.reason ?? (state.terminated?.exitCode === 0 ? undefined : state.terminated?.reason);
    return reason === undefined || reason === "PodInitializing" ? [] : [`${reason} (${name}${restartCount > 0 ? `, ${restartCount} restarts` : ""})`];
  });
  if (waiting.length > 0) return waiting.join(" ");
  const unscheduled = status.conditions.find(({ type, status: is }) => type === "PodScheduled" && is === "False");
  if (unscheduled !== undefined) return redact(unscheduled.message ?? "it is not scheduled");
  const running = status.containerStatuses.filter(({ ready }) => !ready).map(({ name }) => name);
  return running.length === 0 ? "it is starting" : `the readiness probe of ${running.join(" and ")} does not pass`;
}
