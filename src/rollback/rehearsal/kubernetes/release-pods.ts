/**
 * The pods of a rehearsal, made of what a checkpoint recorded: one for each workload. Only fields that are named here are
 * taken over, so that nothing which reaches out of the namespace comes along.
 */
import { recorded, type RecordedWorkload } from "../../platform/kubernetes/record.ts";
import { holdsHashed } from "../../platform/kubernetes/secrets.ts";
import type { WorkloadState } from "../../platform/platform.ts";
import { rehearsalLabel } from "../mark.ts";
import { placeholder } from "../placeholder.ts";
import { listOf, objectOf } from "./admitted.ts";
import type { PodObject } from "./confine.ts";
import { imageToRun } from "./images.ts";
import type { KubernetesObject } from "./namespace.ts";
import type { StandIn } from "./stand-ins.ts";

export interface ReleasePod {
  readonly workload: RecordedWorkload;
  readonly pod: PodObject;
}

export interface ReleasePods {
  readonly pods: readonly ReleasePod[];
  /** What the application has in production and does without here. */
  readonly leftOut: readonly string[];
  /** `app: SESSION_SECRET`. */
  readonly placeholders: readonly string[];
  /** Workloads of which no container has the variable in which the URL of the copy could be put. */
  readonly withoutDatabase: readonly string[];
  /** Workloads of whose command only a hash is known: what they would run instead is not the release. */
  readonly withoutCommand: readonly string[];
}

export interface ReleaseNamespace {
  readonly namespace: string;
  /** Where the pods find the URL of the copy, by the variable's name. */
  readonly database: { readonly variable: string; readonly secret: string; readonly key: string };
  readonly standIns: readonly StandIn[];
  /** Names of services in the release's namespace: nothing finds them here. */
  readonly services: readonly string[];
}

const ofPod = new Set(["nodeSelector", "tolerations", "runtimeClassName", "hostname", "shareProcessNamespace", "setHostnameAsFQDN", "os"]);
const ofPodSecurity = new Set(["runAsUser", "runAsGroup", "runAsNonRoot", "fsGroup", "fsGroupChangePolicy", "supplementalGroups"]);
const ofContainer = new Set(["command", "args", "workingDir", "resources", "tty", "stdin"]);
const ofContainerSecurity = new Set(["runAsUser", "runAsGroup", "runAsNonRoot", "readOnlyRootFilesystem"]);
/** What stays within the pod. */
const ofVolume = new Set(["emptyDir", "configMap", "secret", "downwardAPI"]);
const ofProjection = new Set(["configMap", "secret", "downwardAPI"]);

/** What an application may miss; whatever else is not taken over says only where a pod runs, and who watches it. */
const missed = new Set(["hostAliases", "hostNetwork", "hostPID", "hostIPC", "resourceClaims", "imagePullSecrets"]);
const missedOfContainer = new Set(["lifecycle", "volumeDevices"]);

export function podNameOf({ kind, name }: Pick<WorkloadState, "kind" | "name">): string {
  return `${kind}-${name}`;
}

/** @param states - workloads with their recorded templates */
export function releasePods(states: readonly WorkloadState[], place: ReleaseNamespace): ReleasePods {
  const made = states.map((state) => podOf(recorded(state), place));
  return {
    pods: made.map(({ workload, pod }) => ({ workload, pod })),
    leftOut: made.flatMap(({ leftOut }) => leftOut),
    placeholders: made.flatMap(({ placeholders }) => placeholders),
    withoutDatabase: made.filter(({ hasDatabase }) => !hasDatabase).map(({ workload: { name } }) => name),
    withoutCommand: made.filter(({ hasCommand }) => !hasCommand).map(({ workload: { name } }) => name),
  };
}

interface Made extends ReleasePod {
  readonly leftOut: readonly string[];
  readonly placeholders: readonly string[];
  readonly hasDatabase: boolean;
  readonly hasCommand: boolean;
}

