/** What every replica runs, and whether Docker counts it as well. */
import { counted } from "../../../text/format.ts";
import type { PlatformState, WorkloadObservation, WorkloadState } from "../platform.ts";
import type { Site } from "./bring-up.ts";
import { type Container, containersOf } from "./engine.ts";

export async function observe({ docker, settings }: Site, target: PlatformState, signal: AbortSignal): Promise<WorkloadObservation[]> {
  const containers = await containersOf(docker, settings.project, signal);
  return target.workloads.map((workload) => observed(workload, settings.project, containers.filter(({ service }) => service === workload.name)));
}

const isReady = (one: Container): boolean => one.status === "running" && (one.health === null || one.health === "healthy");

function observed(workload: WorkloadState, project: string, own: readonly Container[]): WorkloadObservation {
  const absent = Math.max(0, workload.replicas - own.length);
  const replicas = [
    ...own.map((one) => ({ name: one.name, images: [one.image], ready: isReady(one), start: one.startedAt })),
    ...Array.from({ length: absent }, (_, at) => ({ name: `${project}-${workload.name}-${own.length + at + 1}`, images: [], ready: false })),
  ];
  const problems = [
    ...(absent > 0 ? [`${counted(absent, "replica")} of ${workload.replicas} ${absent === 1 ? "is" : "are"} not there`] : []),
    ...(own.length > workload.replicas ? [`${counted(own.length, "replica")} ${own.length === 1 ? "is" : "are"} there in place of ${workload.replicas}`] : []),
    ...own.flatMap((one) => problemsOf(one, workload)),
  ];
  return { workload: workload.name, replicas, problem: problems.length === 0 ? undefined : `${workload.name}: ${problems.join("; ")}` };
}

function problemsOf(one: Container, { images }: WorkloadState): string[] {
  const wrong = images.some(({ id }) => id === one.image) ? [] : [`${one.name} runs ${one.image} in place of ${images[0]?.id ?? "nothing"}`];
  if (one.replaces !== null) return [...wrong, `${one.name} was made and never started`];
  if (one.status !== "running") return [...wrong, `${one.name} is ${one.status}${one.status === "exited" ? ` with ${one.exitCode}` : ""}`];
  return one.health === null || one.health === "healthy" ? wrong : [...wrong, `${one.name} is ${one.health === "starting" ? "not yet healthy" : one.health}`];
}
