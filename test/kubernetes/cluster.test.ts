import { expect, test } from "vitest";

import { createNamespace, deployment, imageIdOf, job, kubectlAs, type Rule } from "../harness/kubernetes.ts";

const first = "shop/web:1.4.0";
const second = "shop/web:1.5.0";
const container = "{.items[*].status.containerStatuses[0]";

test("a Deployment rolls out, and each of its pods reports the image and its id", async () => {
  const { kubectl, apply } = await createNamespace();
  await apply(deployment("web", first, { replicas: 3 }));
  await kubectl("rollout", "status", "deployment/web", "--timeout", "60s");
  await kubectl("wait", "--for", "condition=Available", "deployment/web", "--timeout", "60s");
  expect(await kubectl("get", "pods", "--output", `jsonpath=${container}.imageID}`)).toBe(Array<string>(3).fill(imageIdOf(first)).join(" "));
  expect(await kubectl("get", "pods", "--output", `jsonpath=${container}.image}`)).toBe(Array<string>(3).fill(first).join(" "));
});

test("an image that is named by its digest has that digest as its id", async () => {
  const { kubectl, apply } = await createNamespace();
  const pinned = `shop/web@sha256:${"ab".repeat(32)}`;
  await apply(deployment("web", pinned, { replicas: 1 }));
  await kubectl("rollout", "status", "deployment/web", "--timeout", "60s");
  expect(await kubectl("get", "pods", "--output", `jsonpath=${container}.imageID}`)).toBe(pinned);
});

test("rollout undo goes back to a revision, whose ReplicaSet takes over again", async () => {
  const { kubectl, apply } = await createNamespace();
  await apply(deployment("web", first));
  await kubectl("rollout", "status", "deployment/web", "--timeout", "60s");
  await apply(deployment("web", second));
  await kubectl("rollout", "status", "deployment/web", "--timeout", "60s");
  const replicaSets = async (): Promise<string> =>
    kubectl("get", "replicasets", "--sort-by", ".spec.template.spec.containers[0].image", "--output", 'jsonpath={range .items[*]}{.spec.template.spec.containers[0].image} {.status.readyReplicas};{end}');
  expect(await replicaSets()).toBe(`${first} ;${second} 2;`);
  await kubectl("rollout", "undo", "deployment/web", "--to-revision", "1");
  await kubectl("rollout", "status", "deployment/web", "--timeout", "60s");
  expect(await replicaSets()).toBe(`${first} 2;${second} ;`);
});

test("a Job completes, or fails with the code that its label says", async () => {
  const { kubectl, apply } = await createNamespace();
  await apply(job("migrate", second), job("misfit", second, { labels: { "holdfast-test/exit-code": "3" } }));
  await kubectl("wait", "--for", "condition=Complete", "job/migrate", "--timeout", "60s");
  await kubectl("wait", "--for", "condition=Failed", "job/misfit", "--timeout", "60s");
  expect(await kubectl("get", "pods", "--selector", "app=misfit", "--output", `jsonpath=${container}.state.terminated.exitCode}`)).toBe("3");
});

test.each([
  ["an image that cannot be pulled", "shop/web:1.5.0-broken", {}, "ImagePullBackOff"],
  ["probes that fail", second, { "holdfast-test/ready": "never" }, ""],
  ["containers that crash", second, { "holdfast-test/ready": "crashing" }, "CrashLoopBackOff"],
])("a rollout with %s does not finish, and the old pods stay", async (_, image, labels, reason) => {
  const { kubectl, tryKubectl, apply } = await createNamespace();
  await apply(deployment("web", first));
  await kubectl("rollout", "status", "deployment/web", "--timeout", "60s");
  await apply(deployment("web", image, { labels }));
  const { exitCode, stderr } = await tryKubectl("rollout", "status", "deployment/web", "--timeout", "2s");
  expect([exitCode, stderr]).toEqual([1, "error: timed out waiting for the condition"]);
  const states = await kubectl("get", "pods", "--output", 'jsonpath={range .items[*]}{.spec.containers[0].image} {.status.containerStatuses[0].ready} {.status.containerStatuses[0].state.waiting.reason};{end}');
  expect(states.split(";").sort()).toEqual(["", `${first} true `, `${first} true `, `${image} false ${reason}`]);
});

test("a pod that was held back becomes ready once its label is gone", async () => {
  const { kubectl, apply } = await createNamespace();
  await apply(deployment("web", first, { replicas: 1, labels: { "holdfast-test/ready": "never" } }));
  await kubectl("wait", "--for", "jsonpath={.status.phase}=Running", "pod", "--selector", "app=web", "--timeout", "60s");
  await kubectl("label", "pod", "--selector", "app=web", "holdfast-test/ready-");
  await kubectl("rollout", "status", "deployment/web", "--timeout", "60s");
});

test("a pod that does not end stays, terminating, after its Deployment was scaled down", async () => {
  const { kubectl, apply } = await createNamespace();
  await apply(deployment("web", first, { replicas: 1, labels: { "holdfast-test/ends": "never" } }));
  await kubectl("rollout", "status", "deployment/web", "--timeout", "60s");
  await kubectl("scale", "deployment/web", "--replicas", "0");
  await kubectl("wait", "--for", "jsonpath={.metadata.deletionTimestamp}", "pod", "--selector", "app=web", "--timeout", "60s");
  expect(await kubectl("get", "pods", "--output", `jsonpath=${container}.ready}`)).toBe("true");
  await kubectl("label", "pod", "--selector", "app=web", "holdfast-test/ends-");
  await kubectl("wait", "--for", "delete", "pod", "--selector", "app=web", "--timeout", "60s");
});

const read: Rule = { apiGroups: ["apps"], resources: ["deployments"], verbs: ["get", "list", "watch"] };
const patch: Rule = { apiGroups: ["apps"], resources: ["deployments"], verbs: ["patch"] };

test("a user may do what their rules say in their namespace, and nothing else", async () => {
  const { name, apply, user } = await createNamespace();
  const elsewhere = await createNamespace();
  await apply(deployment("web", first));
  const { kubeconfig } = await user("reader", [read]);
  expect(await kubectlAs(kubeconfig, ["get", "deployments", "--output", "name"])).toMatchObject({ exitCode: 0, stdout: "deployment.apps/web" });
  const refused = await kubectlAs(kubeconfig, ["scale", "deployment/web", "--replicas", "0"]);
  expect(refused).toMatchObject({ exitCode: 1 });
  expect(refused.stderr).toContain(`(Forbidden): deployments.apps "web" is forbidden: User "system:serviceaccount:${name}:reader" cannot patch resource "deployments/scale"`);
  expect((await kubectlAs(kubeconfig, ["get", "deployments", "--namespace", elsewhere.name])).stderr).toContain("Forbidden");
});

test("rules that are taken away half-way hold for the next call", async () => {
  const { apply, user } = await createNamespace();
  await apply(deployment("web", first));
  const { kubeconfig, allow } = await user("operator", [read, patch]);
  const setImage = async (image: string) => kubectlAs(kubeconfig, ["set", "image", "deployment/web", `web=${image}`]);
  expect(await setImage(second)).toMatchObject({ exitCode: 0 });
  await allow([read]);
  expect((await setImage(first)).stderr).toContain('cannot patch resource "deployments"');
  await allow([read, patch]);
  expect(await setImage(first)).toMatchObject({ exitCode: 0 });
});