function podOf(workload: RecordedWorkload, place: ReleaseNamespace): Made {
  const { name, kind, record: { template, imageIds } } = workload;
  const spec = objectOf(template.spec);
  const leftOut: string[] = [];
  const placeholders: string[] = [];
  const all = [...listOf(spec["initContainers"]), ...listOf(spec["containers"])];
  const leave = (what: string): void => { leftOut.push(`${name}: ${what}`); };
  const make = (container: KubernetesObject): KubernetesObject => {
    const environment = environmentOf(container, place);
    placeholders.push(...environment.hidden.map((variable) => `${name}: ${variable}`));
    for (const field of missedOfContainer) if (container[field] !== undefined) leave(field);
    return containerOf(container, environment.env, imageToRun(container, imageIds[String(container["name"])] ?? []));
  };
  const initContainers = listOf(spec["initContainers"]).map(make);
  const containers = listOf(spec["containers"]).map(make);
  const { volumes, missing } = volumesOf(spec, [...initContainers, ...containers]);
  missing.forEach(leave);
  for (const field of missed) if (!isEmpty(spec[field])) leave(field);
  const text = JSON.stringify(template);
  // Kept back names need no quoting: they are labels of DNS.
  for (const service of place.services) if (new RegExp(`(?:^|[^\\w.-])${service}(?:[.:/"]|$)`).test(text) && service !== name) leave(`the service ${service}`);
  const security = taken(objectOf(spec["securityContext"]), ofPodSecurity);
  const pod: PodObject = {
    apiVersion: "v1", kind: "Pod",
    metadata: { name: podNameOf(workload), labels: { [rehearsalLabel]: place.namespace } },
    spec: {
      ...taken(spec, ofPod),
      ...(kind === "statefulset" && { hostname: `${name}-0` }),
      ...(Object.keys(security).length > 0 && { securityContext: security }),
      ...(initContainers.length > 0 && { initContainers }),
      containers,
      ...(volumes.length > 0 && { volumes }),
    },
  };
  return {
    workload, pod, leftOut: [...new Set(leftOut)], placeholders: [...new Set(placeholders)],
    hasDatabase: all.some((container) => environmentOf(container, place).hasDatabase),
    hasCommand: !all.some(({ command, args }) => holdsHashed(command) || holdsHashed(args)),
  };
}

function containerOf(container: KubernetesObject, env: readonly KubernetesObject[], image: string): KubernetesObject {
  const security = objectOf(container["securityContext"]);
  const drop = objectOf(security["capabilities"])["drop"];
  const ports = listOf(container["ports"]).map(({ containerPort, protocol, name }) => ({ containerPort, ...(protocol !== undefined && { protocol }), ...(name !== undefined && { name }) }));
  const readinessProbe = probeOf(container["readinessProbe"]);
  const mounts = listOf(container["volumeMounts"]).filter(({ name }) => typeof name === "string");
  return {
    name: container["name"], image, imagePullPolicy: "IfNotPresent",
    ...taken(container, ofContainer),
    // A container that stays beside the others while these start.
    ...(container["restartPolicy"] === "Always" && { restartPolicy: "Always" }),
    ...(env.length > 0 && { env }),
    ...(!isEmpty(container["envFrom"]) && { envFrom: container["envFrom"] }),
    ...(ports.length > 0 && { ports }),
    ...(readinessProbe !== undefined && { readinessProbe }),
    ...(mounts.length > 0 && { volumeMounts: mounts.map((mount) => taken(mount, new Set(["name", "mountPath", "subPath", "subPathExpr", "readOnly"]))) }),
    securityContext: { ...taken(security, ofContainerSecurity), allowPrivilegeEscalation: false, ...(drop !== undefined && { capabilities: { drop } }) },
  };
}

