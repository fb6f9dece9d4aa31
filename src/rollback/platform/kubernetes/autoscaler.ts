/** Autoscalers: who else may change the replicas of a workload. */
import { ToolFailure } from "../../../process/run.ts";
import type { Kubectl } from "./kubectl.ts";
import { autoscalers } from "./objects.ts";
import type { WorkloadName } from "./workload.ts";

export interface Autoscaler {
  readonly name: string;
  readonly minimum: number;
  readonly maximum: number;
  /** KEDA starts a workload that stands at zero. */
  readonly wakes: boolean;
}

/** @throws ToolFailure */
export async function listAutoscalers(kubectl: Kubectl, signal: AbortSignal): Promise<(Autoscaler & { readonly of: WorkloadName })[]> {
  const found = await kubectl.read(autoscalers, ["get", "horizontalpodautoscalers.autoscaling"], { signal });
  return (found?.items ?? []).flatMap(({ metadata, spec }) => {
    const kind = spec.scaleTargetRef.kind.toLowerCase();
    if (kind !== "deployment" && kind !== "statefulset") return [];
    const wakes = metadata.ownerReferences.some((owner) => owner.kind === "ScaledObject");
    return [{ name: metadata.name, minimum: spec.minReplicas, maximum: spec.maxReplicas, wakes, of: { kind, name: spec.scaleTargetRef.name } }];
  });
}

/** @returns undefined if there is none, or they cannot be listed: then nothing explains other replicas */
export async function autoscalerOf(kubectl: Kubectl, { kind, name }: WorkloadName, signal: AbortSignal): Promise<Autoscaler | undefined> {
  try {
    return (await listAutoscalers(kubectl, signal)).find(({ of }) => of.kind === kind && of.name === name);
  } catch (error) {
    if (error instanceof ToolFailure) return undefined;
    throw error;
  }
}
