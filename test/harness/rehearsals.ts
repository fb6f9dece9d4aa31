/** Checkpoints of the application under Compose, as `checkpoint create` records them, for rehearsals. */
import { createHash } from "node:crypto";

import { createBackup } from "../../src/app/backup/create-backup.ts";
import { openWorkplace, requireSigner } from "../../src/app/context.ts";
import { type RehearsalResult, type RehearseOptions, rehearseRollback } from "../../src/app/rollback/rehearse-rollback.ts";
import { backupKey, manifestFile } from "../../src/catalog/layout.ts";
import type { DatabaseConfig } from "../../src/config/config.ts";
import { drillDefaults } from "../../src/config/drill-settings.ts";
import type { HealthSettings, RollbackSettings } from "../../src/config/rollback-settings.ts";
import { HoldfastError } from "../../src/errors.ts";
import type { Checkpoint } from "../../src/rollback/checkpoint/checkpoint.ts";
import { checkpointId } from "../../src/rollback/checkpoint/names.ts";
import { publishCheckpoint } from "../../src/rollback/checkpoint/records.ts";
import { composePlatform } from "../../src/rollback/platform/compose/compose-platform.ts";
import type { PlatformState } from "../../src/rollback/platform/platform.ts";
import type { RehearsalEvidence } from "../../src/rollback/rehearsal/evidence.ts";
import { listRehearsals } from "../../src/rollback/rehearsal/records.ts";
import type { ComposeApp } from "./compose-app.ts";
import type { Bench } from "./context.ts";
import { docker } from "./containers.ts";

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

/** What the configuration says of the application. */
export function rollbackOf(app: Pick<ComposeApp, "settings" | "healthUrl">, health: Partial<HealthSettings> = {}): RollbackSettings {
  return {
    platform: "compose", compose: app.settings, kubernetes: undefined, migrations: undefined, maintenance: undefined, errorBudget: undefined, databaseVariable: "DATABASE_URL",
    health: { url: app.healthUrl, status: 200, expect: { status: "healthy", database: "connected", version: "{release}" }, versionPath: "version", times: 2, intervalMs: 100, timeoutMs: 20_000, ...health },
    runbooks: undefined, severity: "sev2", stakeholders: [],
  };
}

/** A database of the bench whose application is under Compose. */
export function composed(app: Pick<ComposeApp, "settings" | "healthUrl">, health: Partial<HealthSettings> = {}): Partial<DatabaseConfig> {
  return { digests: "all", rollback: rollbackOf(app, health), drill: { ...drillDefaults, image: "holdfast-test/drill-postgres:{major}", storage: "tmpfs" } };
}

/** What runs now, as a checkpoint records it. */
export function stateOf(app: ComposeApp): Promise<PlatformState> {
  return composePlatform(app.settings).capture(new AbortController().signal);
}

/** A backup now, and the checkpoint that says that this state ran with it. */
export async function checkpointOf(here: Bench, state: PlatformState, running: string, change: Partial<Checkpoint> = {}): Promise<Checkpoint> {
  const { context } = here;
  const { manifest } = await createBackup(context, {});
  const workplace = await openWorkplace(context);
  try {
    const signer = await requireSigner(context.config);
    const stored = await workplace.repository.store.get(backupKey(manifest.database, manifest.id, manifestFile));
    const takenAt = context.clock.now();
    const release = `after-${running}`;
    const checkpoint: Checkpoint = {
      format: 1, kind: "holdfast-checkpoint", id: checkpointId(release, takenAt), database: manifest.database, release, running, takenAt: takenAt.toISOString(), reason: null,
      by: { user: "tester", host: "here", operator: null, holdfast: "0.0.0" },
      backup: { id: manifest.id, snapshotAt: manifest.snapshotAt, manifestSha256: createHash("sha256").update(stored!.bytes).digest("hex"), reused: false },
      state, ledgers: [], schemaFingerprint: sha256("schema"), health: null, pending: null, signer: signer.id, ...change,
    };
    await publishCheckpoint(workplace.repository, checkpoint, signer);
    return checkpoint;
  } finally {
    await workplace.close();
  }
}

export interface RehearsalEnding {
  /** Read back from the repository. */
  readonly evidence: RehearsalEvidence;
  readonly error: HoldfastError | undefined;
  readonly result: RehearsalResult | undefined;
}

/** Rehearses, and gives the evidence whatever the verdict. */
export async function rehearse(here: Bench, options: RehearseOptions = {}): Promise<RehearsalEnding> {
  let result: RehearsalResult | undefined;
  let error: HoldfastError | undefined;
  const before = new Set((await rehearsals(here)).map(({ id }) => id));
  try {
    result = await rehearseRollback(here.context, options);
  } catch (thrown) {
    if (!(thrown instanceof HoldfastError)) throw thrown;
    error = thrown;
  }
  const made = (await rehearsals(here)).find(({ id }) => !before.has(id));
  if (made?.evidence === undefined) throw error ?? made?.problem ?? new Error("no evidence was left");
  return { evidence: made.evidence, error, result };
}

export async function rehearsals({ context }: Bench): ReturnType<typeof listRehearsals> {
  const workplace = await openWorkplace(context);
  try {
    return await listRehearsals(workplace.repository, "ehr");
  } finally {
    await workplace.close();
  }
}

/** Everything of rehearsals and scratches that this engine has, which must be nothing in the end. */
export async function remains(): Promise<string[]> {
  const containers = await docker("ps", "-a", "--format", "{{.Names}}", "--filter", "name=holdfast-rehearsal-", "--filter", "name=holdfast-drill-");
  const networks = await docker("network", "ls", "--format", "{{.Name}}", "--filter", "name=holdfast-rehearsal-");
  const volumes = await docker("volume", "ls", "--quiet", "--filter", "name=holdfast-drill-");
  return [containers, networks, volumes].flatMap((text) => text.split("\n").filter((line) => line !== ""));
}

export function outcomeOf(evidence: RehearsalEvidence, id: string): string {
  const found = evidence.checks.find((check) => check.id === id);
  return found === undefined ? `no check ${id}` : `${found.outcome}: ${found.detail}`;
}
