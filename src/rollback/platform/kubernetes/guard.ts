/** Changes of a workload that overwrite nobody: each is made only if the workload stands as it is known to. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { HoldfastError } from "../../../errors.ts";
import { autoscalerOf } from "./autoscaler.ts";
import { isRejectedPatch, type Kubectl } from "./kubectl.ts";
import { workloadObject, type PodTemplate } from "./objects.ts";
import { hasTemplateOf, identityOf, specSha256, type RecordedWorkload } from "./record.ts";
import { differences } from "./template.ts";
import { inWords, liveWorkload, readWorkload, type LiveWorkload } from "./workload.ts";

/** How a workload may stand, so that what it is can be explained by what was captured and by our own steps. */
export interface Explained {
  readonly now: RecordedWorkload;
  /** Undefined: it may have the template of `now` only. */
  readonly target: RecordedWorkload | undefined;
  /** Counts of replicas beside that of `now`; an autoscaler explains any. */
  readonly replicas: readonly number[];
}

/** What is to be changed; what is undefined stays. */
export interface Change {
  readonly template?: PodTemplate | undefined;
  readonly replicas?: number | undefined;
}

const attempts = 5;

/**
 * Reads a workload, has `decide` say what to change, and changes it if nobody changed it in between.
 * @param decide - called with what it is then; may be called again
 * @returns the workload before and after; the same if there was nothing to change
 * @throws HoldfastError `refused` if somebody else changed it; ToolFailure
 */
export async function change(
  kubectl: Kubectl,
  explained: Explained,
  decide: (live: LiveWorkload) => Promise<Change>,
  signal: AbortSignal,
): Promise<{ readonly before: LiveWorkload; readonly after: LiveWorkload }> {
  for (let attempt = 1; ; attempt += 1) {
    const before = await readWorkload(kubectl, explained.now, signal);
    await requireExplained(kubectl, before, explained, signal);
    const wanted = await decide(before);
    if (wanted.template === undefined && (wanted.replicas === undefined || wanted.replicas === before.replicas)) return { before, after: before };
    try {
      return { before, after: await patch(kubectl, before, wanted, signal) };
    } catch (error) {
      if (!isRejectedPatch(error) || attempt === attempts) throw error;
      // An annotation moves the generation too: whether this was somebody's change is seen by looking again.
      if ((await readWorkload(kubectl, explained.now, signal)).generation === before.generation) throw error;
    }
  }
}

/** The server tests and changes in one act. A template may hold secrets, so it stands in a file and not among the arguments. */
async function patch(kubectl: Kubectl, live: LiveWorkload, { template, replicas }: Change, signal: AbortSignal): Promise<LiveWorkload> {
  const operations = [
    { op: "test", path: "/metadata/uid", value: live.object.metadata.uid },
    { op: "test", path: "/metadata/generation", value: live.generation },
    ...(template === undefined ? [] : [{ op: "replace", path: "/spec/template", value: template }]),
    ...(replicas === undefined ? [] : [{ op: "replace", path: "/spec/replicas", value: replicas }]),
  ];
  // kubectl opens this file by name, which it cannot do with the socket that a child of Node has for its stdin.
  const folder = await mkdtemp(join(tmpdir(), "holdfast-patch-"));
  try {
    const file = join(folder, "patch.json");
    await writeFile(file, JSON.stringify(operations), { mode: 0o600 });
    const patched = await kubectl.read(workloadObject, ["patch", `${live.kind}s.apps`, live.name, "--type=json", `--patch-file=${file}`, "--field-manager=holdfast"], { signal });
    return patched === undefined ? await readWorkload(kubectl, live, signal) : liveWorkload(live, patched);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** @throws HoldfastError `refused`, naming what was changed */
export async function requireExplained(kubectl: Kubectl, live: LiveWorkload, explained: Explained, signal: AbortSignal): Promise<void> {
  const changes = await unexplained(kubectl, live, explained, signal);
  if (changes.length === 0) return;
  throw new HoldfastError("refused", `${inWords(live)} was changed by somebody else since it was looked at: ${changes.join("; ")} (generation ${live.generation}, was ${explained.now.record.generation})`, {
    hints: [
      `Nothing of ${inWords(live)} was overwritten.`,
      `See who changed it with \`kubectl --namespace ${kubectl.namespace} get ${live.kind}/${live.name} --output yaml --show-managed-fields\`, and decide with them; from what there is then, \`holdfast rollback plan\` makes a new plan.`,
    ],
    details: { workload: `${live.kind}/${live.name}`, generation: live.generation, expected: explained.now.record.generation, changes },
  });
}

async function unexplained(kubectl: Kubectl, live: LiveWorkload, { now, target, replicas }: Explained, signal: AbortSignal): Promise<string[]> {
  if (identityOf(live) !== now.record.identity) return ["it was deleted and made again"];
  const known = live.templateSha256 === now.record.templateSha256 || (target !== undefined && hasTemplateOf(live, target));
  if (!known) return differences(live.template, now.record.template);
  const changes: string[] = [];
  if (specSha256(live) !== now.record.specSha256) changes.push("what is asked of it beside its template is not what it was");
  if (live.object.spec.paused) changes.push("its rollouts were paused");
  if (![now.state.replicas, ...replicas].includes(live.replicas) && (await autoscalerOf(kubectl, live, signal)) === undefined) {
    changes.push(`${live.replicas} replicas are asked for, not ${now.state.replicas}`);
  }
  return changes;
}
