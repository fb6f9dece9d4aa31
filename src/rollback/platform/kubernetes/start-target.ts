/**
 * The way back: each workload gets the template of the target out of the cluster's own history, which is what
 * `kubectl rollout undo` does, but only if it stands as it was captured. Then all are waited for.
 */
import { HoldfastError } from "../../../errors.ts";
import type { RollbackStep, StepRun } from "../../step.ts";
import type { PlatformState } from "../platform.ts";
import { autoscalerOf } from "./autoscaler.ts";
import { change, type Explained } from "./guard.ts";
import type { Kubectl } from "./kubectl.ts";
import type { PodTemplate } from "./objects.ts";
import { hasTemplateOf, recorded, recordedIn, type RecordedWorkload } from "./record.ts";
import { rolloutStep } from "./rollout.ts";
import { inStep, notChanged } from "./standing.ts";
import { maintenanceStep } from "./stop-writers.ts";
import { imagesInWords, unkeyedSha256 } from "./template.ts";
import { belongings, inWords, readWorkload, type HeldTemplate, type LiveWorkload } from "./workload.ts";

export function startTarget(kubectl: Kubectl, target: PlatformState, now: PlatformState, timeoutMs: number): RollbackStep[] {
  return [...target.workloads.map((state) => undoStep(kubectl, recorded(state), target, now)), rolloutStep(kubectl, target, now, timeoutMs)];
}

function undoStep(kubectl: Kubectl, to: RecordedWorkload, target: PlatformState, now: PlatformState): RollbackStep {
  const id = `undo-${to.kind}-${to.name}`;
  const from = (): RecordedWorkload => requireCaptured(now, to);
  const explained = (): Explained => ({ now: from(), target: to, replicas: [0, to.state.replicas] });
  return {
    id,
    title: `return ${inWords(to)} to ${imagesInWords(to.record.template)} (revision ${to.state.revision ?? "unknown"}), ${to.state.replicas} replicas${otherwiseNow(recordedIn(now.workloads, to), to)}`,
    isDone: ({ signal }) =>
      inStep(kubectl, `whether ${inWords(to)} was returned cannot be seen`, target, now, signal, async () => {
        const live = await readWorkload(kubectl, to, signal);
        return hasTemplateOf(live, to) && live.replicas === (await replicasFor(kubectl, live, to, signal));
      }),
    async perform(run) {
      return inStep(kubectl, notChanged(to), target, now, run.signal, async () => {
        let used: HeldTemplate | undefined;
        const { before, after } = await change(kubectl, explained(), async (live) => {
          // What stood there before the first attempt is what an abort returns to.
          if (replicasBefore(run, id) === undefined) await run.begin({ replicas: live.replicas, generation: live.generation });
          const replicas = await replicasFor(kubectl, live, to, run.signal);
          if (hasTemplateOf(live, to)) return { replicas };
          used = await requireHeld(kubectl, live, to, run.signal);
          return { template: used.template, replicas };
        }, run.signal);
        return { changed: before.generation !== after.generation, template: used?.name ?? null, newGeneration: after.generation };
      });
    },
    async undo(run) {
      const back = from();
      const replicas = replicasBefore(run, id) ?? (run.facts.has(maintenanceStep) ? 0 : back.state.replicas);
      return inStep(kubectl, notChanged(to), target, now, run.signal, async () => {
        const { before, after } = await change(kubectl, { ...explained(), replicas: [0, to.state.replicas, replicas] }, async (live) => {
          if (hasTemplateOf(live, back)) return { replicas };
          return { template: await templateToReturnTo(kubectl, live, back, run.signal), replicas };
        }, run.signal);
        return { changed: before.generation !== after.generation, newGeneration: after.generation };
      });
    },
  };
}

/** Those of the checkpoint; but what an autoscaler found to be needed since is not taken away under load. */
async function replicasFor(kubectl: Kubectl, live: LiveWorkload, to: RecordedWorkload, signal: AbortSignal): Promise<number> {
  const grown = live.replicas > to.state.replicas && to.state.replicas > 0 && (await autoscalerOf(kubectl, live, signal)) !== undefined;
  return grown ? live.replicas : to.state.replicas;
}

/** An autoscaler, or somebody, may have had a reason for more of them. */
function otherwiseNow(now: RecordedWorkload | undefined, to: RecordedWorkload): string {
  return now === undefined || now.state.replicas === to.state.replicas ? "" : ` (${now.state.replicas} now)`;
}

function requireCaptured(now: PlatformState, name: RecordedWorkload): RecordedWorkload {
  const found = recordedIn(now.workloads, name);
  if (found !== undefined) return found;
  throw new HoldfastError("refused", `${inWords(name)} was not among what was captured before the rollback, so that a change of it by somebody else could not be seen`, {
    hints: ["Add it to databases.NAME.rollback.kubernetes.workloads and make a new plan with `holdfast rollback plan`."],
  });
}

function replicasBefore(run: StepRun, id: string): number | undefined {
  const noted = run.facts.get(id)?.["replicas"];
  return typeof noted === "number" ? noted : undefined;
}

/** The template of a record in the workload's history: an exact one, else one whose pods were made anew, else that of a workload which was. */
export function heldFor(held: readonly HeldTemplate[], { record }: RecordedWorkload): HeldTemplate | undefined {
  const unkeyed = unkeyedSha256(record.template);
  return (
    held.find(({ sha256 }) => sha256 === record.templateSha256) ??
    held.find(({ lastingSha256 }) => lastingSha256 === record.lastingSha256) ??
    held.find((one) => one.identity !== record.identity && one.unkeyedSha256 === unkeyed)
  );
}

async function requireHeld(kubectl: Kubectl, live: LiveWorkload, to: RecordedWorkload, signal: AbortSignal): Promise<HeldTemplate> {
  const found = heldFor((await belongings(kubectl, live, signal)).held, to);
  if (found !== undefined) return found;
  throw new HoldfastError("rollback-failed", `the history of ${inWords(to)} no longer has the template of ${imagesInWords(to.record.template)} (revision ${to.state.revision ?? "unknown"})`, {
    hints: [missingRevisionHint(to)],
  });
}

async function templateToReturnTo(kubectl: Kubectl, live: LiveWorkload, back: RecordedWorkload, signal: AbortSignal): Promise<PodTemplate> {
  return (await requireHeld(kubectl, live, back, signal)).template;
}

export function missingRevisionHint(to: RecordedWorkload): string {
  return `Raise spec.revisionHistoryLimit of ${inWords(to)}, and apply the manifest of the release that ran ${imagesInWords(to.record.template)}; kubectl cannot bring back what the cluster has forgotten.`;
}
