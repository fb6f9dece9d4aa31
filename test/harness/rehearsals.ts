/** Checkpoints of the application under Compose, as `checkpoint create` records them, for rehearsals. */
import { createHash } from "node:crypto";
import { chmod, readFile } from "node:fs/promises";
import { join } from "node:path";
import { onTestFinished } from "vitest";

import { createBackup } from "../../src/app/backup/create-backup.ts";
import { openWorkplace, requireSigner } from "../../src/app/context.ts";
import { type RehearsalResult, type RehearseOptions, rehearseRollback } from "../../src/app/rehearsal/rehearse-rollback.ts";
import { backupKey, manifestFile } from "../../src/catalog/layout.ts";
import type { DatabaseConfig } from "../../src/config/config.ts";
import { drillDefaults, type SmokeTest } from "../../src/config/drill-settings.ts";
import type { HealthSettings, RollbackSettings } from "../../src/config/rollback-settings.ts";
import { HoldfastError } from "../../src/errors.ts";
import { serverBinaries } from "../../src/postgres/binaries.ts";
import { startCluster } from "../../src/postgres/cluster.ts";
import { runScript } from "../../src/postgres/session.ts";
import type { Checkpoint } from "../../src/rollback/checkpoint/checkpoint.ts";
import { checkpointId } from "../../src/rollback/checkpoint/names.ts";
import { publishCheckpoint } from "../../src/rollback/checkpoint/records.ts";
import { composePlatform } from "../../src/rollback/platform/compose/compose-platform.ts";
import type { PlatformState } from "../../src/rollback/platform/platform.ts";
import type { RehearsalEvidence } from "../../src/rollback/rehearsal/evidence.ts";
import { listRehearsals } from "../../src/rollback/rehearsal/records.ts";
import { type ComposeApp, migrationOf, migrationsFolder, type Release } from "./compose-app.ts";
import { bench, type Bench } from "./context.ts";
import { docker } from "./containers.ts";

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

/** What the configuration says of the application. */
export function rollbackOf(app: Pick<ComposeApp, "settings" | "healthUrl">, health: Partial<HealthSettings> = {}): RollbackSettings {
  return {
    platform: "compose", compose: app.settings, kubernetes: undefined, migrations: undefined, maintenance: undefined, errorBudget: undefined, databaseVariable: "DATABASE_URL",
    health: { url: app.healthUrl, status: 200, expect: { status: "healthy", database: "connected", version: "{release}" }, versionPath: "version", times: 2, intervalMs: 100, timeoutMs: 60_000, ...health },
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
    const signer = await requireSigner(context.config, "rehearsal");
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

/** Everything of rehearsals and scratches that a process has made on this engine, which must be nothing in the end. */
export async function remains(pid = process.pid): Promise<string[]> {
  const names = await Promise.all([
    docker("ps", "-a", "--format", "{{.Names}}"), docker("network", "ls", "--format", "{{.Name}}"), docker("volume", "ls", "--format", "{{.Name}}"),
  ]);
  return names.flatMap((text) => text.split("\n")).filter((name) => new RegExp(`^holdfast-(?:rehearsal|drill)-${pid}-`).test(name));
}

export function outcomeOf(evidence: RehearsalEvidence, id: string): string {
  const found = evidence.checks.find((check) => check.id === id);
  return found === undefined ? `no check ${id}` : `${found.outcome}: ${found.detail}`;
}

/** A clinic of a release without its deployment: its real schema in a cluster of its own, and a bench for it. */
export async function clinicAt(release: Release, health: Partial<HealthSettings> = {}, smoke?: SmokeTest): Promise<Bench> {
  const binaries = (await serverBinaries())!;
  const cluster = await startCluster({ binaries });
  onTestFinished(() => cluster.stop());
  const target = { psql: [join(binaries, "psql")] as const, env: { PGHOST: cluster.socket, PGPORT: String(cluster.port), PGUSER: cluster.user } };
  await runScript({ ...target, env: { ...target.env, PGDATABASE: "postgres" } }, "CREATE DATABASE ehr TEMPLATE template0;\n");
  const migrations = Object.entries(migrationOf).filter(([each]) => each <= release).map(([, name]) => readFile(join(migrationsFolder, name, "migration.sql"), "utf8"));
  await runScript({ ...target, env: { ...target.env, PGDATABASE: "ehr" } }, `${(await Promise.all(migrations)).join("\n")}\nINSERT INTO patients (name, phone) VALUES ('Ada', '1'), ('Grace', '2'), ('Edith', '3');\n`);
  const settings = { project: "clinic", files: ["/srv/clinic/compose.yaml"], envFiles: [], profiles: [], services: ["app"], context: undefined };
  const database = composed({ settings, healthUrl: "http://127.0.0.1:18080/api/health" }, { timeoutMs: 60_000, ...health });
  const here = await bench(`postgresql://${cluster.user}@localhost:${cluster.port}/ehr?host=${encodeURIComponent(cluster.socket)}`, { database: { ...database, drill: { ...database.drill!, smoke } } });
  await chmod(here.folder, 0o755);
  return here;
}

const concealed = `scrypt:${"a".repeat(64)}`;

/** The application as a checkpoint records it, with its secrets concealed. */
export async function recordedState(release: Release, change: { readonly image?: string; readonly resolved?: Readonly<Record<string, unknown>> } = {}): Promise<PlatformState> {
  const reference = `holdfast-test/app:${release}`;
  const id = change.image ?? (await docker("image", "inspect", "--format", "{{.Id}}", reference));
  const resolved = { image: reference, command: null, environment: { DATABASE_URL: concealed, SESSION_SECRET: concealed, LOG_LEVEL: "info" }, ports: [{ mode: "ingress", host_ip: "127.0.0.1", target: 8080, published: "18080", protocol: "tcp" }], ...change.resolved };
  return { platform: "compose", address: { project: "clinic" }, settings: [], workloads: [{ kind: "service", name: "app", images: [{ container: "app", reference, id, pinned: null }], replicas: 1, revision: null, configSha256: sha256(release), healthChecked: true, resolved }] };
}
