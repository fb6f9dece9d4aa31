/** What the configuration says about how a database's application is deployed, and rolled back. */

export const platformNames = ["compose", "kubernetes", "none"] as const;
export type PlatformName = (typeof platformNames)[number];

export interface ComposeSettings {
  readonly project: string;
  /** Absolute, in Compose's order. */
  readonly files: readonly string[];
  readonly envFiles: readonly string[];
  readonly profiles: readonly string[];
  /** Services that belong to the release: they are stopped, and get their images back. */
  readonly services: readonly string[];
  /** Docker context; undefined: the engine of this host's own socket. */
  readonly context: string | undefined;
}

export interface KubernetesSettings {
  readonly context: string;
  readonly namespace: string;
  /** Undefined: KUBECONFIG, as kubectl reads it; the context is always named. */
  readonly kubeconfig: string | undefined;
  /** `deployment/app`, `statefulset/worker`. */
  readonly workloads: readonly string[];
  /** How long a rollout may take, before it counts as failed. */
  readonly rolloutTimeoutMs: number;
}

export interface HealthSettings {
  readonly url: string;
  readonly status: number;
  /** JSON paths in dots and what must stand there; `{release}` stands for the release that is expected. */
  readonly expect: Readonly<Record<string, string | number | boolean>>;
  /** Where the answer tells the application's version; undefined if it does not. */
  readonly versionPath: string | undefined;
  /** How often in a row it must pass. */
  readonly times: number;
  readonly intervalMs: number;
  /** Until when that must have been reached. */
  readonly timeoutMs: number;
}

export interface RollbackSettings {
  /** Undefined: the one that is configured. */
  readonly platform: PlatformName | undefined;
  readonly compose: ComposeSettings | undefined;
  readonly kubernetes: KubernetesSettings | undefined;
  /** Folder of the migrations, one folder or file each. */
  readonly migrations: string | undefined;
  readonly health: HealthSettings | undefined;
  /** Commands that stop and start what writes, in place of stopping the workloads. */
  readonly maintenance: { readonly on: readonly [string, ...string[]]; readonly off: readonly [string, ...string[]] } | undefined;
  /** Exit 0: the error budget holds. */
  readonly errorBudget: readonly [string, ...string[]] | undefined;
  /** The variable in which the application finds its database, for rehearsals. */
  readonly databaseVariable: string;
  /** Folder of runbooks beside those that are shipped. */
  readonly runbooks: string | undefined;
  readonly severity: string;
  readonly stakeholders: readonly string[];
}
