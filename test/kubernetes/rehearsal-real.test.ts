/** Rehearsals of a rollback on a real node: the application's pods, on copies of its real database, behind a policy that holds. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";

import { removeRehearsals } from "../../src/app/rehearsal/clean-rehearsals.ts";
import { serverBinaries } from "../../src/postgres/binaries.ts";
import { kubernetesPlatform } from "../../src/rollback/platform/kubernetes/kubernetes-platform.ts";
import { createNamespace, kubectlIn } from "../../src/rollback/rehearsal/kubernetes/namespace.ts";
import { kubernetesClinic, loadClinic, rehearsalNamespaces } from "../harness/kubernetes-clinic.ts";
import { type RealNode, startRealNode } from "../harness/kubernetes-node.ts";
import { checkpointOf, outcomeOf, rehearsals, rehearse } from "../harness/rehearsals.ts";

vi.setConfig({ testTimeout: 300_000, hookTimeout: 180_000 });

let node: RealNode;
beforeAll(async () => {
  node = await startRealNode();
  await loadClinic(node, "1.4.1");
});
afterAll(() => node.stop());

test("a release and the backup from its time pass; on a backup of data that moved on it fails, and the evidence says why", async () => {
  const clinic = await kubernetesClinic(node);
  await clinic.deploy("1.4.1");
  const here = await clinic.bench({ health: { timeoutMs: 20_000 } });
  const state = await clinic.state();
  const checkpoint = await checkpointOf(here, state, "1.4.1");

  const fits = await rehearse(here, { to: "1.4.1", reason: "before the release of Friday" });
  expect(fits.error).toBeUndefined();
  expect(fits.evidence).toMatchObject({
    verdict: "pass", platform: "kubernetes", checkpoint: { id: checkpoint.id, running: "1.4.1" }, removed: { removed: true }, previous: null,
    isolation: { place: expect.stringMatching(/^holdfast-rehearsal-/) as string, leftOut: [], placeholders: ["secret app: SESSION_SECRET"] },
  });
  expect(outcomeOf(fits.evidence, "application:health")).toMatch(/^pass: http:\/\/deployment-app:8080\/api\/health passed 2 times in a row: status 200, status=healthy, database=connected, version=1.4.1/);
  expect(outcomeOf(fits.evidence, "application:services")).toMatch(/^pass: deployment-app, deployment-worker run; healthy by its own health check: deployment-app/);
  expect(outcomeOf(fits.evidence, "isolation:egress")).toMatch(/^pass: tried from trial: the copy can be reached; the database in production \([\d.]+:5432, which answers this host\), the API of the cluster .*the node \(.*the pod db \(.* cannot; tried from copy: /);
  expect(await rehearsalNamespaces(clinic)).toEqual([]);

  await clinic.migrate("1.5.0");
  await checkpointOf(here, state, "1.4.1", { release: "1.5.1" });
  const moved = await rehearse(here, { to: "1.4.1" });
  expect(moved.error).toMatchObject({ code: "drill-failed", exitCode: 20 });
  expect(moved.evidence).toMatchObject({ verdict: "fail", removed: { removed: true }, previous: { id: fits.evidence.id } });
  expect(outcomeOf(moved.evidence, "rows")).toMatch(/^pass/);
  expect(outcomeOf(moved.evidence, "application:health")).toMatch(/^fail: http:\/\/deployment-app:8080\/api\/health did not pass .*; the last answer: status 503, but must be 200$/);
  expect(await rehearsalNamespaces(clinic)).toEqual([]);

  const written = JSON.stringify(await rehearsals(here)) + JSON.stringify(here.events);
  for (const secret of ["Ada Canary", "555-0199", clinic.password, clinic.sessionSecret]) expect(written).not.toContain(secret);
});

test("what prepares a pod runs before it, a StatefulSet's pod has its own name and nothing of its volume, and the smoke test tries the copy", async () => {
  const clinic = await kubernetesClinic(node);
  const { namespace, settings } = clinic;
  const image = "holdfast-test/app:1.4.1";
  const env = [{ name: "DATABASE_URL", value: clinic.databaseUrl }];
  const prepare = { name: "prepare", image, env, args: ["sh", "-c", 'psql "$DATABASE_URL" -qAtc "SELECT phone FROM patients" > /prepared/phones'], volumeMounts: [{ name: "prepared", mountPath: "/prepared" }] };
  await clinic.deploy("1.4.1", {
    pod: { initContainers: [prepare], volumes: [{ name: "prepared", emptyDir: {} }] },
    container: { args: ["sh", "-c", '[ "$(wc -l < /prepared/phones)" = 3 ] && exec /app/app.sh serve'], volumeMounts: prepare.volumeMounts },
  });
  // It would not start on a volume that another has used, nor under another name.
  const queue = { name: "queue", image, env, args: ["sh", "-c", '[ "$(hostname)" = queue-0 ] && [ ! -e /data/used ] && touch /data/used && exec /app/app.sh worker'], volumeMounts: [{ name: "data", mountPath: "/data" }] };
  const size = { storage: "1Mi" };
  const volume = await mkdtemp(join(tmpdir(), "holdfast-volume-"));
  onTestFinished(() => rm(volume, { recursive: true }));
  await namespace.apply(
    { apiVersion: "v1", kind: "PersistentVolume", metadata: { name: namespace.name }, spec: { capacity: size, accessModes: ["ReadWriteOnce"], persistentVolumeReclaimPolicy: "Retain", storageClassName: "", claimRef: { namespace: namespace.name, name: "data-queue-0" }, hostPath: { path: volume, type: "Directory" } } },
    { apiVersion: "apps/v1", kind: "StatefulSet", metadata: { name: "queue" }, spec: {
      replicas: 1, serviceName: "queue", selector: { matchLabels: { app: "queue" } },
      template: { metadata: { labels: { app: "queue" } }, spec: { terminationGracePeriodSeconds: 0, containers: [queue] } },
      volumeClaimTemplates: [{ metadata: { name: "data" }, spec: { accessModes: ["ReadWriteOnce"], storageClassName: "", resources: { requests: size } } }],
    } },
  );
  await namespace.kubectl("rollout", "status", "statefulset/queue", "--timeout", "90s");

  const kubernetes = { workloads: ["deployment/app", "statefulset/queue"] };
  const psql = join((await serverBinaries())!, "psql");
  const here = await clinic.bench({ kubernetes, smoke: { command: ["sh", "-c", `[ "$(${psql} "$DATABASE_URL" -qAtc 'SELECT count(*) FROM patients')" = 3 ]`], timeoutMs: 20_000 } });
  const state = await kubernetesPlatform({ ...settings, ...kubernetes }).capture(new AbortController().signal);
  await checkpointOf(here, state, "1.4.1");
  const { error, evidence } = await rehearse(here, { to: "1.4.1" });
  expect(error).toBeUndefined();
  expect(evidence).toMatchObject({ verdict: "pass", isolation: { leftOut: ["queue: the claimed volume data"] }, removed: { removed: true } });
  expect(outcomeOf(evidence, "application:services")).toMatch(/^pass: deployment-app, statefulset-queue run; healthy by its own health check: deployment-app/);
  expect(outcomeOf(evidence, "smoke")).toMatch(/^pass/);

  // On data that moved on the preparation fails. A volume is missing here, so nobody can tell for want of what.
  await clinic.migrate("1.5.0");
  await clinic.sql("DELETE FROM patients WHERE id = 1;\n");
  await checkpointOf(here, state, "1.4.1", { release: "1.5.1" });
  const moved = await rehearse(here, { to: "1.4.1" });
  expect(moved.error).toMatchObject({ code: "drill-unverified" });
  expect(outcomeOf(moved.evidence, "application:running")).toMatch(/^unverified: prepare of deployment-app ended with exit status 1; whether that is for want of .* cannot be told: .*the claimed volume data/);
  expect(await rehearsalNamespaces(clinic)).toEqual([]);
});

test("what a killed rehearsal has left in a cluster is cleaned, a live one's is not, and neither is what only looks like one", async () => {
  const clinic = await kubernetesClinic(node);
  const here = await clinic.bench();
  const { context } = here;
  const note = (pid: number, started: string) => ({ "holdfast.drill": "rehearsal", "holdfast.host": context.actor.host, "holdfast.user": "tester", "holdfast.pid": String(pid), "holdfast.started": started, "holdfast.space": "elsewhere", "holdfast.expires": new Date(context.clock.now().getTime() + 3_600_000).toISOString() });
  const [live, over, stranger] = ["holdfast-rehearsal-1-aa-00000001", "holdfast-rehearsal-999999-aa-00000002", "clinic-of-somebody-else"];
  await createNamespace(kubectlIn(clinic.settings, live), note(1, "aa"));
  await createNamespace(kubectlIn(clinic.settings, over), { ...note(999_999, "aa"), "holdfast.expires": "2020-01-01T00:00:00.000Z" });
  await createNamespace(kubectlIn(clinic.settings, stranger), {});
  const found = await removeRehearsals(context, context.config.databases.get("ehr")!);
  expect(found).toEqual({ removed: [over], left: [], inUse: [live] });
  expect(await clinic.namespace.kubectl("get", "namespace", live, stranger, "--output", "name")).toBe(`namespace/${live}\nnamespace/${stranger}`);
});
