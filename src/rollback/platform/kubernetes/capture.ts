/** What runs in a namespace at one moment. */
import { setTimeout as sleep } from "node:timers/promises";

import { HoldfastError } from "../../../errors.ts";
import type { PlatformState, WorkloadState } from "../platform.ts";
import { idsOf } from "./image-id.ts";
import { cannotLook, type Kubectl } from "./kubectl.ts";
import { recordOf } from "./record.ts";
import { captureSettings } from "./settings.ts";
import { configurationSha256, containersOf, isHealthChecked } from "./template.ts";
import { belongings, findWorkload, inWords, isCurrent, revisionOf, type LiveWorkload, type WorkloadName } from "./workload.ts";

/** @throws HoldfastError `configuration` if a workload is not there, or may not be looked at; `cancelled` */
export async function capture(kubectl: Kubectl, names: readonly WorkloadName[], address: Readonly<Record<string, string>>, signal: AbortSignal): Promise<PlatformState> {
  const workloads: WorkloadState[] = [];
  const templates: LiveWorkload["template"][] = [];
  for (const name of names) {
    try {
      const live = await settled(kubectl, name, signal);
      workloads.push(await captureWorkload(kubectl, live, signal));
      templates.push(live.template);
    } catch (error) {
      throw cannotLook(error, inWords(name), kubectl);
    }
  }
  try {
    return { platform: "kubernetes", address: { ...address }, workloads, settings: await captureSettings(kubectl, templates, signal) };
  } catch (error) {
    throw cannotLook(error, "a ConfigMap or Secret", kubectl);
  }
}

const settleMs = 5_000;
const pollMs = 250;

/** The workload once its controller has seen its last change, and given it a revision; as it is where that takes long. */
async function settled(kubectl: Kubectl, name: WorkloadName, signal: AbortSignal): Promise<LiveWorkload> {
  const until = performance.now() + settleMs;
  for (;;) {
    const live = await findWorkload(kubectl, name, signal);
    if (live === undefined) {
      throw new HoldfastError("configuration", `${inWords(name)} is not in namespace ${kubectl.namespace}`, {
        hints: [`Check databases.NAME.rollback.kubernetes.workloads, and \`kubectl --namespace ${kubectl.namespace} get deployments,statefulsets\` in the configured context.`],
      });
    }
    if ((live.object.status.observedGeneration >= live.generation && revisionOf(live) !== null) || performance.now() > until) return live;
    await sleep(pollMs, undefined, { signal }).catch(() => undefined);
  }
}

async function captureWorkload(kubectl: Kubectl, live: LiveWorkload, signal: AbortSignal): Promise<WorkloadState> {
  const own = await belongings(kubectl, live, signal);
  const pods = own.pods.filter((pod) => isCurrent(pod, live, own));
  const imageIds = Object.fromEntries(containersOf(live.template).map(({ name }) => [name, idsOf(name, pods)]));
  return {
    kind: live.kind,
    name: live.name,
    // Where nothing runs there is no content to know it by: the name stands for it, and observing says so.
    images: containersOf(live.template).map(({ name, image }) => ({ container: name, reference: image, id: imageIds[name]?.[0] ?? image, pinned: null })),
    replicas: live.replicas,
    revision: revisionOf(live),
    configSha256: configurationSha256(live.template),
    healthChecked: isHealthChecked(live.template),
    resolved: { ...recordOf(live, imageIds) },
  };
}

/** A template is kept by the history alone. @throws as {@link capture} */
export async function forgets(kubectl: Kubectl, names: readonly WorkloadName[], signal: AbortSignal): Promise<string[]> {
  const live = await Promise.all(names.map((name) => findWorkload(kubectl, name, signal).catch((error: unknown) => { throw cannotLook(error, inWords(name), kubectl); })));
  return live.flatMap((each) => (each?.object.spec.revisionHistoryLimit === 0 ? [`${inWords(each)} keeps no former revision (revisionHistoryLimit: 0): once another release is applied, nothing can bring this one back; set it to 2 or more in its manifest before the deploy`] : []));
}
