/** Who would undo a rollback: controllers that keep a workload as a repository says. */
import { HoldfastError } from "../../../errors.ts";
import { ToolFailure } from "../../../process/run.ts";
import type { PreflightFinding } from "../../finding.ts";
import type { Kubectl } from "./kubectl.ts";
import { reconciled } from "./objects.ts";
import { inWords, type LiveWorkload } from "./workload.ts";

/** Set by a person who has made sure of it in another way; the value is the reason. */
const suspendedAnnotation = "holdfast/gitops-suspended";

/** A controller that keeps a workload, and how it is made to rest. */
interface Keeper {
  /** `Argo CD (application ehr)` */
  readonly name: string;
  /** What on the workload itself tells the controller to leave it; undefined if nothing does. */
  readonly restsBy: string | undefined;
  /** Its custom resource: `["applications.argoproj.io", "ehr", "argocd"]`. */
  readonly resource: readonly [kind: string, name: string, namespace: string] | undefined;
  readonly hint: string;
}

export async function gitopsFinding(kubectl: Kubectl, live: readonly LiveWorkload[], signal: AbortSignal): Promise<PreflightFinding> {
  const title = "nothing would undo the rollback";
  const kept: string[] = [];
  const resting: string[] = [];
  const hints = new Set<string>();
  for (const workload of live) {
    for (const keeper of keepersOf(workload)) {
      const why = workload.object.metadata.annotations[suspendedAnnotation] === undefined ? await restsBecause(kubectl, keeper, signal) : `annotation ${suspendedAnnotation}`;
      if (why !== undefined) resting.push(`${keeper.name} leaves ${inWords(workload)} (${why})`);
      else {
        kept.push(`${keeper.name} keeps ${inWords(workload)}`);
        hints.add(keeper.hint);
      }
    }
  }
  if (kept.length > 0) {
    const release = `If it rests in a way that is not seen here, say so with \`kubectl annotate ${live.map(({ kind, name }) => `${kind}/${name}`).join(" ")} ${suspendedAnnotation}=REASON\`.`;
    return { id: "gitops", title, outcome: "blocked", detail: [...kept, ...resting].join("; "), hint: [...hints, release].join(" ") };
  }
  const helm = live.filter(isHelms).map(inWords);
  if (helm.length > 0) {
    return { id: "gitops", title, outcome: "warn", detail: [...resting, `Helm's record of ${helm.join(" and ")} keeps naming the later release`].join("; "), hint: "Deploy the previous chart after the rollback, before anybody runs `helm upgrade` again." };
  }
  return { id: "gitops", title, outcome: "ok", detail: resting.length === 0 ? "no GitOps controller keeps the workloads" : resting.join("; ") };
}

function isHelms({ object }: LiveWorkload): boolean {
  return object.metadata.annotations["meta.helm.sh/release-name"] !== undefined && object.metadata.labels["helm.toolkit.fluxcd.io/name"] === undefined;
}

/** By the marks that each controller leaves on what it applies. */
export function keepersOf({ object, kind, name }: Pick<LiveWorkload, "object" | "kind" | "name">): Keeper[] {
  const { labels, annotations, ownerReferences } = object.metadata;
  const keepers: Keeper[] = [];
  // The id is `application:group/Kind:namespace/name`; outside its own namespace an application is named `namespace_application`.
  const application = annotations["argocd.argoproj.io/tracking-id"]?.split(":")[0] ?? labels["argocd.argoproj.io/instance"] ?? annotations["argocd.argoproj.io/instance"];
  if (application !== undefined) {
    const [own, namespace = "argocd"] = application.split("_").reverse();
    keepers.push({
      name: `Argo CD (application ${application})`,
      restsBy: undefined,
      resource: ["applications.argoproj.io", own ?? application, namespace],
      hint: `Suspend it with \`argocd app set ${own ?? application} --sync-policy none\`.`,
    });
  }
  for (const [group, resource, rest] of [
    ["kustomize.toolkit.fluxcd.io", "kustomization", "reconcile"],
    ["helm.toolkit.fluxcd.io", "helmrelease", "driftDetection"],
  ] as const) {
    const of = labels[`${group}/name`];
    if (of === undefined) continue;
    const namespace = labels[`${group}/namespace`] ?? "flux-system";
    keepers.push({
      name: `Flux (${resource} ${of})`,
      restsBy: annotations[`${group}/${rest}`] === "disabled" ? `annotation ${group}/${rest}: disabled` : undefined,
      resource: [`${resource}s.${group}`, of, namespace],
      hint: `Suspend it with \`flux suspend ${resource} ${of} --namespace ${namespace}\`${resource === "kustomization" ? `, or \`kubectl annotate ${kind}/${name} ${group}/${rest}=disabled\`` : ""}.`,
    });
  }
  const operator = ownerReferences.find(({ controller }) => controller === true);
  if (operator !== undefined) {
    keepers.push({ name: `the controller of ${operator.kind} ${operator.name}`, restsBy: undefined, resource: undefined, hint: `Go back to the previous release by changing ${operator.kind} ${operator.name} itself.` });
  }
  return keepers;
}

/** @returns what makes it rest; undefined if it does not, or nobody may look */
async function restsBecause(kubectl: Kubectl, { restsBy, resource }: Keeper, signal: AbortSignal): Promise<string | undefined> {
  if (restsBy !== undefined || resource === undefined) return restsBy;
  const [kind, name, namespace] = resource;
  try {
    const found = await kubectl.read(reconciled, ["get", kind, name, "--ignore-not-found"], { signal, namespace });
    if (found === undefined) return undefined;
    if (found.spec.suspend) return `${kind.split(".")[0] ?? kind} ${name} is suspended`;
    if (!kind.startsWith("applications")) return undefined;
    if (found.metadata.annotations["argocd.argoproj.io/skip-reconcile"] === "true") return "annotation argocd.argoproj.io/skip-reconcile";
    const { automated } = found.spec.syncPolicy ?? {};
    return automated === undefined || automated === null || automated.enabled === false ? `application ${name} does not sync by itself` : undefined;
  } catch (error) {
    if (error instanceof ToolFailure || (error instanceof HoldfastError && error.code === "configuration")) return undefined;
    throw error;
  }
}
