/**
 * The trial of the way out in a cluster: from the copy's pod, and from one beside it that has nothing else to do and reaches
 * the copy only over the network. Both are on the node on which the release will run.
 */
import { runTool } from "../../../process/run.ts";
import type { Kubectl } from "../../platform/kubernetes/kubectl.ts";
import type { Finding } from "../evidence.ts";
import { type Address, openEar, ownAddresses, seenFromElsewhere, tryToLeave } from "../trial.ts";
import type { PodObject } from "./confine.ts";
import { always } from "./namespace.ts";
import { productionAddresses, resolverAddresses } from "./neighbours.ts";

export const trialPod = "trial";

/** Has the programs of the copy's image, and nothing to do. */
export function idlePod(image: string, labels: Readonly<Record<string, string>>, placement: object): PodObject {
  return {
    apiVersion: "v1", kind: "Pod", metadata: { name: trialPod, labels },
    spec: {
      ...placement,
      containers: [{ name: trialPod, image, imagePullPolicy: "IfNotPresent", command: ["sh", "-c", "while :; do sleep 3600; done"], securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } } }],
    },
  };
}

export interface ClusterTrial {
  /** Pods of the rehearsal in which the trial is made. */
  readonly from: readonly string[];
  /** The copy by its address: the trial has to reach it. */
  readonly control: Address;
  /** The database in production, as this host knows it. */
  readonly production: readonly Address[];
  /** kubectl in the namespace of the release. */
  readonly release: Kubectl;
  /** Addresses of the node on which the pods are. */
  readonly nodes: readonly string[];
  readonly signal: AbortSignal;
}

const patienceMs = 60_000;
/** On which every node's kubelet listens. */
const kubeletPort = 10_250;

/** Tries. What could be reached is `unverified`: nothing may be started there, so nothing of the pair is known. @throws ToolFailure */
export async function checkClusterEgress(kubectl: Kubectl, { from, control, production, release, nodes, signal }: ClusterTrial): Promise<Finding> {
  const execIn = (pod: string) => async (...command: string[]): Promise<string> => (await runTool(kubectl.command, ["exec", pod, "--", ...command], { signal, env: kubectl.environment(), timeout: patienceMs })).stdout;
  const ear = await openEar();
  try {
    const here = ownAddresses();
    const api = await apiAddresses(kubectl, execIn(from[0] ?? ""));
    const forbidden = [
      ...(await seenFromElsewhere(production, here)),
      ...(await seenFromElsewhere(api, here)),
      ...(await resolverAddresses(kubectl, api[0]?.host ?? "", signal)),
      ...nodes.map((host) => ({ what: "the node", host, port: kubeletPort })),
      ...(await productionAddresses(release, signal)),
      ...here.map((address) => ({ ...address, port: ear.port })),
    ];
    const findings: Finding[] = [];
    for (const pod of from) {
      const found = await tryToLeave({ from: pod, exec: execIn(pod), control, forbidden }, ear);
      if (found.outcome !== "pass") return found;
      findings.push(found);
    }
    return { outcome: "pass", detail: findings.map(({ detail }) => detail).join("; ") };
  } finally {
    ear.close();
  }
}

/** The API as a pod is told of it, and as this host knows it. */
async function apiAddresses(kubectl: Kubectl, exec: (...command: string[]) => Promise<string>): Promise<Address[]> {
  const told = await exec("sh", "-c", 'echo "$KUBERNETES_SERVICE_HOST $KUBERNETES_SERVICE_PORT"').catch(() => "");
  const [host = "", port = ""] = told.trim().split(" ");
  const server = await kubectl.run(["config", "view", "--minify", "--output", "jsonpath={.clusters[0].cluster.server}"], { signal: always, timeoutMs: 10_000 }).catch(() => "");
  const url = URL.canParse(server.trim()) ? new URL(server.trim()) : undefined;
  return [
    ...(host === "" || port === "" ? [] : [{ what: "the API of the cluster", host, port: Number(port) }]),
    ...(url === undefined ? [] : [{ what: "the API of the cluster, as this host knows it", host: url.hostname.replace(/^\[|\]$/g, ""), port: Number(url.port === "" ? 443 : url.port) }]),
  ];
}
