/**
 * Whether a pod is apart, as the cluster admitted it: whoever may change a pod on its way in (a mesh, a vault, a policy) may
 * have given it a container, a folder of the node or a token. It is looked at while its gate still keeps it back.
 */
import { canonicalJson } from "../../platform/kubernetes/json.ts";
import { gate, type PodObject } from "./confine.ts";
import type { KubernetesObject } from "./namespace.ts";

/** Whatever else a pod's volume may be, it leads somewhere. */
const harmlessVolumes = new Set(["emptyDir", "configMap", "secret", "projected", "downwardAPI"]);

/**
 * What is wrong with a pod.
 * @param asked - as it was sent to the server
 * @returns clauses: `mounts the hostPath of log`, `has the container proxy, which nobody asked for`
 */
export function wrongWith(admitted: PodObject, asked: PodObject): string[] {
  const { spec } = admitted;
  return [...new Set([...gateProblems(admitted), ...reaches(spec), ...changes(asked.spec, spec)])];
}

/** The same of a pod that was let go: whoever may change it may still have done so. */
export function changedSince({ spec }: PodObject, asked: PodObject): string[] {
  const own = new Set(["schedulingGates", "nodeName"]);
  const without = (value: KubernetesObject): KubernetesObject => Object.fromEntries(Object.entries(value).filter(([field]) => !own.has(field)));
  return [...new Set([...reaches(spec), ...changes(without(asked.spec), without(spec))])];
}

function gateProblems({ spec }: PodObject): string[] {
  const gates = listOf(spec["schedulingGates"]);
  const others = gates.filter((each) => each["name"] !== gate.name);
  return [
    ...(gates.length === others.length ? ["is not kept back by its gate: the cluster knows none (Kubernetes 1.27 does), or somebody took it away"] : []),
    ...others.map(({ name }) => `is kept back by the gate ${String(name)} of somebody else`),
    ...(spec["nodeName"] === undefined ? [] : ["is on a node already"]),
  ];
}

/** What reaches out of a pod, whoever asked for it. */
export function reaches(spec: KubernetesObject): string[] {
  const containers = ["initContainers", "containers", "ephemeralContainers"].flatMap((list) => listOf(spec[list]));
  return [
    ...["hostNetwork", "hostPID", "hostIPC"].filter((field) => spec[field] === true).map((field) => `has ${field}`),
    ...(spec["automountServiceAccountToken"] === false ? [] : ["may get a token of the API"]),
    ...(spec["dnsPolicy"] === "None" ? [] : ["asks the cluster's resolver"]),
    ...(spec["hostAliases"] === undefined ? [] : ["knows hosts by name that are not of the rehearsal"]),
    ...listOf(spec["volumes"]).flatMap(volumeReaches),
    ...containers.flatMap((container) => containerReaches(container).map((what) => `${what} in ${String(container["name"])}`)),
  ];
}

function volumeReaches(volume: KubernetesObject): string[] {
  const name = String(volume["name"]);
  const kinds = Object.keys(volume).filter((key) => key !== "name" && !harmlessVolumes.has(key));
  const tokens = listOf(objectOf(volume["projected"])["sources"]).filter((source) => source["serviceAccountToken"] !== undefined || source["clusterTrustBundle"] !== undefined || source["podCertificate"] !== undefined);
  return [...kinds.map((kind) => `mounts the ${kind} of ${name}`), ...(tokens.length > 0 ? [`has a token of the API in ${name}`] : [])];
}

function containerReaches(container: KubernetesObject): string[] {
  const security = objectOf(container["securityContext"]);
  const probes = ["readinessProbe", "livenessProbe", "startupProbe"].map((probe) => objectOf(container[probe]));
  return [
    ...(security["privileged"] === true ? ["is privileged"] : []),
    ...(security["allowPrivilegeEscalation"] === false ? [] : ["may gain rights"]),
    ...(security["procMount"] === undefined || security["procMount"] === "Default" ? [] : ["sees the node's /proc"]),
    ...(listOf(container["ports"]).some(({ hostPort }) => hostPort !== undefined) ? ["has a port of the node"] : []),
    ...(container["volumeDevices"] === undefined ? [] : ["has devices of the node"]),
    ...(container["lifecycle"] === undefined ? [] : ["has hooks"]),
    ...(probes.some((probe) => objectOf(probe["httpGet"])["host"] !== undefined || objectOf(probe["tcpSocket"])["host"] !== undefined) ? ["is probed at another host"] : []),
  ];
}

/** What the server itself, and its own plugins, add to what they are given. */
const added = new Set([
  "schedulerName", "serviceAccount", "priority", "preemptionPolicy", "priorityClassName", "securityContext", "tolerations", "imagePullSecrets", "nodeSelector", "overhead",
  "terminationMessagePath", "terminationMessagePolicy", "imagePullPolicy", "resources", "requests", "limits", "protocol", "defaultMode", "divisor", "apiVersion",
  "scheme", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold", "service", "runAsNonRoot", "seccompProfile",
]);

/** How much it may take, and when its image is fetched: clusters have rules of their own for these, and write amounts their own way. */
const ownRules = /(?:^|\.)(?:resources|sizeLimit|imagePullPolicy)$/;

/** Whatever of it is not as it was asked for, but for what the server adds. */
function changes(asked: KubernetesObject, admitted: KubernetesObject): string[] {
  return [...differing(asked, admitted, "")];
}

function* differing(asked: unknown, admitted: unknown, path: string): Generator<string> {
  if (ownRules.test(path)) return;
  const [before, after] = [membersOf(asked), membersOf(admitted)];
  if (before === undefined || after === undefined) {
    if (canonicalJson(asked ?? null) !== canonicalJson(admitted ?? null)) yield `has another ${path} than was asked for`;
    return;
  }
  for (const [key, value] of after) {
    const place = path === "" ? key : `${path}.${key}`;
    if (before.has(key)) yield* differing(before.get(key), value, place);
    else if (key === "securityContext") yield* differing({}, value, place);
    else if (/^(?:init)?containers$/i.test(path)) yield `has the container ${key}, which nobody asked for`;
    else if (!added.has(key) && path !== "tolerations" && path !== "imagePullSecrets" && path !== "nodeSelector") yield `has ${place}, which nobody asked for`;
  }
  for (const key of before.keys()) if (!after.has(key) && !isEmpty(before.get(key))) yield `lacks ${path === "" ? key : `${path}.${key}`}`;
}

/** By key; lists of named things by their names, of mounts by where they are, others by their content or their place. */
function membersOf(value: unknown): Map<string, unknown> | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if (!Array.isArray(value)) return new Map(Object.entries(value));
  return new Map(value.map((item: unknown, index) => [keyOf(item, index), item]));
}

function keyOf(item: unknown, index: number): string {
  const { name, mountPath, key, operator, effect, containerPort, protocol } = objectOf(item);
  if (typeof mountPath === "string") return mountPath;
  if (typeof containerPort === "number") return `${containerPort}/${typeof protocol === "string" ? protocol : "TCP"}`;
  if (typeof name === "string") return name;
  if (operator !== undefined || effect !== undefined) return canonicalJson({ key, operator, effect });
  return String(index);
}

function isEmpty(value: unknown): boolean {
  return value === null || value === undefined || value === false || value === "" || (typeof value === "object" && Object.keys(value).length === 0);
}

export function objectOf(value: unknown): KubernetesObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as KubernetesObject) : {};
}

export function listOf(value: unknown): KubernetesObject[] {
  return Array.isArray(value) ? value.map(objectOf) : [];
}
