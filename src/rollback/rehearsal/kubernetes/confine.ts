/**
 * How every pod of a rehearsal is made: kept back by a gate, so that it can be looked at as the cluster admitted it before any
 * of it runs, and with nothing that leads out of the namespace.
 */
import type { KubernetesObject } from "./namespace.ts";

/** The scheduler leaves alone what has one. Its owner may add none later, only take it away. */
export const gate = { name: "holdfast.rehearsal/looked-at" } as const;

/** Label of the pod beside which the others have to run: on its node it was tried what can be reached. */
export const roleLabel = "holdfast.role";

const beside = { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ labelSelector: { matchLabels: { [roleLabel]: "copy" } }, topologyKey: "kubernetes.io/hostname" }] } };

export interface PodObject extends KubernetesObject {
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> } & KubernetesObject;
  readonly spec: KubernetesObject;
}

/** @param role - `copy`: it chooses the node; the others run where it does */
export function confined({ metadata, spec, ...rest }: PodObject, role: "copy" | "trial" | "release"): PodObject {
  const keepOut = { "sidecar.istio.io/inject": "false" };
  return {
    ...rest,
    metadata: { ...metadata, labels: { ...metadata.labels, ...keepOut, [roleLabel]: role }, annotations: { ...keepOut, "linkerd.io/inject": "disabled" } },
    spec: {
      ...spec,
      schedulingGates: [gate],
      restartPolicy: "Never",
      serviceAccountName: "default",
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      // A resolver that is not there: names would be carried out.
      dnsPolicy: "None",
      dnsConfig: { nameservers: ["127.0.0.1"] },
      terminationGracePeriodSeconds: 1,
      ...(role !== "copy" && { affinity: beside }),
    },
  };
}
