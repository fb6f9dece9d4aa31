/** Rehearsals on a real node that are killed, or not allowed: nothing of them stays in the cluster. */
import { afterAll, beforeAll, expect, test, vi } from "vitest";

import type { CleanResult } from "../../src/app/drill/clean-drills.ts";
import { processTable } from "../../src/process/table.ts";
import { type KubernetesClinic, kubernetesClinic, loadClinic, rehearsalNamespaces } from "../harness/kubernetes-clinic.ts";
import { type RealNode, startRealNode } from "../harness/kubernetes-node.ts";
import { commandLine, killRehearsal } from "../harness/rehearsal-command.ts";
import { checkpointOf, outcomeOf, rehearse } from "../harness/rehearsals.ts";

vi.setConfig({ testTimeout: 300_000, hookTimeout: 180_000 });

let node: RealNode;
beforeAll(async () => {
  node = await startRealNode();
  await loadClinic(node, "1.4.1");
});
afterAll(() => node.stop());

const configurationOf = ({ settings: { context, namespace, kubeconfig, workloads } }: KubernetesClinic) => ({
  drill: { image: "holdfast-test/drill-postgres:{major}", storage: "tmpfs" },
  rollback: { platform: "kubernetes", kubernetes: { context, namespace, kubeconfig, workloads }, health: { url: "https://clinic.example/api/health", times: 2, interval: "1s", timeout: "60s" } },
});

/** Programs of a rehearsal that still carry connections into its namespace. */
const carriers = async (pid: number): Promise<string[]> => (await processTable()).flatMap(({ command }) => (command.includes(" port-forward ") && command.includes(`holdfast-rehearsal-${pid}-`) ? [command] : []));

test("what killed rehearsals leave in the cluster is gone after drill clean, and the next one passes", async () => {
  const clinic = await kubernetesClinic(node);
  await clinic.deploy("1.4.1");
  const here = await clinic.bench();
  await checkpointOf(here, await clinic.state(), "1.4.1");
  const holdfast = await commandLine(here, configurationOf(clinic));
  const pids: number[] = [];
  for (const [step, delay] of [["provision", 1_500], ["restore", 200], ["application", 4_000]] as const) pids.push(await killRehearsal(holdfast, step, delay));
  const left = (await Promise.all(pids.map((pid) => rehearsalNamespaces(clinic, pid)))).flat();
  // The next rehearsal cleans up after those before it.
  expect(left).toEqual([expect.stringContaining(`-${pids.at(-1) ?? ""}-`)]);
  expect(await carriers(pids.at(-1)!)).not.toEqual([]);

  const clean = await holdfast("drill", "clean", "--json");
  expect(JSON.parse(clean.stdout) as CleanResult).toMatchObject({ removed: expect.arrayContaining(left) as string[], left: [] });
  for (const pid of pids) expect([...(await rehearsalNamespaces(clinic, pid)), ...(await carriers(pid))]).toEqual([]);

  const again = await rehearse(here);
  expect(again.evidence).toMatchObject({ verdict: "pass", removed: { removed: true } });
});

test("a rehearsal that is not allowed what it needs makes nothing, and says what to grant", async () => {
  const clinic = await kubernetesClinic(node);
  await clinic.deploy("1.4.1");
  const state = await clinic.state();
  const reader = await clinic.namespace.user("reader", [{ apiGroups: ["", "apps"], resources: ["*"], verbs: ["get", "list", "watch"] }]);
  const here = await clinic.bench({ kubernetes: { kubeconfig: reader.kubeconfig } });
  await checkpointOf(here, state, "1.4.1");
  const refused = await rehearse(here);
  expect(refused.error).toMatchObject({ code: "drill-unverified", exitCode: 21 });
  expect(outcomeOf(refused.evidence, "permissions")).toMatch(/^unverified: not allowed in the cluster: create namespaces, .*docs\/rollback\.md/);
  expect(await rehearsalNamespaces(clinic)).toEqual([]);
});
