/** Where an application runs. Compose and Kubernetes look alike from here; everything is addressed explicitly, never by an ambient default. */
import { z } from "zod";

import type { PreflightFinding } from "../finding.ts";
import type { RollbackStep } from "../step.ts";

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

export const imageShape = z.strictObject({
  /** Of the container within its workload; a Compose service has one, named as the service. */
  container: z.string(),
  /** As the configuration writes it: `ehr-app:1.4.1`. */
  reference: z.string(),
  /** Content id or digest that really runs: `sha256:…` (Compose), `…@sha256:…` (Kubernetes). */
  id: z.string(),
  /** The extra tag that keeps it from being pruned, once {@link Platform.pin} made it. */
  pinned: z.string().nullable(),
});

export const workloadShape = z.strictObject({
  kind: z.enum(["service", "deployment", "statefulset"]),
  name: z.string(),
  images: z.array(imageShape).min(1),
  /** Replicas that are asked for. */
  replicas: z.int().nonnegative(),
  /** Revision of a Deployment (`deployment.kubernetes.io/revision`) or the StatefulSet's `updateRevision`; null on Compose. */
  revision: z.string().nullable(),
  /** SHA-256 of the resolved configuration without the image: of the service, or of the pod template. */
  configSha256: sha256,
  /** Whether the platform itself can see that it works: a Compose health check, a readiness probe. */
  healthChecked: z.boolean(),
  /**
   * The workload as it was resolved, to be made again: a Compose service (its secret values replaced by `scrypt:…`), or the pod
   * template of a workload (which names secrets and holds none; literal values of variables that look secret are hashed too).
   */
  resolved: z.record(z.string(), z.unknown()),
});

export const settingShape = z.strictObject({
  /** `mounted`: a file, or a text of the Compose files, that a service finds among its own: a configuration, a secret, a bind mount. */
  kind: z.enum(["configmap", "secret", "env-file", "compose-file", "mounted"]),
  name: z.string(),
  sha256,
});

/** What runs on a platform at one moment. */
export const platformStateShape = z.strictObject({
  platform: z.enum(["compose", "kubernetes", "none"]),
  /** `{ project: "ehr", files: "/srv/ehr/compose.yaml" }`, `{ context, namespace }`: shown before the confirmation, and compared. */
  address: z.record(z.string(), z.string()),
  workloads: z.array(workloadShape),
  /** Configuration that stands beside the workloads. Its content is never kept. */
  settings: z.array(settingShape),
});

export type ImageState = z.infer<typeof imageShape>;
export type WorkloadState = z.infer<typeof workloadShape>;
export type SettingState = z.infer<typeof settingShape>;
export type PlatformState = z.infer<typeof platformStateShape>;

/** What was seen of one workload after the rollback. */
export interface WorkloadObservation {
  readonly workload: string;
  /** One for each replica that runs or should: what it runs, and whether the platform counts it as ready. */
  readonly replicas: readonly {
    readonly name: string;
    readonly images: readonly string[];
    readonly ready: boolean;
    /** Another one whenever it was started again; absent where `ready` tells as much. */
    readonly start?: string;
  }[];
  /** Why it is not as it should be: a sentence; undefined if every replica runs the target's images and is ready. */
  readonly problem: string | undefined;
}

/** A checkpoint and what it recorded, with its pins. */
export interface CheckpointPins {
  readonly checkpoint: string;
  readonly state: PlatformState;
}

export interface Unpinned {
  /** By checkpoint, the tags that were given up. */
  readonly released: ReadonlyMap<string, readonly string[]>;
  /** What could not be, and why: sentences. */
  readonly failed: readonly string[];
}

export interface Platform {
  readonly kind: PlatformState["platform"];
  /** As {@link PlatformState.address}. */
  readonly address: Readonly<Record<string, string>>;
  /** What the operator types to confirm: the Compose project, or the namespace. */
  readonly confirmName: string;
  /** @throws HoldfastError `configuration` if the platform or a workload is not there; `not-found`; `cancelled` */
  capture(signal: AbortSignal): Promise<PlatformState>;
  /**
   * Keeps the images from being pruned, under a tag that names the checkpoint. Safe to repeat.
   * @returns the state with its `pinned` filled in; unchanged where the platform has nothing to pin (Kubernetes)
   */
  pin(state: PlatformState, checkpoint: string, signal: AbortSignal): Promise<PlatformState>;
  /**
   * Gives up the pins of `old` checkpoints. An image that one of `kept` recorded too keeps them unless that one's own pin is
   * there; one that something else uses is left alone. Safe to repeat.
   */
  unpin(old: readonly CheckpointPins[], kept: readonly CheckpointPins[], signal: AbortSignal): Promise<Unpinned>;
  /** What of the present state will be gone once another is deployed, so that no rollback could bring it back: sentences. Absent where all is kept. */
  forgets?(signal: AbortSignal): Promise<string[]>;
  /**
   * Looks at everything that could keep the way from `now` to `target` from succeeding. Changes nothing.
   * @param since - when `target` was captured, where that is known
   */
  preflight(target: PlatformState, now: PlatformState, signal: AbortSignal, since?: Date): Promise<PreflightFinding[]>;
  /** Stops every workload of `now` that may write: maintenance. Its `undo` brings back exactly `now`. */
  stopWriters(now: PlatformState): RollbackStep;
  /**
   * Brings the workloads from `now` to `target`: images, configuration, replicas; also after {@link stopWriters}, whose stopped
   * state it starts from. Where somebody else changed a workload since `now` was captured it fails with `refused` rather than
   * overwrite. The `undo` of each brings that workload back to `now`.
   */
  startTarget(target: PlatformState, now: PlatformState): RollbackStep[];
  /** Looks at every replica. Does not wait. */
  observe(target: PlatformState, signal: AbortSignal): Promise<WorkloadObservation[]>;
}
