/** What else stands in the namespace and has a say: autoscalers, disruption budgets, Jobs. */
import type { PreflightFinding } from "../../finding.ts";
import type { PlatformState } from "../platform.ts";
import { listAutoscalers } from "./autoscaler.ts";
import { allowed, type Kubectl } from "./kubectl.ts";
import { budgets, cronJobs, jobs, runningObjects } from "./objects.ts";
import { recordedIn, type RecordedWorkload } from "./record.ts";
import { containersOf } from "./template.ts";
import { inWords, selects, type LiveWorkload } from "./workload.ts";

function unlisted(id: string, title: string, what: string): PreflightFinding {
  return { id, title, outcome: "warn", detail: `${what} may not be listed here, so that nothing is known of them`, hint: `Give the user of the configured context a Role that may list ${what}, or look at them yourself.` };
}

export async function autoscalerFinding(kubectl: Kubectl, workloads: readonly RecordedWorkload[], now: PlatformState, signal: AbortSignal): Promise<PreflightFinding> {
  const title = "nobody else changes the replicas";
  const found = await allowed(listAutoscalers(kubectl, signal));
  if (found === "forbidden") return unlisted("autoscaler", title, "horizontalpodautoscalers.autoscaling");
  const scaling = found.filter(({ of }) => workloads.some(({ kind, name }) => kind === of.kind && name === of.name));
  if (scaling.length === 0) return { id: "autoscaler", title, outcome: "ok", detail: "no autoscaler does" };
  const more = workloads.flatMap((to) => {
    const present = recordedIn(now.workloads, to)?.state.replicas ?? 0;
    return scaling.some(({ of }) => of.kind === to.kind && of.name === to.name) && present > to.state.replicas ? [`${inWords(to)} had ${to.state.replicas} at the checkpoint and has ${present} now`] : [];
  });
  const detail = scaling.map(({ name, of, minimum, maximum, wakes }) => `${name} keeps ${inWords(of)} between ${minimum} and ${maximum} replicas${wakes ? " and is KEDA's, which may start it while it should stand still" : ", and rests while it is at zero"}`);
  return {
    id: "autoscaler",
    title,
    outcome: "warn",
    detail: [...detail, ...more].join("; "),
    hint: [
      ...(scaling.some(({ wakes }) => wakes) ? ["Annotate the ScaledObject with autoscaling.keda.sh/paused-replicas=\"0\" before the rollback stops the writers."] : []),
      "Where it has more replicas than the checkpoint, they are kept; after a stop those of the checkpoint are asked for first, and the autoscaler goes on from there.",
    ].join(" "),
  };
}

export async function budgetFinding(kubectl: Kubectl, live: readonly LiveWorkload[], signal: AbortSignal): Promise<PreflightFinding> {
  const title = "disruption budgets leave room";
  const found = await allowed(kubectl.read(budgets, ["get", "poddisruptionbudgets.policy"], { signal }));
  if (found === "forbidden") return unlisted("disruption-budget", title, "poddisruptionbudgets.policy");
  const tight = (found?.items ?? []).flatMap(({ metadata, spec, status }) => {
    const of = live.filter(({ object }) => spec.selector !== undefined && selects(spec.selector, object.spec.template.metadata?.labels ?? {}));
    return status.disruptionsAllowed > 0 || of.length === 0 ? [] : [`${metadata.name} allows no disruption of ${of.map(inWords).join(" and ")} now`];
  });
  if (tight.length === 0) return { id: "disruption-budget", title, outcome: "ok", detail: "none of the workloads' is exhausted" };
  return {
    id: "disruption-budget",
    title,
    outcome: "warn",
    detail: `${tight.join("; ")}: the rollback itself is not held up by it, but it stops more replicas than the budget would`,
    hint: "See `kubectl get poddisruptionbudgets`; nodes cannot be drained while the rollback runs.",
  };
}

/**
 * Workloads that nobody configured and that run the release which is left: they go on with it, and write, also while the
 * database moves. They are known by their images, but not by those that the target has as well (a proxy, a cache).
 */
export async function othersFinding(kubectl: Kubectl, target: PlatformState, now: PlatformState, signal: AbortSignal): Promise<PreflightFinding> {
  const title = "nothing else runs the release that is left";
  const found = await allowed(kubectl.read(runningObjects, ["get", "deployments.apps,statefulsets.apps,daemonsets.apps"], { signal }));
  if (found === "forbidden") return unlisted("others", title, "deployments.apps, statefulsets.apps and daemonsets.apps");
  const references = ({ workloads }: PlatformState): Set<string> => new Set(workloads.flatMap(({ images }) => images.map(({ reference }) => reference)));
  const [left, kept] = [references(now), references(target)];
  const others = (found?.items ?? []).flatMap(({ kind, metadata: { name }, spec: { template, replicas } }) => {
    const image = containersOf(template).map((container) => container.image).find((reference) => left.has(reference) && !kept.has(reference));
    const own = now.workloads.some((workload) => workload.kind === kind.toLowerCase() && workload.name === name);
    return own || image === undefined || replicas === 0 ? [] : [`${kind} ${name} runs ${image}`];
  });
  if (others.length === 0) return { id: "others", title, outcome: "ok", detail: "no other Deployment, StatefulSet or DaemonSet of the namespace does" };
  return {
    id: "others",
    title,
    outcome: "warn",
    detail: `${others.join("; ")}, and is not among the configured workloads: the rollback neither stops it nor brings it back`,
    hint: "Name it in databases.NAME.rollback.kubernetes.workloads before the next checkpoint; now, stop it or bring it back by hand.",
  };
}

/** Jobs that run, or will: a migration that goes on would write while the database moves. */
export async function jobsFinding(kubectl: Kubectl, signal: AbortSignal): Promise<PreflightFinding> {
  const title = "no Job runs";
  const [running, planned] = await Promise.all([allowed(kubectl.read(jobs, ["get", "jobs.batch"], { signal })), allowed(kubectl.read(cronJobs, ["get", "cronjobs.batch"], { signal }))]);
  if (running === "forbidden") return unlisted("jobs", title, "jobs.batch");
  if (planned === "forbidden") return unlisted("jobs", title, "cronjobs.batch");
  const ended = new Set(["Complete", "Failed", "SuccessCriteriaMet", "FailureTarget"]);
  const active = (running?.items ?? [])
    .filter(({ spec, status }) => !spec.suspend && !status.conditions.some((condition) => ended.has(condition.type) && condition.status === "True"))
    .map(({ metadata, status }) => `Job ${metadata.name} is not finished (${status.active} active)`);
  const recurring = (planned?.items ?? []).filter(({ spec }) => !spec.suspend).map(({ metadata, spec }) => `CronJob ${metadata.name} runs at ${spec.schedule}`);
  const detail = [...active, ...recurring].join("; ");
  if (detail === "") return { id: "jobs", title, outcome: "ok", detail: "none runs or is planned" };
  return {
    id: "jobs",
    title,
    outcome: "warn",
    detail: `${detail}; the rollback stops none of them`,
    hint: "If they write to the database, suspend CronJobs with `kubectl patch cronjob NAME --patch '{\"spec\":{\"suspend\":true}}'` and wait for Jobs, or delete them, before the database moves.",
  };
}
