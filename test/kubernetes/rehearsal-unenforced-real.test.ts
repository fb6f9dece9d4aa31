/** A rehearsal on a real node that takes policies and ignores them: that is found, and nothing of the release is started. */
import { afterAll, beforeAll, expect, test, vi } from "vitest";

import { kubernetesClinic, loadClinic, rehearsalNamespaces } from "../harness/kubernetes-clinic.ts";
import { type RealNode, startRealNode } from "../harness/kubernetes-node.ts";
import { checkpointOf, outcomeOf, rehearse } from "../harness/rehearsals.ts";

vi.setConfig({ testTimeout: 300_000, hookTimeout: 180_000 });

let node: RealNode;
beforeAll(async () => {
  node = await startRealNode({ enforcePolicies: false });
  await loadClinic(node, "1.4.1");
});
afterAll(() => node.stop());

test("a policy that nobody enforces is found by trying, and nothing of the release is started", async () => {
  const clinic = await kubernetesClinic(node);
  await clinic.deploy("1.4.1");
  const here = await clinic.bench();
  await checkpointOf(here, await clinic.state(), "1.4.1");
  const { evidence, error } = await rehearse(here);
  expect(error).toMatchObject({ code: "drill-unverified", exitCode: 21 });
  expect(outcomeOf(evidence, "isolation:network")).toMatch(/^pass/);
  expect(outcomeOf(evidence, "isolation:egress")).toMatch(/^unverified: the network leads outside, so nothing was started: the database in production \([\d.]+:5432\).* can be reached from it$/);
  expect(outcomeOf(evidence, "application:running")).toMatch(/^unverified: not reached/);
  expect(evidence.removed.removed).toBe(true);
  expect(await rehearsalNamespaces(clinic)).toEqual([]);
});
