/** The application on a real node: its database, two Deployments of a release, a ConfigMap and a Secret, and a bench for its rehearsals. */
import { execa } from "execa";
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
import { docker } from "./containers.ts";
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

/** The application, and PostgreSQL for its database and for the copy of it, as the node has them. */
const appImage = (release: Release): string => `holdfast-test/node-app:${release}`;
const databaseImage = "holdfast-test/node-postgres:15";

/** Makes a node know the images of the releases that are named, and of PostgreSQL. */
export async function loadClinic(node: RealNode, ...releases: readonly Release[]): Promise<void> {
  for (const [from, to] of [["holdfast-test/drill-postgres:15", databaseImage] as const, ...releases.map((release) => [`holdfast-test/app:${release}`, appImage(release)] as const)]) {
    await flatten(from, to);
    await node.loadImage(to);
  }
}

/**
 * An image made anew, of one layer. The root folder of images that were made before may be closed to all but root, which
 * Docker mends and containerd does not.
 */
async function flatten(from: string, to: string): Promise<void> {
  const [source] = JSON.parse(await docker("image", "inspect", from)) as [{ Id: string; Config: { Env: string[]; Entrypoint: string[]; Cmd: string[] } }];
  const label = "holdfast-test.flattened";
  const made = await docker("image", "inspect", "--format", `{{index .Config.Labels "${label}"}}`, to).catch(() => "");
  if (made === source.Id) return;
  const container = await docker("create", from);
  try {
    const { Env, Entrypoint, Cmd } = source.Config;
    const changes = [...Env.map((each) => `ENV ${each}`), `ENTRYPOINT ${JSON.stringify(Entrypoint)}`, `CMD ${JSON.stringify(Cmd)}`, `LABEL ${label}=${source.Id}`];
    await execa("bash", ["-c", 'set -o pipefail; container=$1 to=$2; shift 2; docker export "$container" | docker import "$@" - "$to" >/dev/null', "flatten", container, to, ...changes.flatMap((change) => ["--change", change])], { stdin: "ignore" });
  } finally {
    await docker("rm", "-v", container);
  }
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
        name: "db", image: databaseImage, args: ["postgres", "-c", "listen_addresses=*", "-c", "fsync=off"], ports: [{ containerPort: 5432 }], readinessProbe: { tcpSocket: { port: 5432 }, periodSeconds: 1 },
        env: [{ name: "POSTGRES_PASSWORD", valueFrom: { secretKeyRef: { name: "db", key: "password" } } }],
      }] },
    },
  );
  await namespace.kubectl("wait", "--for", "condition=Ready", "pod/db", "--timeout", "90s");
  const address = await namespace.kubectl("get", "pod", "db", "--output", "jsonpath={.status.podIP}");
  const databaseUrl = `postgresql://postgres:${password}@${address}:5432/ehr`;
  const target = { psql: [join((await serverBinaries())!, "psql")] as const, env: { PGHOST: address, PGPORT: "5432", PGUSER: "postgres", PGPASSWORD: password, PGDATABASE: "ehr" } };
  await runScript({ ...target, env: { ...target.env, PGDATABASE: "postgres" } }, "CREATE DATABASE ehr TEMPLATE template0;\n");
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
      digests: "all", drill: { ...drillDefaults, image: databaseImage.replace("15", "{major}"), storage: "tmpfs", smoke },
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
