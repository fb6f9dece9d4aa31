/** Everything in a cluster that could keep a rollback from succeeding, or that would undo it. Looks, and changes nothing. */
import type { PreflightFinding } from "../../finding.ts";
import { shellWord } from "../../../process/shell-word.ts";
import type { PlatformState } from "../platform.ts";
import { allowed, cannotLook, type Kubectl } from "./kubectl.ts";
import { gitopsFinding } from "./gitops.ts";
import { autoscalerFinding, budgetFinding, jobsFinding, othersFinding } from "./neighbours.ts";
import { permissionsFinding } from "./permissions.ts";
import { recorded, type RecordedWorkload } from "./record.ts";
import { settingsFinding } from "./settings-finding.ts";
import { belongings, findWorkload, inWords, type HeldTemplate, type LiveWorkload } from "./workload.ts";
import { healthFinding, imagesFinding, pausedFinding, revisionFinding, updatesFinding, volumesFinding, workloadsFinding } from "./workload-findings.ts";

/** A workload of the target with how it stands. */
export interface Candidate {
  readonly to: RecordedWorkload;
  readonly live: LiveWorkload;
  /** Undefined: it may not be looked at. */
  readonly held: readonly HeldTemplate[] | undefined;
}

/** @throws HoldfastError `configuration` if the cluster does not answer; `cancelled` */
export async function preflight(kubectl: Kubectl, target: PlatformState, now: PlatformState, signal: AbortSignal): Promise<PreflightFinding[]> {
  try {
    return await look(kubectl, target, now, signal);
  } catch (error) {
    throw cannotLook(error, `namespace ${kubectl.namespace}`, kubectl);
  }
}

async function look(kubectl: Kubectl, target: PlatformState, now: PlatformState, signal: AbortSignal): Promise<PreflightFinding[]> {
  const wanted = target.workloads.map(recorded);
  const candidates: Candidate[] = [];
  const missing: string[] = [];
  for (const to of wanted) {
    // What may not be looked at is told by the permissions.
    const live = await allowed(findWorkload(kubectl, to, signal));
    if (live === "forbidden") continue;
    if (live === undefined) missing.push(inWords(to));
    else candidates.push({ to, live, held: await held(kubectl, live, signal) });
  }
  const live = candidates.map((candidate) => candidate.live);
  // Whoever copies a command out of a hint at night must not do it in another cluster.
  const by = kubectl.command.map(shellWord).join(" ");
  const [permissions, others, gitops, autoscaler, budget, jobs, settings] = await Promise.all([
    permissionsFinding(kubectl, wanted, signal),
    othersFinding(kubectl, target, now, signal),
    gitopsFinding(kubectl, live, signal),
    autoscalerFinding(kubectl, wanted, now, signal),
    budgetFinding(kubectl, live, signal),
    jobsFinding(kubectl, signal),
    settingsFinding(kubectl, target, wanted, signal),
  ]);
  return [
    workloadsFinding(candidates, missing, target, now),
    others,
    permissions,
    revisionFinding(candidates),
    gitops,
    pausedFinding(live, by),
    updatesFinding(live, by),
    volumesFinding(live, by),
    autoscaler,
    budget,
    healthFinding(wanted),
    jobs,
    settings,
    imagesFinding(wanted, now),
  ];
}

async function held(kubectl: Kubectl, live: LiveWorkload, signal: AbortSignal): Promise<Candidate["held"]> {
  const own = await allowed(belongings(kubectl, live, signal));
  return own === "forbidden" ? undefined : own.held;
}
