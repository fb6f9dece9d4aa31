/** Rehearsals of a rollback on a real node: the application's pods, on copies of its real database, behind a policy that holds. */
import { afterAll, beforeAll, expect, test, vi } from "vitest";

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
  const here = await clinic.bench();
  const state = await clinic.state();
  const checkpoint = await checkpointOf(here, state, "1.4.1");

  const fits = await rehearse(here, { to: "1.4.1", reason: "before the release of Friday" });
  console.log(JSON.stringify(fits.evidence, null, 1), fits.error);
  expect(fits.error).toBeUndefined();
  expect(fits.evidence).toMatchObject({
    verdict: "pass", platform: "kubernetes", checkpoint: { id: checkpoint.id, running: "1.4.1" }, removed: { removed: true }, previous: null,
    isolation: { place: expect.stringMatching(/^holdfast-rehearsal-/) as string, leftOut: [], placeholders: ["secret app: SESSION_SECRET"] },
  });
  expect(await rehearsalNamespaces(clinic)).toEqual([]);
  expect(outcomeOf(fits.evidence, "x")).toBe("");
  await rehearsals(here);
});
