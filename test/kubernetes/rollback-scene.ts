/** An application in a namespace of its own, and how its rollback's steps are run. */
import { join } from "node:path";
import { inject, vi } from "vitest";

import type { KubernetesSettings } from "../../src/config/rollback-settings.ts";
import type { PreflightFinding } from "../../src/rollback/finding.ts";
import { kubernetesPlatform } from "../../src/rollback/platform/kubernetes/kubernetes-platform.ts";
import type { Platform, PlatformState } from "../../src/rollback/platform/platform.ts";
import { createNamespace, type Manifest, type TestNamespace } from "../harness/kubernetes.ts";

// Dozens of kubectl's processes, on a machine that may be busy.
vi.setConfig({ testTimeout: 300_000 });

export const signal = new AbortController().signal;

export interface Scene extends TestNamespace {
  readonly settings: KubernetesSettings;
  readonly platform: Platform;
  readonly capture: () => Promise<PlatformState>;
  /** Applies and waits until it runs. */
  readonly release: (...manifests: Manifest[]) => Promise<void>;
}

export async function scene(workloads: readonly string[], changed: Partial<KubernetesSettings> = {}): Promise<Scene> {
  process.env["KUBECACHEDIR"] = join(inject("kubernetes").folder, "cache");
  const namespace = await createNamespace("ehr");
  const settings = { context: "holdfast-test", namespace: namespace.name, kubeconfig: namespace.kubeconfig, workloads, rolloutTimeoutMs: 90_000, ...changed };
  const platform = kubernetesPlatform(settings);
  return {
    ...namespace,
    settings,
    platform,
    capture: () => platform.capture(signal),
    release: async (...manifests) => {
      await namespace.apply(...manifests);
      for (const { kind, metadata, spec } of manifests) {
        const byHand = JSON.stringify(spec ?? {}).includes('"OnDelete"');
        if ((kind === "Deployment" || kind === "StatefulSet") && !byHand) await namespace.kubectl("rollout", "status", `${kind.toLowerCase()}/${(metadata as { name: string }).name}`, "--timeout", "60s");
      }
    },
  };
}

export function finding(findings: readonly PreflightFinding[], id: string): PreflightFinding {
  const found = findings.find((candidate) => candidate.id === id);
  if (found === undefined) throw new Error(`no finding ${id} among ${findings.map((one) => one.id).join(", ")}`);
  return found;
}

/** A container of a manifest, with a readiness probe unless `extra` says otherwise. */
export function workload(kind: "Deployment" | "StatefulSet", name: string, image: string, options: { replicas?: number; labels?: Record<string, string>; metadata?: Record<string, unknown>; spec?: Record<string, unknown>; container?: Record<string, unknown>; pod?: Record<string, unknown> } = {}): Manifest {
  const { replicas = 2, labels, metadata, spec, container, pod } = options;
  return {
    apiVersion: "apps/v1",
    kind,
    metadata: { name, ...metadata },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      ...(kind === "StatefulSet" && { serviceName: name }),
      template: {
        metadata: { labels: { app: name, ...labels } },
        spec: { containers: [{ name, image, readinessProbe: { httpGet: { path: "/api/health", port: 3000 } }, ...container }], ...pod },
      },
      ...spec,
    },
  };
}
