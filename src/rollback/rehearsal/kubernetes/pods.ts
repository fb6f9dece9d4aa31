/** The pods of a rehearsal: made behind their gate, looked at as they were admitted, let go, and waited for. */
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";

import { HoldfastError, throwIfCancelled } from "../../../errors.ts";
import { ToolFailure } from "../../../process/run.ts";
import { idsIn } from "../../platform/kubernetes/image-id.ts";
import { isRejectedPatch, type Kubectl, whyNot } from "../../platform/kubernetes/kubectl.ts";
import { pod as podStatus } from "../../platform/kubernetes/objects.ts";
import { wrongWith } from "./admitted.ts";
import { confined, type PodObject } from "./confine.ts";
import { always, createObjects } from "./namespace.ts";

const podShape = podStatus.and(z.looseObject({ spec: z.record(z.string(), z.unknown()) }));
export type RunningPod = z.infer<typeof podShape>;

const podList = z.looseObject({ items: z.array(podShape) });

/** A pod as it was sent to the server. */
export interface AskedPod {
  readonly name: string;
  readonly asked: PodObject;
}

/** Makes a pod that does not run yet. @throws ToolFailure if the cluster does not take it */
export async function makePod(kubectl: Kubectl, pod: PodObject, role: Parameters<typeof confined>[1]): Promise<AskedPod> {
  const asked = confined(pod, role);
  const until = performance.now() + accountMs;
  for (;;) {
    try {
      await createObjects(kubectl, [asked]);
      return { name: asked.metadata.name, asked };
    } catch (error) {
      // A controller gives a new namespace its account, without which no pod is taken.
      if (!(error instanceof ToolFailure) || !/serviceaccount "default" not found/.test(error.lastLines) || performance.now() > until) throw error;
      await sleep(pollMs);
    }
  }
}

const accountMs = 30_000;

/** @throws ToolFailure; HoldfastError `drill-unverified` if it is not there */
export async function readPod(kubectl: Kubectl, name: string, signal: AbortSignal): Promise<RunningPod> {
  const found = await kubectl.read(podShape, ["get", "pod", name, "--ignore-not-found"], { signal });
  if (found !== undefined) return found;
  throw new HoldfastError("drill-unverified", `the pod ${name} is not in the namespace ${kubectl.namespace} any more`);
}

/** @throws ToolFailure */
export async function readPods(kubectl: Kubectl, selector: string, signal: AbortSignal): Promise<RunningPod[]> {
  return (await kubectl.read(podList, ["get", "pods", "--selector", selector], { signal }))?.items ?? [];
}

/** What is wrong with pods that are kept back, in clauses. @throws ToolFailure */
export async function lookAt(kubectl: Kubectl, pods: readonly AskedPod[], signal: AbortSignal): Promise<string[]> {
  const found = await Promise.all(pods.map(async ({ name, asked }) => wrongWith(asPod(await readPod(kubectl, name, signal)), asked).map((what) => `${name} ${what}`)));
  return found.flat();
}

/**
 * Takes the gate away, if the pod is still as it was asked for.
 * @throws HoldfastError `drill-unverified` if it is not; ToolFailure
 */
export async function letGo(kubectl: Kubectl, { name, asked }: AskedPod, signal: AbortSignal): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    const found = await readPod(kubectl, name, signal);
    const wrong = wrongWith(asPod(found), asked);
    if (wrong.length > 0) throw notApart([`${name} ${wrong.join(", ")}`]);
    // Only the very pod that was looked at: whatever was changed since makes the server refuse.
    const patch = [{ op: "test", path: "/metadata/resourceVersion", value: found.metadata["resourceVersion"] }, { op: "remove", path: "/spec/schedulingGates" }];
    try {
      await kubectl.run(["patch", "pod", name, "--type", "json", "--patch", JSON.stringify(patch), "--output", "name"], { signal: always });
      return;
    } catch (error) {
      if (!isRejectedPatch(error) || attempt === attempts) throw error;
    }
  }
}

/** The scheduler writes once into a pod that is kept back. */
const attempts = 10;

export function notApart(problems: readonly string[]): HoldfastError {
  return new HoldfastError("drill-unverified", `not apart, so nothing was started: ${problems.join("; ")}`);
}

const asPod = ({ metadata, spec }: RunningPod): PodObject => ({ metadata, spec });

const pollMs = 300;
const startMs = 120_000;

