/** Kubernetes by kubectl, always with its context and namespace named. */
import type { KubernetesSettings } from "../../../config/rollback-settings.ts";
import type { Platform } from "../platform.ts";
import { capture, forgets } from "./capture.ts";
import { cannotLook, kubectlOf } from "./kubectl.ts";
import { observe } from "./observe.ts";
import { preflight } from "./preflight.ts";
import { startTarget } from "./start-target.ts";
import { stopWriters } from "./stop-writers.ts";
import { parseWorkload } from "./workload.ts";

/** @throws HoldfastError `configuration` if a workload's name cannot be read */
export function kubernetesPlatform(settings: KubernetesSettings): Platform {
  const kubectl = kubectlOf(settings);
  const workloads = settings.workloads.map(parseWorkload);
  const address = { context: settings.context, namespace: settings.namespace };
  return {
    kind: "kubernetes",
    address,
    confirmName: settings.namespace,
    capture: (signal) => capture(kubectl, workloads, address, signal),
    // The nodes' images are not ours to keep: a revision is pulled again from its registry.
    pin: (state) => Promise.resolve(state),
    unpin: () => Promise.resolve({ released: new Map(), failed: [] }),
    forgets: (signal) => forgets(kubectl, workloads, signal),
    preflight: (target, now, signal) => preflight(kubectl, target, now, signal),
    stopWriters: (now) => stopWriters(kubectl, now, settings.rolloutTimeoutMs),
    startTarget: (target, now) => startTarget(kubectl, target, now, settings.rolloutTimeoutMs),
    async observe(target, signal) {
      try {
        return await observe(kubectl, target, signal);
      } catch (error) {
        throw cannotLook(error, "the workloads", kubectl);
      }
    },
  };
}
