/** What a rehearsal needs to be allowed to do in a cluster, asked of the API server before it makes anything. */
import { deniedOf, type Permission } from "../../platform/kubernetes/permissions.ts";
import type { Kubectl } from "../../platform/kubernetes/kubectl.ts";
import type { Finding } from "../evidence.ts";

const of = (resource: string, ...verbs: readonly string[]): Permission[] => verbs.map((verb) => ({ verb, resource }));

/** In the cluster. */
export const forNamespaces = of("namespaces", "create", "get", "list", "watch", "delete");
/** In the namespace of the release, to see what must not be reached, and which settings are as they were. */
export const forRelease = [...of("pods", "list"), ...of("services", "list"), ...of("configmaps", "get")];
/** In the namespace of the rehearsal. */
export const forPlace: readonly Permission[] = [
  ...of("pods", "create", "get", "list", "watch", "patch", "delete"),
  { verb: "create", resource: "pods", part: "exec" }, { verb: "create", resource: "pods", part: "portforward" },
  ...of("secrets", "create"), ...of("configmaps", "create"), ...of("networkpolicies.networking.k8s.io", "create", "list"),
];

/** @throws ToolFailure if the server cannot be asked */
export async function checkAccess(kubectl: Kubectl, needed: readonly Permission[], where: string, signal: AbortSignal): Promise<Finding> {
  const denied = await deniedOf(kubectl, needed, signal);
  if (denied.length === 0) return { outcome: "pass", detail: `${needed.length} permissions were asked for ${where}` };
  const missing = denied.map(({ verb, resource, part }) => `${verb} ${resource}${part === undefined ? "" : `/${part}`}`).join(", ");
  return { outcome: "unverified", detail: `not allowed ${where}: ${missing}; give the user of the configured context a role with these verbs (docs/rollback.md has it whole)` };
}