/** Reasons that no waiting mends. */
const stuck = new Set(["ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "CreateContainerConfigError", "CreateContainerError", "RunContainerError", "ErrImagePull"]);

/** How a pod stands: it runs, or has ended, or why it does neither. */
export interface Standing {
  readonly pod: RunningPod;
  readonly state: "starting" | "running" | "ended" | "stuck";
  /** Of what is stuck, or starting. */
  readonly why: string;
}

/** @param times - how often it was seen to be stuck: one failed pull may be followed by one that works */
function standingOf(pod: RunningPod): Standing {
  const { phase, containerStatuses, initContainerStatuses, conditions } = pod.status;
  if (phase === "Failed" || phase === "Succeeded") return { pod, state: "ended", why: "" };
  if (containerStatuses.some(({ state }) => state.terminated !== undefined)) return { pod, state: "ended", why: "" };
  const waiting = [...initContainerStatuses, ...containerStatuses].flatMap(({ name, state }) => (state.waiting === undefined ? [] : [{ name, ...state.waiting }]));
  const hopeless = waiting.find(({ reason }) => stuck.has(reason ?? ""));
  if (hopeless !== undefined) return { pod, state: "stuck", why: `${hopeless.name}: ${hopeless.reason ?? ""}${hopeless.message === undefined ? "" : ` (${firstLine(hopeless.message)})`}` };
  if (phase === "Running" && waiting.length === 0) return { pod, state: "running", why: "" };
  const unscheduled = conditions.find(({ type, status }) => type === "PodScheduled" && status === "False");
  return { pod, state: "starting", why: unscheduled?.message ?? (waiting.map(({ name, reason }) => `${name}: ${reason ?? "waiting"}`).join(", ") || phase) };
}

const firstLine = (text: string): string => (text.split("\n")[0] ?? "").slice(0, 300);

/** Waits until each pod runs, has ended, or is stuck. @throws the cancellation; ToolFailure */
export async function awaitStarted(kubectl: Kubectl, names: readonly string[], signal: AbortSignal): Promise<Standing[]> {
  const until = performance.now() + startMs;
  for (;;) {
    throwIfCancelled(signal);
    const standings = await Promise.all(names.map(async (name) => standingOf(await readPod(kubectl, name, signal))));
    if (standings.every(({ state }) => state !== "starting") || performance.now() > until) return standings;
    await sleep(pollMs, undefined, { signal }).catch(() => undefined);
  }
}

/**
 * Makes one pod, looks at it, lets it go, and waits until it is ready.
 * @returns the ids of its images
 * @throws HoldfastError `drill-unverified` if it is not apart, or does not become ready; the cancellation
 */
export async function runPod(kubectl: Kubectl, pod: PodObject, role: Parameters<typeof confined>[1], signal: AbortSignal): Promise<string> {
  throwIfCancelled(signal);
  try {
    const made = await makePod(kubectl, pod, role);
    await letGo(kubectl, made, signal);
    return await untilReady(kubectl, made.name, signal);
  } catch (error) {
    if (error instanceof HoldfastError) throw error;
    throw new HoldfastError("drill-unverified", `no pod ${pod.metadata.name} in the namespace ${kubectl.namespace}: ${whyNot(error, kubectl.namespace)}`, { cause: error });
  }
}

async function untilReady(kubectl: Kubectl, name: string, signal: AbortSignal): Promise<string> {
  const [standing] = await awaitStarted(kubectl, [name], signal);
  if (standing?.state !== "running") throw new HoldfastError("drill-unverified", `the pod ${name} does not run: ${standing === undefined || standing.state === "ended" ? "it ended" : standing.why}`);
  const until = performance.now() + startMs;
  for (;;) {
    throwIfCancelled(signal);
    const pod = await readPod(kubectl, name, signal);
    if (isReady(pod)) return [...idsIn(pod).values()].map(({ id }) => id).join(", ");
    if (standingOf(pod).state !== "running") throw new HoldfastError("drill-unverified", `the pod ${name} ended before it was ready`);
    if (performance.now() > until) throw new HoldfastError("drill-unverified", `the pod ${name} was not ready within ${startMs / 1000} s`);
    await sleep(pollMs, undefined, { signal }).catch(() => undefined);
  }
}

export function isReady({ status }: Pick<RunningPod, "status">): boolean {
  return status.conditions.some(({ type, status: is }) => type === "Ready" && is === "True");
}

/** Removes a pod and waits until it is gone. Never rejects. @returns what is still there, looked for afterwards */
export async function removePod(kubectl: Kubectl, name: string): Promise<string[]> {
  const failure = await kubectl.run(["delete", "pod", name, "--ignore-not-found", "--grace-period=1", "--wait", "--timeout=60s"], { signal: always, timeoutMs: 60_000 }).then(() => undefined, (error: unknown) => whyNot(error, kubectl.namespace));
  try {
    const still = (await kubectl.run(["get", "pod", name, "--ignore-not-found", "--output", "name"], { signal: always })).trim();
    return still === "" ? [] : [`pod ${name}${failure === undefined ? "" : ` (${failure})`}`];
  } catch (error) {
    return [`pod ${name} (perhaps: ${whyNot(error, kubectl.namespace)})`];
  }
}
