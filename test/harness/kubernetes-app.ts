/**
 * The application on Kubernetes: two Deployments and a migration Job in a namespace of a real control plane, whose nodes are
 * played. No container runs there, so its health is answered from here: by what the ready pods would run, and by what a real
 * PostgreSQL holds.
 */
import { createHash, randomUUID } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { onTestFinished } from "vitest";

import { serverBinaries } from "../../src/postgres/binaries.ts";
import { startCluster } from "../../src/postgres/cluster.ts";
import { openSession, runScript } from "../../src/postgres/session.ts";
import { type Workbench, workbench } from "./cli.ts";
import { migrationOf, migrationsFolder, type Release } from "./compose-app.ts";
import { createNamespace, deployment, job, type Manifest, type TestNamespace } from "./kubernetes.ts";
import { rowsOf, takeCheckpoint } from "./rolling-back.ts";

export interface KubernetesApp extends Workbench {
  readonly namespace: TestNamespace;
  readonly healthUrl: string;
  /** Runs the release's migrations as a Job would, and applies its Deployments; waits for the rollout unless told otherwise. */
  deploy(release: Release, options?: { readonly wait?: boolean; readonly labels?: Readonly<Record<string, string>> }): Promise<void>;
  /** Takes the checkpoint before a release. @returns its id */
  checkpoint(release: Release): Promise<string>;
  rows(sql: string): Promise<string>;
  /** The images of all pods of both Deployments. */
  running(): Promise<string[]>;
}

export const imageOf = (name: string, release: Release): string => `clinic/${name}:${release}`;
const names = ["api", "worker"] as const;

/** What each release reads; the last one is unhealthy by a bug of its own. */
const reads: Readonly<Record<Release, string>> = {
  "1.4.1": "SELECT name, phone FROM patients LIMIT 0",
  "1.4.2": "SELECT name, phone, email FROM patients LIMIT 0",
  "1.5.0": "SELECT full_name, nickname FROM patients LIMIT 0",
};

const ledgerSql = `CREATE TABLE IF NOT EXISTS _prisma_migrations (
  id VARCHAR(36) PRIMARY KEY, checksum VARCHAR(64) NOT NULL, finished_at TIMESTAMPTZ, migration_name VARCHAR(255) NOT NULL,
  logs TEXT, rolled_back_at TIMESTAMPTZ, started_at TIMESTAMPTZ NOT NULL DEFAULT now(), applied_steps_count INTEGER NOT NULL DEFAULT 0);\n`;

export function manifestsOf(release: Release, labels: Readonly<Record<string, string>> = {}): Manifest[] {
  return names.map((name) => deployment(name, imageOf(name, release), { replicas: name === "api" ? 2 : 1, labels, env: { LOG_LEVEL: "info" } }));
}

/** Release 1.4.1 runs, with a few patients. */
export async function kubernetesApp(extra: Readonly<Record<string, string>> = {}): Promise<KubernetesApp> {
  const binaries = await serverBinaries();
  if (binaries === undefined) throw new Error("PostgreSQL's programs are not on this machine");
  const cluster = await startCluster({ binaries });
  onTestFinished(() => cluster.stop());
  const env = { PGHOST: cluster.socket, PGPORT: String(cluster.port), PGUSER: cluster.user };
  const psql = [join(binaries, "psql")] as const;
  const target = { psql, env: { ...env, PGDATABASE: "clinic" } };
  await runScript({ psql, env: { ...env, PGDATABASE: "postgres" } }, "CREATE DATABASE clinic TEMPLATE template0;\n");
  const namespace = await createNamespace("clinic");
  const healthUrl = await serveHealth(namespace, async (release) => {
    const session = await openSession(target);
    try {
      await session.execute("SET search_path = public");
      await session.rows(reads[release]);
    } finally {
      await session.close();
    }
  });
  const here = await workbench(`postgresql://${cluster.user}@localhost:${cluster.port}/clinic?host=${encodeURIComponent(cluster.socket)}`, {
    KUBECONFIG: namespace.kubeconfig,
    HOLDFAST_ROLLBACK_KUBERNETES_CONTEXT: "holdfast-test",
    HOLDFAST_ROLLBACK_KUBERNETES_NAMESPACE: namespace.name,
    HOLDFAST_ROLLBACK_KUBERNETES_WORKLOADS: names.map((name) => `deployment/${name}`).join(","),
    HOLDFAST_ROLLBACK_KUBERNETES_ROLLOUT_TIMEOUT: "20s",
    HOLDFAST_ROLLBACK_HEALTH_URL: healthUrl,
    HOLDFAST_ROLLBACK_HEALTH_TIMEOUT: "30s",
    ...extra,
  });
  await here.ok("repository", "init");
  const app: KubernetesApp = {
    ...here,
    namespace,
    healthUrl,
    deploy: async (release, { wait = true, labels } = {}) => {
      await migrate(target, release);
      await namespace.kubectl("delete", "job", "migrate", "--ignore-not-found");
      await namespace.apply(job("migrate", imageOf("api", release)), ...manifestsOf(release, labels));
      if (wait) for (const name of names) await namespace.kubectl("rollout", "status", `deployment/${name}`, "--timeout", "60s");
    },
    checkpoint: (release) => takeCheckpoint(here, release),
    rows: (sql) => rowsOf(target, sql),
    running: async () => (await namespace.kubectl("get", "pods", "--selector", "app in (api, worker)", "--output", "jsonpath={range .items[*]}{.spec.containers[0].image}{\"\\n\"}{end}")).trim().split("\n").sort(),
  };
  await app.deploy("1.4.1");
  await runScript(target, "INSERT INTO public.patients (name) SELECT 'before' FROM generate_series(1, 40);\n");
  return app;
}

