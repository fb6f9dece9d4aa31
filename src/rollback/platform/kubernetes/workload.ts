/** One workload as the cluster has it: itself, its pods, and the templates that its history keeps. */
import type { WorkloadState } from "../platform.ts";
import { HoldfastError } from "../../../errors.ts";
import { sha256Of } from "./json.ts";
import type { Kubectl } from "./kubectl.ts";
import { belongingObjects, workloadObject, type LabelSelector, type Pod, type PodTemplate, type TemplateHolder, type WorkloadObject } from "./objects.ts";
import { plainTemplate, resolvedTemplate, lastingSha256, templateSha256, unkeyedSha256, type ResolvedTemplate } from "./template.ts";

export interface WorkloadName {
  readonly kind: "deployment" | "statefulset";
  readonly name: string;
}

export interface LiveWorkload extends WorkloadName {
  readonly object: WorkloadObject;
  readonly replicas: number;
  readonly generation: number;
  readonly template: ResolvedTemplate;
  readonly templateSha256: string;
}

/** A template that the cluster keeps for a workload: a ReplicaSet's or a ControllerRevision's. */
export interface HeldTemplate {
  /** Of the object that holds it. */
  readonly name: string;
  readonly uid: string;
  readonly revision: string;
  /** As it is: it may hold secrets, and goes to the cluster only. */
  readonly template: PodTemplate;
  readonly sha256: string;
  readonly lastingSha256: string;
  readonly unkeyedSha256: string;
  /** Of the workload that it belongs to, as {@link identityOfUid} tells it. */
  readonly identity: string;
}

/** @throws HoldfastError `configuration` if the text is not `deployment/NAME` or `statefulset/NAME` */
export function parseWorkload(text: string): WorkloadName {
  const [kind, name, more] = text.split("/");
  if ((kind === "deployment" || kind === "statefulset") && name !== undefined && name !== "" && more === undefined) return { kind, name };
  throw new HoldfastError("configuration", `${text} is no workload: it must read deployment/NAME or statefulset/NAME`);
}

/** `deployment app`: as messages say it. */
export function inWords({ kind, name }: Pick<WorkloadState, "kind" | "name">): string {
  return `${kind} ${name}`;
}

/** Tells a workload from one of the same name that was made later or elsewhere, without giving its uid away. */
export function identityOfUid(uid: string): string {
  return sha256Of({ workload: uid });
}

/** The resource that permissions name. */
export function resourceOf({ kind }: WorkloadName): string {
  return `${kind}s.apps`;
}

/** @returns undefined if it is not there @throws ToolFailure */
export async function findWorkload(kubectl: Kubectl, { kind, name }: WorkloadName, signal: AbortSignal): Promise<LiveWorkload | undefined> {
  const object = await kubectl.read(workloadObject, ["get", `${kind}s.apps`, name, "--ignore-not-found"], { signal });
  return object && liveWorkload({ kind, name }, object);
}

export function liveWorkload({ kind, name }: WorkloadName, object: WorkloadObject): LiveWorkload {
  const template = resolvedTemplate(object.spec.template, object.metadata.uid);
  return { kind, name, object, replicas: object.spec.replicas, generation: object.metadata.generation, template, templateSha256: templateSha256(template) };
}

/** @throws HoldfastError `rollback-failed` if it is not there; ToolFailure */
export async function readWorkload(kubectl: Kubectl, workload: WorkloadName, signal: AbortSignal): Promise<LiveWorkload> {
  const live = await findWorkload(kubectl, workload, signal);
  if (live !== undefined) return live;
  throw new HoldfastError("rollback-failed", `${inWords(workload)} is no longer in namespace ${kubectl.namespace}`, {
    hints: [`Apply the manifest of ${inWords(workload)} as the checkpoint's release had it.`],
  });
}

/** What belongs to a workload: the templates that the cluster keeps of it, the newest revision first, and its pods. */
export interface Belongings {
  readonly held: readonly HeldTemplate[];
  /** Those that run or may still run; pods that ended stay listed for a while, and write nothing. */
  readonly pods: readonly Pod[];
}