/** Its own readiness, as the node asks it: at the pod itself, and nowhere else. The probes that would restart it stay away. */
function probeOf(probe: unknown): KubernetesObject | undefined {
  const { httpGet, tcpSocket, ...rest } = objectOf(probe);
  if (probe === undefined || holdsHashed(probe)) return undefined;
  const here = (asked: unknown): KubernetesObject => Object.fromEntries(Object.entries(objectOf(asked)).filter(([field]) => field !== "host"));
  return { ...rest, ...(httpGet !== undefined && { httpGet: here(httpGet) }), ...(tcpSocket !== undefined && { tcpSocket: here(tcpSocket) }) };
}

/** The variables of a container, with that of the database in their place; it wins over what a ConfigMap or a Secret gives. */
function environmentOf(container: KubernetesObject, { database, standIns }: ReleaseNamespace): { readonly env: KubernetesObject[]; readonly hidden: string[]; readonly hasDatabase: boolean } {
  const variables = listOf(container["env"]);
  const given = listOf(container["envFrom"]).flatMap((source) => {
    const [kind, reference] = source["configMapRef"] === undefined ? (["secret", source["secretRef"]] as const) : (["configmap", source["configMapRef"]] as const);
    const standIn = standIns.find(({ setting }) => setting.kind === kind && setting.name === objectOf(reference)["name"]);
    const prefix = typeof source["prefix"] === "string" ? source["prefix"] : "";
    return (standIn?.keys ?? []).map((key) => `${prefix}${key}`);
  });
  const hasDatabase = given.includes(database.variable) || variables.some(({ name }) => name === database.variable);
  const others = variables.filter(({ name }) => name !== database.variable);
  const hidden = others.filter(({ value }) => holdsHashed(value));
  return {
    env: [
      ...(hasDatabase ? [{ name: database.variable, valueFrom: { secretKeyRef: { name: database.secret, key: database.key } } }] : []),
      ...others.map((variable) => (hidden.includes(variable) ? { ...variable, value: placeholder } : variable)),
    ],
    hidden: hidden.map(({ name }) => String(name)),
    hasDatabase,
  };
}

/** Volumes that stay in the pod; in place of every other one, also of what a StatefulSet claims for it, an empty folder. */
function volumesOf(spec: KubernetesObject, containers: readonly KubernetesObject[]): { readonly volumes: KubernetesObject[]; readonly missing: string[] } {
  const volumes: KubernetesObject[] = [];
  const missing: string[] = [];
  const recordedVolumes = listOf(spec["volumes"]);
  for (const volume of recordedVolumes) {
    const name = String(volume["name"]);
    const [kind = "volume"] = Object.keys(volume).filter((key) => key !== "name");
    const sources = listOf(objectOf(volume["projected"])["sources"]);
    const kept = sources.filter((source) => Object.keys(source).every((key) => ofProjection.has(key)));
    if (kind === "projected" && kept.length < sources.length) missing.push(`the token in ${name}`);
    if (ofVolume.has(kind) && !holdsHashed(volume)) volumes.push({ name, [kind]: volume[kind] });
    else if (kind === "projected" && kept.length > 0) volumes.push({ name, projected: { sources: kept } });
    else {
      if (kind !== "projected") missing.push(`the ${kind} ${name}`);
      volumes.push({ name, emptyDir: {} });
    }
  }
  const mounted = containers.flatMap((container) => listOf(container["volumeMounts"]).map(({ name }) => String(name)));
  const claimed = [...new Set(mounted)].filter((name) => !recordedVolumes.some((volume) => volume["name"] === name));
  return { volumes: [...volumes, ...claimed.map((name) => ({ name, emptyDir: {} }))], missing: [...missing, ...claimed.map((name) => `the claimed volume ${name}`)] };
}

function taken(value: KubernetesObject, fields: ReadonlySet<string>): KubernetesObject {
  return Object.fromEntries(Object.entries(value).filter(([field, member]) => fields.has(field) && !isEmpty(member) && !holdsHashed(member)));
}

function isEmpty(value: unknown): boolean {
  return value === null || value === undefined || value === "" || (typeof value === "object" && Object.keys(value).length === 0);
}
