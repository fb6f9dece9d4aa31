/**
 * The application on a real Kubernetes node: its database in a pod, migrations as Jobs, and two Deployments of the images that
 * Docker builds, whose readiness probes ask the application. There is no kube-proxy, so its Service is served from here: each
 * connection goes to one of the pods that the Service's EndpointSlice calls ready.
 */
import { execa } from "execa";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { onTestFinished } from "vitest";

import { serverBinaries } from "../../src/postgres/binaries.ts";
import { runScript } from "../../src/postgres/session.ts";
import { type Workbench, workbench } from "./cli.ts";
import type { Release } from "./compose-app.ts";
import { docker } from "./containers.ts";
import type { Manifest, TestNamespace } from "./kubernetes.ts";
import type { RealNode } from "./kubernetes-node.ts";
import { rowsOf, takeCheckpoint } from "./rolling-back.ts";

export interface RealApp extends Workbench {
  readonly namespace: TestNamespace;
  /** Goes to any ready pod of `api`. */
  readonly healthUrl: string;
  /** Runs the release's migration Job to its end, and applies its Deployments; waits for the rollout if it is told to. */
  deploy(release: Release, options: { readonly wait: boolean }): Promise<void>;
  /** Takes the checkpoint before a release. @returns its id */
  checkpoint(release: Release): Promise<string>;
  rows(sql: string): Promise<string>;
  /** Runs SQL that writes. */
  write(sql: string): Promise<void>;
  /** The content ids of the images that containers run from, as the container runtime says them, of all pods that stay. */
  running(): Promise<string[]>;
}

export const appImage = (release: Release): string => `holdfast-test/app:${release}`;
export const databaseImage = "holdfast-test/app-db:local";
/** As the pods report it, since it was loaded by its content. */
export const contentOf = (release: Release): Promise<string> => docker("image", "inspect", "--format", "{{.Id}}", appImage(release));

const variable = { name: "DATABASE_URL", valueFrom: { secretKeyRef: { name: "database", key: "url" } } };

function workload(name: "api" | "worker", release: Release): Manifest {
  const probe = name === "api" ? { httpGet: { path: "/api/health", port: 8080 } } : { exec: { command: ["/app/app.sh", "health"] } };
  const container = { name, image: appImage(release), args: [name === "api" ? "serve" : "worker"], env: [variable], readinessProbe: { ...probe, periodSeconds: 1, timeoutSeconds: 5, failureThreshold: 2 } };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name },
    spec: {
      replicas: name === "api" ? 2 : 1,
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec: { terminationGracePeriodSeconds: 5, containers: [container] } },
    },
  };
}

const migration = (release: Release): Manifest => ({
  apiVersion: "batch/v1",
  kind: "Job",
  metadata: { name: "migrate" },
  spec: { backoffLimit: 0, template: { spec: { restartPolicy: "Never", containers: [{ name: "migrate", image: appImage(release), args: ["migrate"], env: [variable] }] } } },
});