/** @throws ToolFailure */
export async function belongings(kubectl: Kubectl, live: LiveWorkload, signal: AbortSignal): Promise<Belongings> {
  const { kind, object } = live;
  const holders = kind === "deployment" ? "replicasets.apps" : "controllerrevisions.apps";
  const found = await kubectl.read(belongingObjects, ["get", `${holders},pods`, "-l", selectorText(object.spec.selector)], { signal });
  const items = found?.items ?? [];
  const { uid } = object.metadata;
  const held = items.flatMap((item) => (item.kind !== "Pod" && ownedBy(item, uid) ? [heldTemplate(item, uid)] : [])).sort((a, b) => b.order - a.order);
  const owners = kind === "statefulset" ? [uid] : held.map((one) => one.uid);
  const pods = items.filter((item) => item.kind === "Pod").filter((pod) => pod.status.phase !== "Succeeded" && pod.status.phase !== "Failed" && owners.some((owner) => ownedBy(pod, owner)));
  return { held, pods };
}

function ownedBy({ metadata }: { readonly metadata: WorkloadObject["metadata"] }, uid: string): boolean {
  return metadata.ownerReferences.some((owner) => owner.controller === true && owner.uid === uid);
}

function heldTemplate(holder: TemplateHolder, workloadUid: string): HeldTemplate & { readonly order: number } {
  const { name, uid, annotations } = holder.metadata;
  const raw = holder.kind === "ReplicaSet" ? holder.spec.template : holder.data.spec.template;
  const revision = holder.kind === "ReplicaSet" ? (annotations[revisionAnnotation] ?? "0") : name;
  const resolved = resolvedTemplate(raw, workloadUid);
  return {
    name,
    uid,
    revision,
    order: holder.kind === "ReplicaSet" ? Number(revision) : holder.revision,
    template: plainTemplate(raw),
    sha256: templateSha256(resolved),
    lastingSha256: lastingSha256(resolved),
    unkeyedSha256: unkeyedSha256(resolved),
    identity: identityOfUid(workloadUid),
  };
}

export const revisionAnnotation = "deployment.kubernetes.io/revision";

/** @returns a Deployment's number, or the name of a StatefulSet's revision; null before its controller has seen it */
export function revisionOf({ kind, object }: LiveWorkload): string | null {
  return (kind === "deployment" ? object.metadata.annotations[revisionAnnotation] : object.status.updateRevision) ?? null;
}

/** Whether a pod is of the template that the workload has now. */
export function isCurrent(pod: Pod, live: LiveWorkload, { held }: Belongings): boolean {
  const current = held.find(({ sha256 }) => sha256 === live.templateSha256);
  if (current === undefined) return false;
  const revision = pod.metadata.labels["controller-revision-hash"];
  return live.kind === "statefulset" ? revision === current.name : pod.metadata.ownerReferences.some(({ uid }) => uid === current.uid);
}

/** A selector as `-l` takes it. */
export function selectorText({ matchLabels = {}, matchExpressions = [] }: LabelSelector): string {
  const expressions = matchExpressions.map(({ key, operator, values = [] }) => {
    if (operator === "Exists") return key;
    if (operator === "DoesNotExist") return `!${key}`;
    return `${key} ${operator === "In" ? "in" : "notin"} (${values.join(",")})`;
  });
  return [...Object.entries(matchLabels).map(([key, value]) => `${key}=${value}`), ...expressions].join(",");
}

/** Whether a selector takes up pods with these labels. An empty one takes all. */
export function selects({ matchLabels = {}, matchExpressions = [] }: LabelSelector, labels: Readonly<Record<string, string>>): boolean {
  const holds = matchExpressions.every(({ key, operator, values = [] }) => {
    const label = labels[key];
    if (operator === "Exists") return label !== undefined;
    if (operator === "DoesNotExist") return label === undefined;
    return operator === "In" ? label !== undefined && values.includes(label) : label === undefined || !values.includes(label);
  });
  return holds && Object.entries(matchLabels).every(([key, value]) => labels[key] === value);
}
