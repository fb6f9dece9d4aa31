/** The application on a real node: its database, two Deployments of a release, a ConfigMap and a Secret, and a bench for its rehearsals. */
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { drillDefaults, type SmokeTest } from "../../src/config/drill-settings.ts";
import type { HealthSettings, KubernetesSettings } from "../../src/config/rollback-settings.ts";
import { serverBinaries } from "../../src/postgres/binaries.ts";
import { runScript } from "../../src/postgres/session.ts";
import { kubernetesPlatform } from "../../src/rollback/platform/kubernetes/kubernetes-platform.ts";
import type { PlatformState } from "../../src/rollback/platform/platform.ts";
import { migrationOf, migrationsFolder, type Release } from "./compose-app.ts";
import { bench, type Bench } from "./context.ts";
import type { Manifest, TestNamespace } from "./kubernetes.ts";
import type { RealNode } from "./kubernetes-node.ts";

export interface KubernetesClinic {
  readonly namespace: TestNamespace;
  readonly settings: KubernetesSettings;
  readonly databaseUrl: string;
  readonly password: string;
  readonly sessionSecret: string;
  /** In the database in production. */
  sql(script: string): Promise<void>;
  /** Brings the database to what a release needs. */
  migrate(release: Release): Promise<void>;
  /** Applies the Deployments of a release and waits until they are ready. */
  deploy(release: Release, change?: Change): Promise<void>;
  state(): Promise<PlatformState>;
  bench(options?: { readonly health?: Partial<HealthSettings>; readonly smoke?: SmokeTest; readonly kubernetes?: Partial<KubernetesSettings> }): Promise<Bench>;
}

/** What a test changes in the container of `app`, and in its pod. */
export interface Change {
  readonly container?: Manifest;
  readonly pod?: Manifest;
}

const appImage = (release: Release): string => `holdfast-test/app:${release}`;
const databaseImage = "holdfast-test/app-db:local";
const copyImage = "holdfast-test/drill-postgres:15";

/** Makes a node know the images of a release, and of PostgreSQL. */
export async function loadClinic(node: RealNode, release: Release): Promise<void> {
  for (const image of [appImage(release), databaseImage, copyImage]) await node.loadImage(image);
}

/** Release 1.4.1's schema, with three patients, and its pods. */
export async function kubernetesClinic(node: RealNode): Promise<KubernetesClinic> {
  const namespace = await node.createNamespace("clinic");
  const password = `pw-${randomBytes(8).toString("hex")}`;
  const sessionSecret = `session-${randomBytes(8).toString("hex")}`;
  await namespace.apply(
    { apiVersion: "v1", kind: "Secret", metadata: { name: "app" }, stringData: { SESSION_SECRET: sessionSecret } },
    { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "app" }, data: { LOG_LEVEL: "info" } },
    { apiVersion: "v1", kind: "Secret", metadata: { name: "db" }, stringData: { password } },
    {
      apiVersion: "v1", kind: "Pod", metadata: { name: "db", labels: { app: "db" } },
      spec: { terminationGracePeriodSeconds: 0, containers: [{
        name: "db", image: databaseImage, ports: [{ containerPort: 5432 }], readinessProbe: { tcpSocket: { port: 5432 }, periodSeconds: 1 },
        env: [{ name: "POSTGRES_DB", value: "ehr" }, { name: "POSTGRES_PASSWORD", valueFrom: { secretKeyRef: { name: "db", key: "password" } } }],
      }] },
    },
  );
  await namespace.kubectl("wait", "--for", "condition=Ready", "pod/db", "--timeout", "90s");
  const address = await namespace.kubectl("get", "pod", "db", "--output", "jsonpath={.status.podIP}");
  const databaseUrl = `postgresql://postgres:${password}@${address}:5432/ehr`;
  const target = { psql: [join((await serverBinaries())!, "psql")] as const, env: { PGHOST: address, PGPORT: "5432", PGUSER: "postgres", PGPASSWORD: password, PGDATABASE: "ehr" } };
  const applied = new Set<string>();
  const settings: KubernetesSettings = { context: node.context, namespace: namespace.name, kubeconfig: node.kubeconfig, workloads: ["deployment/app", "deployment/worker"], rolloutTimeoutMs: 60_000 };
  const clinic: KubernetesClinic = {
    namespace, settings, databaseUrl, password, sessionSecret,
    sql: async (script) => { await runScript(target, script); },
    migrate: async (release) => {
      for (const [of, name] of Object.entries(migrationOf)) {
        if (of > release || applied.has(name)) continue;
        applied.add(name);
        await runScript(target, await readFile(join(migrationsFolder, name, "migration.sql"), "utf8"));
      }
    },
    deploy: async (release, { container = {}, pod = {} } = {}) => {
      await namespace.apply(deployment("app", release, databaseUrl, container, pod), deployment("worker", release, databaseUrl, { args: ["worker"] }, {}));
      for (const name of ["app", "worker"]) await namespace.kubectl("rollout", "status", `deployment/${name}`, "--timeout", "90s");
    },
    state: () => kubernetesPlatform(settings).capture(new AbortController().signal),
    bench: ({ health = {}, smoke, kubernetes = {} } = {}) => bench(databaseUrl, { database: {
      digests: "all", drill: { ...drillDefaults, image: copyImage.replace("15", "{major}"), storage: "tmpfs", smoke },
      rollback: {
        platform: "kubernetes", compose: undefined, kubernetes: { ...settings, ...kubernetes }, migrations: undefined, maintenance: undefined, errorBudget: undefined, databaseVariable: "DATABASE_URL",
        health: { url: "https://clinic.example/api/health", status: 200, expect: { status: "healthy", database: "connected", version: "{release}" }, versionPath: "version", times: 2, intervalMs: 200, timeoutMs: 60_000, ...health },
        runbooks: undefined, severity: "sev2", stakeholders: [],
      },
    } }),
  };
  await clinic.migrate("1.4.1");
  await clinic.sql("INSERT INTO patients (name, phone) VALUES ('Ada Canary', '555-0199'), ('Grace', '2'), ('Edith', '3');\n");
  return clinic;
}

function deployment(name: string, release: Release, databaseUrl: string, container: Manifest, pod: Manifest): Manifest {
  return {
    apiVersion: "apps/v1", kind: "Deployment", metadata: { name },
    spec: { replicas: 1, selector: { matchLabels: { app: name } }, template: {
      metadata: { labels: { app: name } },
      spec: {
        terminationGracePeriodSeconds: 0, ...pod,
        containers: [{
          name, image: appImage(release),
          env: [{ name: "DATABASE_URL", value: databaseUrl }, { name: "SESSION_SECRET", valueFrom: { secretKeyRef: { name: "app", key: "SESSION_SECRET" } } }], envFrom: [{ configMapRef: { name: "app" } }],
          ...(name === "app" && { ports: [{ containerPort: 8080 }], readinessProbe: { httpGet: { path: "/api/health", port: 8080 }, periodSeconds: 1, timeoutSeconds: 5 } }), ...container,
        }],
      },
    } },
  };
}

/** Namespaces of rehearsals that a process has made, which must be none in the end. */
export async function rehearsalNamespaces(clinic: KubernetesClinic, pid = process.pid): Promise<string[]> {
  const names = await clinic.namespace.kubectl("get", "namespaces", "--output", "jsonpath={range .items[*]}{.metadata.name}{\"\\n\"}{end}");
  return names.split("\n").filter((name) => name.startsWith(`holdfast-rehearsal-${pid}-`));
}
