/** What a rollback needs to be allowed to do in its namespace, asked of the API server beforehand. */
import type { PreflightFinding } from "../../finding.ts";
import type { Kubectl } from "./kubectl.ts";
import { resourceOf, type WorkloadName } from "./workload.ts";

export interface Permission {
  readonly verb: string;
  /** `deployments.apps/app` */
  readonly resource: string;
  /** A subresource: `exec`. */
  readonly part?: string;
}

/** @throws ToolFailure if the server cannot be asked */
export async function permissionsFinding(kubectl: Kubectl, workloads: readonly WorkloadName[], signal: AbortSignal): Promise<PreflightFinding> {
  const needed = permissionsFor(workloads);
  const denied = await deniedOf(kubectl, needed, signal);
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

/**
 * Asks as `kubectl auth can-i` does, and for all at once, in kubectl's namespace; of what belongs to none, the server knows that itself.
 * @returns those that are refused
 */
export async function deniedOf(kubectl: Kubectl, needed: readonly Permission[], signal: AbortSignal): Promise<Permission[]> {
  const items = needed.map(({ verb, resource, part }) => {
    const [of = "", name] = resource.split("/");
    const [plural = "", ...group] = of.split(".");
    const resourceAttributes = { namespace: kubectl.namespace, verb, group: group.join("."), resource: plural, ...(part !== undefined && { subresource: part }), ...(name !== undefined && { name }) };
    return { apiVersion: "authorization.k8s.io/v1", kind: "SelfSubjectAccessReview", spec: { resourceAttributes } };
  });
  const input = JSON.stringify({ apiVersion: "v1", kind: "List", items });
  const answers = (await kubectl.run(["create", "--validate=false", "--filename", "-", "--output", 'jsonpath={.status.allowed}{"\\n"}'], { signal, input })).trim().split("\n");
  // What is not clearly allowed is not.
  return needed.filter((_, index) => answers[index] !== "true");
}
