/** In what state things are, for who has to decide when a step failed half-way. */
import { HoldfastError } from "../../../errors.ts";
import { ToolFailure } from "../../../process/run.ts";
import type { PlatformState } from "../platform.ts";
import { forbiddenIn, isUnanswered, whyNot, type Kubectl } from "./kubectl.ts";
import { hasTemplateOf, recorded, recordedIn } from "./record.ts";
import { findWorkload, inWords, type WorkloadName } from "./workload.ts";

/** One clause for each workload: `deployment app: the target's template, 2 replicas`. Never rejects, but for a cancellation. */
export async function whereThingsStand(kubectl: Kubectl, target: PlatformState | undefined, now: PlatformState, signal: AbortSignal): Promise<string[]> {
  return Promise.all(now.workloads.map(recorded).map(async (workload) => `${inWords(workload)}: ${await standingOf(kubectl, workload, target, now, signal)}`));
}

async function standingOf(kubectl: Kubectl, name: WorkloadName, target: PlatformState | undefined, now: PlatformState, signal: AbortSignal): Promise<string> {
  try {
    const live = await findWorkload(kubectl, name, signal);
    if (live === undefined) return "not there";
    const [before, after] = [recordedIn(now.workloads, name), target && recordedIn(target.workloads, name)];
    const stays = before !== undefined && hasTemplateOf(live, before);
    const template = after !== undefined && hasTemplateOf(live, after) ? (stays ? "the template that it keeps" : "the target's template") : stays ? "the template that it had before" : "a template of somebody else";
    return live.replicas === 0 ? `${template}, stopped` : `${template}, ${live.replicas} ${live.replicas === 1 ? "replica" : "replicas"}`;
  } catch (error) {
    if (error instanceof ToolFailure) return `cannot be looked at (${whyNot(error, kubectl.namespace)})`;
    throw error;
  }
}

/**
 * Runs a part of a step. What kubectl refuses or fails at becomes an error that says in what state things are.
 * @param doing - a clause: `deployment web was not changed`
 */
export async function inStep<T>(kubectl: Kubectl, doing: string, target: PlatformState | undefined, now: PlatformState, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ToolFailure)) throw error;
    const denied = forbiddenIn(error);
    const standing = await whereThingsStand(kubectl, target, now, signal);
    throw new HoldfastError("rollback-failed", `${isUnanswered(error) ? doing.replace(/^(.*) was not changed$/, "whether $1 was changed is not known, since no answer came") : doing}: ${whyNot(error, kubectl.namespace)}`, {
      hints: [
        `Things stand so: ${standing.join("; ")}.`,
        ...(denied === undefined ? [] : [`Give ${denied.user} a role that may ${denied.verb} ${denied.resource} in namespace ${kubectl.namespace}.`]),
      ],
      cause: error,
      details: { standing, ...(denied && { verb: denied.verb, resource: denied.resource, user: denied.user }) },
    });
  }
}

/** What {@link inStep} says where a change failed; of one that was not answered it says that it may have been made. */
export function notChanged(name: WorkloadName): string {
  return `${inWords(name)} was not changed`;
}
