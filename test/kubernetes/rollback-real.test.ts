/** Whole rollbacks on a real Kubernetes node: images that run, probes that ask them, a database in a pod, and a client that watches. */
import { afterAll, beforeAll, expect, test, vi } from "vitest";

import type { RollbackPlan } from "../../src/app/rollback/make-plan.ts";
import type { RollbackResult } from "../../src/app/rollback/carry-out.ts";
import { type RealNode, startRealNode } from "../harness/kubernetes-node.ts";
import { appImage, contentOf, databaseImage, type RealApp, realApp } from "../harness/kubernetes-real-app.ts";
import { pollingClient } from "../harness/rolling-back.ts";

vi.setConfig({ testTimeout: 300_000, hookTimeout: 180_000 });

let node: RealNode;
beforeAll(async () => {
  node = await startRealNode({ enforcePolicies: false });
  for (const image of [databaseImage, appImage("1.4.1"), appImage("1.4.2"), appImage("1.5.0")]) await node.loadImage(image);
});
afterAll(() => node.stop());

const patients = (app: RealApp): Promise<string> => app.rows("SELECT count(*) AS rows, max(id) AS last FROM patients");
const health = async ({ healthUrl }: RealApp): Promise<unknown> => (await fetch(healthUrl)).json();

/** All three pods run from the release's image, once those that end have ended. */
async function runs(app: RealApp, release: "1.4.1" | "1.4.2"): Promise<void> {
  const image = await contentOf(release);
  await expect.poll(() => app.running(), { timeout: 60_000 }).toEqual([image, image, image]);
}

test("a destructive and unhealthy release is rolled back with its data", async () => {
  const app = await realApp(node);
  await runs(app, "1.4.1");
  const before = await patients(app);
  await app.checkpoint("1.5.0");
  await app.deploy("1.5.0", { wait: false });
  // Neither release can live with this database, so the probes leave no pod ready, and nobody answers.
  await expect.poll(() => app.namespace.kubectl("get", "pods", "--selector", "app=api", "--output", 'jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}'), { timeout: 60_000 }).toMatch(/^False( False)+$/);
  await expect(fetch(app.healthUrl)).rejects.toThrow();
  await app.write("INSERT INTO patients (full_name) SELECT 'in between' FROM generate_series(1, 3)");

  const plan = (await app.ok("rollback", "plan", "--to", "1.4.1", "--json")).json<RollbackPlan>();
  expect(plan).toMatchObject({ strategy: "restore-and-swap", confirm: app.namespace.name, loss: { data: true } });
  expect(plan.loss.tables).toContainEqual(expect.objectContaining({ table: "public.patients", inserted: 3 }));
  const result = (await app.ok("rollback", "--to", "1.4.1", "--confirm", app.namespace.name, "--json")).json<RollbackResult>();
  expect(result).toMatchObject({ outcome: "done", facts: { observe: { healthPassed: 3 } } });
  await runs(app, "1.4.1");
  expect(await health(app)).toEqual({ status: "healthy", version: "1.4.1", database: "connected" });
  expect(await patients(app)).toBe(before);
});

test("a compatible release is rolled back by images alone, and a client waits less than 15 seconds", async () => {
  const app = await realApp(node);
  await app.checkpoint("1.4.2");
  await app.deploy("1.4.2", { wait: true });
  await runs(app, "1.4.2");
  await app.write("INSERT INTO patients (name, email) VALUES ('since', 'since@example.org')");
  const before = await patients(app);
  const client = pollingClient(app.healthUrl);
  const result = (await app.ok("rollback", "--to", "1.4.1", "--confirm", app.namespace.name, "--json")).json<RollbackResult>();
  const { longestMs, answers } = await client.stop();
  expect(result).toMatchObject({ strategy: "images-only", outcome: "done" });
  expect(answers).toBeGreaterThan(5);
  process.stderr.write(`images only, on a real Kubernetes node: the longest time without a good answer was ${Math.round(longestMs)} ms\n`);
  expect(longestMs).toBeLessThan(15_000);
  await runs(app, "1.4.1");
  expect(await health(app)).toMatchObject({ version: "1.4.1" });
  expect(await patients(app)).toBe(before);
});
