/** The namespace of a rehearsal: made with the note on whose it is, found again, and gone with everything in it. */
import { z } from "zod";

import { messageOf } from "../../../errors.ts";
import { kubectlOf, type Kubectl, whyNot } from "../../platform/kubernetes/kubectl.ts";
import type { KubernetesSettings } from "../../../config/rollback-settings.ts";
import { type Labels, rehearsalLabel, rehearsalMark } from "../mark.ts";

export type KubernetesObject = Readonly<Record<string, unknown>>;

/** What was begun is waited for, whatever is cancelled: what the server was asked to make must be known before it can be removed. */
export const always = new AbortController().signal;

/** kubectl in the namespace of a rehearsal, or anywhere in the same cluster. */
export function kubectlIn({ context, kubeconfig }: Pick<KubernetesSettings, "context" | "kubeconfig">, namespace: string): Kubectl {
  return kubectlOf({ context, kubeconfig, namespace, workloads: [], rolloutTimeoutMs: 0 });
}

/** Makes objects; their content goes over stdin. @throws ToolFailure */
export async function createObjects(kubectl: Kubectl, items: readonly KubernetesObject[]): Promise<void> {
  await kubectl.run(["create", "--filename", "-", "--output", "name"], { signal: always, input: JSON.stringify({ apiVersion: "v1", kind: "List", items }) });
}

/** @param notes - as annotations, which hold what labels may not. @throws ToolFailure */
export async function createNamespace(kubectl: Kubectl, notes: Labels): Promise<void> {
  await createObjects(kubectl, [{
    apiVersion: "v1", kind: "Namespace",
    metadata: {
      name: kubectl.namespace,
      // The last one is the cluster's own guard against what reaches the node; the others tell meshes to keep out.
      labels: { [rehearsalLabel]: kubectl.namespace, "istio-injection": "disabled", "pod-security.kubernetes.io/enforce": "baseline" },
      annotations: { ...notes, "linkerd.io/inject": "disabled" },
    },
  }]);
}

const namespaces = z.looseObject({ items: z.array(z.looseObject({ metadata: z.looseObject({ name: z.string(), labels: z.record(z.string(), z.string()).default({}), annotations: z.record(z.string(), z.string()).default({}) }) })) });

export interface FoundNamespace {
  readonly name: string;
  readonly notes: Labels;
}

/** Every namespace of a rehearsal; one that only bears the label, or only the name, is somebody's own. @throws ToolFailure */
export async function findNamespaces(kubectl: Kubectl): Promise<FoundNamespace[]> {
  const found = await kubectl.read(namespaces, ["get", "namespaces", "--selector", rehearsalLabel], { signal: always });
  return (found?.items ?? []).flatMap(({ metadata: { name, labels, annotations } }) => (name.startsWith(rehearsalMark) && labels[rehearsalLabel] === name ? [{ name, notes: annotations }] : []));
}

const removalMs = 180_000;

/**
 * Removes the namespace and waits until it is gone. Never rejects.
 * @returns what is still there, looked for afterwards
 */
export async function removeNamespace(kubectl: Kubectl): Promise<string[]> {
  const { namespace } = kubectl;
  const failure = await kubectl.run(["delete", "namespace", namespace, "--ignore-not-found", "--wait", `--timeout=${removalMs / 1000}s`], { signal: always, timeoutMs: removalMs })
    .then(() => undefined, (error: unknown) => whyNot(error, namespace));
  try {
    const still = (await kubectl.run(["get", "namespace", namespace, "--ignore-not-found", "--output", "name"], { signal: always })).trim();
    return still === "" ? [] : [`namespace ${namespace}${failure === undefined ? "" : ` (${failure})`}`];
  } catch (error) {
    return [`namespace ${namespace} (perhaps: ${whyNot(error, namespace) || messageOf(error)})`];
  }
}

/** Ends the pods of a label, without the time that they are given otherwise. Never rejects. */
export async function endPods(kubectl: Kubectl, selector: string): Promise<void> {
  await kubectl.run(["delete", "pods", "--selector", selector, "--ignore-not-found", "--grace-period=1", "--wait", "--timeout=60s"], { signal: always, timeoutMs: 60_000 }).catch(() => undefined);
}