/** Release 1.4.1 runs, with a few patients. */
export async function realApp(node: RealNode): Promise<RealApp> {
  const binaries = await serverBinaries();
  if (binaries === undefined) throw new Error("PostgreSQL's programs are not on this machine");
  const namespace = await node.createNamespace("clinic");
  const password = `pw-${randomBytes(8).toString("hex")}`;
  const env = [{ name: "POSTGRES_DB", value: "ehr" }, { name: "POSTGRES_PASSWORD", value: password }];
  const listens = { exec: { command: ["pg_isready", "-q", "-h", "127.0.0.1", "-U", "postgres"] }, periodSeconds: 1 };
  await namespace.apply({ apiVersion: "v1", kind: "Pod", metadata: { name: "db", labels: { app: "db" } }, spec: { terminationGracePeriodSeconds: 0, containers: [{ name: "db", image: databaseImage, env, readinessProbe: listens }] } });
  await namespace.kubectl("wait", "--for", "condition=Ready", "pod/db", "--timeout", "90s");
  const host = await namespace.kubectl("get", "pod", "db", "--output", "jsonpath={.status.podIP}");
  const url = `postgresql://postgres:${password}@${host}:5432/ehr`;
  await namespace.apply(
    { apiVersion: "v1", kind: "Secret", metadata: { name: "database" }, stringData: { url: `${url}?schema=public&connection_limit=5` } },
    { apiVersion: "v1", kind: "Service", metadata: { name: "api" }, spec: { selector: { app: "api" }, ports: [{ port: 80, targetPort: 8080 }] } },
  );
  const healthUrl = `${await serve(namespace, "api", 8080)}/api/health`;
  const here = await workbench(url, {
    KUBECONFIG: namespace.kubeconfig,
    HOLDFAST_ROLLBACK_KUBERNETES_CONTEXT: node.context,
    HOLDFAST_ROLLBACK_KUBERNETES_NAMESPACE: namespace.name,
    HOLDFAST_ROLLBACK_KUBERNETES_WORKLOADS: "deployment/api,deployment/worker",
    HOLDFAST_ROLLBACK_KUBERNETES_ROLLOUT_TIMEOUT: "90s",
    HOLDFAST_ROLLBACK_HEALTH_URL: healthUrl,
    HOLDFAST_ROLLBACK_HEALTH_TIMEOUT: "60s",
  });
  await here.ok("repository", "init");
  const psql = [join(binaries, "psql")] as const;
  const target = { psql, env: { PGHOST: host, PGPORT: "5432", PGUSER: "postgres", PGPASSWORD: password, PGDATABASE: "ehr" } };
  const app: RealApp = {
    ...here,
    namespace,
    healthUrl,
    deploy: async (release, { wait }) => {
      await namespace.kubectl("delete", "job", "migrate", "--ignore-not-found");
      await namespace.apply(migration(release));
      await namespace.kubectl("wait", "--for", "condition=Complete", "job/migrate", "--timeout", "90s");
      await namespace.apply(workload("api", release), workload("worker", release));
      if (wait) for (const name of ["api", "worker"]) await namespace.kubectl("rollout", "status", `deployment/${name}`, "--timeout", "90s");
    },
    checkpoint: (release) => takeCheckpoint(here, release),
    rows: (sql) => rowsOf(target, sql),
    write: async (sql) => { await runScript(target, `SET search_path = public;\n${sql};\n`); },
    running: async () => {
      interface Pod { metadata: { deletionTimestamp?: string }; status: { containerStatuses?: { imageID: string; state: { running?: object } }[] } }
      const { items } = JSON.parse(await namespace.kubectl("get", "pods", "--selector", "app in (api, worker)", "--output", "json")) as { items: Pod[] };
      const staying = items.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
      return staying.flatMap(({ status }) => (status.containerStatuses ?? []).filter(({ state }) => state.running !== undefined).map(({ imageID }) => imageID)).sort();
    },
  };
  await app.deploy("1.4.1", { wait: true });
  await app.write("INSERT INTO patients (name) SELECT 'before' FROM generate_series(1, 40)");
  return app;
}

/** Serves a Service on loopback until the test has finished. @returns its base URL */
async function serve(namespace: TestNamespace, service: string, port: number): Promise<string> {
  let ready: string[] = [];
  const watch = execa("kubectl", ["--kubeconfig", namespace.kubeconfig, "get", "endpointslices", "--selector", `kubernetes.io/service-name=${service}`, "--watch", "--output", 'jsonpath={.endpoints}{"\\n"}'], { reject: false, buffer: false, stdin: "ignore" });
  createInterface(watch.stdout).on("line", (line) => {
    const endpoints = line === "" ? [] : ((JSON.parse(line) as { addresses: string[]; conditions: { ready?: boolean } }[] | null) ?? []);
    ready = endpoints.filter(({ conditions }) => conditions.ready !== false).flatMap(({ addresses }) => addresses);
  });
  let turn = 0;
  const server = createServer((client) => {
    const host = ready[turn++ % ready.length];
    client.on("error", () => { client.destroy(); });
    if (host === undefined) {
      client.destroy();
      return;
    }
    const pod = connect({ host, port, timeout: 10_000 });
    pod.on("error", () => { client.destroy(); });
    pod.on("timeout", () => { pod.destroy(); client.destroy(); });
    client.pipe(pod).pipe(client);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(async () => {
    server.close();
    watch.kill();
    await watch;
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return `http://127.0.0.1:${address.port}`;
}
