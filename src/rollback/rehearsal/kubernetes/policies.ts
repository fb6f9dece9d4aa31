/** The network policy of a rehearsal's namespace. It is a wish, which some clusters do not grant: whether it holds is tried. */
import { z } from "zod";

import type { Kubectl } from "../../platform/kubernetes/kubectl.ts";
import { canonicalJson } from "../../platform/kubernetes/json.ts";
import type { Finding } from "../evidence.ts";
import { type KubernetesObject } from "./namespace.ts";

const policyName = "holdfast-rehearsal";

/**
 * Denies every way in and out of every pod but those between them, at these ports.
 * @param ports - of TCP; nothing asks for a name
 */
export function closedPolicy(ports: readonly number[]): KubernetesObject {
  const open = { ports: [...new Set(ports)].sort((a, b) => a - b).map((port) => ({ protocol: "TCP", port })) };
  const within = [{ podSelector: {} }];
  return {
    apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata: { name: policyName },
    spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"], ingress: [{ from: within, ...open }], egress: [{ to: within, ...open }] },
  };
}

const policies = z.looseObject({ items: z.array(z.looseObject({ metadata: z.looseObject({ name: z.string() }), spec: z.record(z.string(), z.unknown()) })) });
const pods = z.looseObject({ items: z.array(z.looseObject({ metadata: z.looseObject({ name: z.string() }) })) });

/** That the policy stands as it was made, that no other adds to it, and that only these pods are there. @throws ToolFailure */
export async function checkPolicies(kubectl: Kubectl, wanted: KubernetesObject, own: readonly string[], signal: AbortSignal): Promise<Finding> {
  const { namespace } = kubectl;
  const found = (await kubectl.read(policies, ["get", "networkpolicies"], { signal }))?.items ?? [];
  const there = (await kubectl.read(pods, ["get", "pods"], { signal }))?.items.map(({ metadata }) => metadata.name) ?? [];
  const standing = found.find(({ metadata }) => metadata.name === policyName);
  const strangers = there.filter((name) => !own.includes(name));
  const problems = [
    ...(standing !== undefined && canonicalJson(standing.spec) === canonicalJson(wanted["spec"]) ? [] : ["its policy is not as it was made"]),
    // Policies add up: another can only open.
    ...found.filter((each) => each !== standing).map(({ metadata }) => `the policy ${metadata.name} adds to it`),
    ...strangers.map((name) => `the pod ${name} is in it`),
  ];
  if (problems.length > 0) return { outcome: "unverified", detail: `the namespace ${namespace} is not closed, so nothing was started: ${problems.join("; ")}` };
  return { outcome: "pass", detail: `the policy of ${namespace} allows only its own pods among themselves, and only ${there.join(", ")} ${there.length === 1 ? "is" : "are"} in it` };
}
