/** What a rollback needs to be allowed to do in its namespace, asked of the API server beforehand. */
import { ToolFailure } from "../../../process/run.ts";
import type { PreflightFinding } from "../../finding.ts";
import type { Kubectl } from "./kubectl.ts";
import { resourceOf, type WorkloadName } from "./workload.ts";

interface Permission {
  readonly verb: string;
  /** `deployments.apps/app` */
  readonly resource: string;
}

/** @throws ToolFailure if the server cannot be asked */
export async function permissionsFinding(kubectl: Kubectl, workloads: readonly WorkloadName[], signal: AbortSignal): Promise<PreflightFinding> {
  const needed = permissionsFor(workloads);
  const denied: Permission[] = [];
  for (const permission of needed) if (!(await may(kubectl, permission, signal))) denied.push(permission);
  const title = "what the rollback does is allowed";
  if (denied.length === 0) return { id: "permissions", title, outcome: "ok", detail: `${needed.length} permissions were asked for` };
  const missing = denied.map(({ verb, resource }) => `${verb} ${resource}`).join(", ");
  return {
    id: "permissions",
    title,
    outcome: "blocked",
    detail: `not allowed in namespace ${kubectl.namespace}: ${missing}`,
    hint: "Give the user of the configured context a Role with these verbs; `kubectl auth can-i --list` shows what it has.",
  };
}

/** The verbs of `get`, of the guarded patch and of `rollout status`; of a StatefulSet's pods also those that stand in its way. */
export function permissionsFor(workloads: readonly WorkloadName[]): Permission[] {
  const own = workloads.flatMap((workload) => ["get", "patch", "list", "watch"].map((verb) => ({ verb, resource: `${resourceOf(workload)}/${workload.name}` })));
  const deployments = workloads.some(({ kind }) => kind === "deployment");
  const statefulSets = workloads.some(({ kind }) => kind === "statefulset");
  return [
    ...own,
    { verb: "list", resource: "pods" },
    ...(deployments ? [{ verb: "list", resource: "replicasets.apps" }] : []),
    ...(statefulSets ? [{ verb: "list", resource: "controllerrevisions.apps" }, { verb: "delete", resource: "pods" }] : []),
  ];
}

async function may(kubectl: Kubectl, { verb, resource }: Permission, signal: AbortSignal): Promise<boolean> {
  try {
    await kubectl.run(["auth", "can-i", verb, resource, "--quiet"], { signal });
    return true;
  } catch (error) {
    // A plain no is an exit status and nothing else; what is told on stderr is a failure to ask.
    if (error instanceof ToolFailure && error.exitCode === 1 && error.lastLines === "") return false;
    throw error;
  }
}