/** Runs SQL that writes. */
export async function write({ env }: Workbench, sql: string): Promise<void> {
  const url = new URL(env["DATABASE_URL"] ?? "");
  const psql = [join((await serverBinaries()) ?? "", "psql")] as const;
  await runScript({ psql, env: { PGHOST: url.searchParams.get("host") ?? "", PGPORT: url.port, PGUSER: url.username, PGDATABASE: "clinic" } }, `SET search_path = public;\n${sql};\n`);
}

async function migrate(target: Parameters<typeof runScript>[0], release: Release): Promise<void> {
  await runScript(target, `SET client_min_messages = warning;\n${ledgerSql.replace("_prisma", "public._prisma")}`);
  const session = await openSession(target);
  const done = await session.rows<{ name: string }>("SELECT migration_name AS name FROM public._prisma_migrations").finally(() => session.close());
  for (const [of, name] of Object.entries(migrationOf)) {
    if (!done.some((row) => row.name === name)) {
      const sql = await readFile(join(migrationsFolder, name, "migration.sql"), "utf8");
      const checksum = createHash("sha256").update(sql).digest("hex");
      await runScript(target, `BEGIN;\nSET LOCAL search_path = public;\n${sql}\nINSERT INTO _prisma_migrations (id, checksum, finished_at, migration_name, applied_steps_count) VALUES ('${randomUUID()}', '${checksum}', now(), '${name}', 1);\nCOMMIT;\n`);
    }
    if (of === release) break;
  }
}

async function serveHealth(namespace: TestNamespace, tries: (release: Release) => Promise<void>): Promise<string> {
  const server = createServer((_request, response) => {
    void answer(namespace, tries).then(({ status, body }) => { response.writeHead(status, { "content-type": "application/json", connection: "close" }).end(JSON.stringify(body)); });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => { server.close(); });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return `http://127.0.0.1:${address.port}/api/health`;
}

async function answer(namespace: TestNamespace, tries: (release: Release) => Promise<void>): Promise<{ status: number; body: object }> {
  const { stdout } = await namespace.tryKubectl("get", "pods", "--selector", "app=api", "--output", "json");
  interface Pod { metadata: { deletionTimestamp?: string }; spec: { containers: { image: string }[] }; status: { conditions?: { type: string; status: string }[] } }
  const pods = (JSON.parse(stdout || '{"items":[]}') as { items: Pod[] }).items.filter(({ metadata, status }) => metadata.deletionTimestamp === undefined && status.conditions?.some(({ type, status: is }) => type === "Ready" && is === "True"));
  const releases = [...new Set(pods.map(({ spec }) => spec.containers[0]?.image.split(":")[1]))];
  const version = releases[0];
  if (version === undefined) return { status: 503, body: { status: "unhealthy", problem: "nothing runs" } };
  const fits = releases.length === 1 && (await tries(version as Release).then(() => true, () => false));
  return fits ? { status: 200, body: { status: "healthy", version, database: "connected" } } : { status: 503, body: { status: "unhealthy", version, database: "connected" } };
}

export const patients = (app: KubernetesApp): Promise<string> => app.rows("SELECT count(*) AS rows, max(id) AS last FROM patients");
/** What runs when release 1.4.1 does. */
export const old = [imageOf("api", "1.4.1"), imageOf("api", "1.4.1"), imageOf("worker", "1.4.1")];

/** Release 1.5.0 renames columns, is unhealthy, and somebody wrote three rows since. */
export async function badRelease(): Promise<KubernetesApp & { readonly before: string }> {
  const app = await kubernetesApp();
  const before = await patients(app);
  await app.checkpoint("1.5.0");
  await app.deploy("1.5.0");
  await write(app, "INSERT INTO patients (full_name) SELECT 'in between' FROM generate_series(1, 3)");
  return { ...app, before };
}
