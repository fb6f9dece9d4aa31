/** The real node itself: what other tests believe it for. */
import { execa } from "execa";
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";

import type { Manifest, TestNamespace } from "../harness/kubernetes.ts";
import { type RealNode, startRealNode } from "../harness/kubernetes-node.ts";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const image = "holdfast-test/app:1.4.1";
/** Answers each connection to port 8080 with what the file `says` has. */
const serve = "echo hello >/says; while :; do nc -l -p 8080 -e cat /says; done";

function pod(name: string, command: string, container: Manifest = {}): Manifest {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, labels: { app: name } },
    spec: { terminationGracePeriodSeconds: 0, containers: [{ name: "main", image, command: ["sh", "-c", command], ...container }] },
  };
}

const ready = (namespace: TestNamespace, name: string): Promise<string> => namespace.kubectl("wait", "--for", "condition=Ready", `pod/${name}`, "--timeout", "60s");
const addressOf = (namespace: TestNamespace, name: string): Promise<string> => namespace.kubectl("get", "pod", name, "--output", "jsonpath={.status.podIP}");

/** What a pod hears from a port; empty where it does not get there within two seconds. */
async function hears(namespace: TestNamespace, from: string, address: string): Promise<string> {
  return (await namespace.tryKubectl("exec", from, "--", "sh", "-c", `timeout 2 nc ${address} 8080 </dev/null`)).stdout.trim();
}

/** Two pods, of which the client is isolated in both directions but may talk to nobody. */
async function isolatedClient(node: RealNode): Promise<{ readonly namespace: TestNamespace; readonly server: string; readonly client: string }> {
  const namespace = await node.createNamespace();
  await namespace.apply(
    { apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata: { name: "isolated" }, spec: { podSelector: { matchLabels: { app: "client" } }, policyTypes: ["Ingress", "Egress"] } },
    pod("server", serve),
    pod("client", serve),
  );
  await Promise.all([ready(namespace, "server"), ready(namespace, "client")]);
  return { namespace, server: await addressOf(namespace, "server"), client: await addressOf(namespace, "client") };
}

describe("a real node", () => {
  let node: RealNode;
  beforeAll(async () => {
    node = await startRealNode();
    await node.loadImage(image);
  });
  afterAll(() => node.stop());

  test("runs a pod, with exec, logs and port-forward", async () => {
    const namespace = await node.createNamespace();
    await namespace.apply(pod("server", `echo to the log; ${serve}`));
    await ready(namespace, "server");
    expect(await namespace.kubectl("exec", "server", "--", "cat", "/app/release")).toBe("1.4.1");
    expect(await namespace.kubectl("logs", "server")).toBe("to the log");
    expect((await namespace.tryKubectl("exec", "server", "--", "sh", "-c", "exit 7")).exitCode).toBe(7);
    const forward = execa("kubectl", ["--kubeconfig", namespace.kubeconfig, "port-forward", "pod/server", ":8080"], { reject: false });
    try {
      const port = await new Promise<string>((resolve, reject) => {
        forward.stdout.on("data", (text: Buffer) => { const found = /127\.0\.0\.1:(\d+) ->/.exec(text.toString())?.[1]; if (found !== undefined) resolve(found); });
        void forward.then(({ stderr }) => { reject(new Error(stderr)); });
      });
      expect((await execa("bash", ["-c", `exec 3<>/dev/tcp/127.0.0.1/${port}; timeout 10 head -n 1 <&3`])).stdout).toBe("hello");
    } finally {
      forward.kill();
      await forward;
    }
  });

  test("lets its readiness probe decide, both ways", async () => {
    const namespace = await node.createNamespace();
    await namespace.apply(pod("probed", "sleep 1000", { readinessProbe: { exec: { command: ["test", "-e", "/tmp/ready"] }, periodSeconds: 1, failureThreshold: 1 } }));
    await namespace.kubectl("wait", "--for", "jsonpath={.status.phase}=Running", "pod/probed", "--timeout", "60s");
    await namespace.kubectl("wait", "--for", "jsonpath={.status.containerStatuses[0].started}=true", "pod/probed", "--timeout", "60s");
    expect(await namespace.kubectl("get", "pod", "probed", "--output", "jsonpath={.status.containerStatuses[0].ready}")).toBe("false");
    await namespace.kubectl("exec", "probed", "--", "touch", "/tmp/ready");
    await ready(namespace, "probed");
    await namespace.kubectl("exec", "probed", "--", "rm", "/tmp/ready");
    await namespace.kubectl("wait", "--for", "condition=Ready=false", "pod/probed", "--timeout", "60s");
  });

  test("does not run an image that is not there, and says so", async () => {
    const namespace = await node.createNamespace();
    await namespace.apply(pod("pulled", "sleep 1000", { image: "holdfast-test/app:9.9.9" }), pod("kept", "sleep 1000", { image: "holdfast-test/app:9.9.9", imagePullPolicy: "Never" }));
    const reason = (name: string): Promise<string> => namespace.kubectl("get", "pod", name, "--output", "jsonpath={.status.containerStatuses[0].state.waiting.reason}");
    await expect.poll(() => reason("pulled"), { timeout: 60_000 }).toMatch(/^(ErrImagePull|ImagePullBackOff)$/);
    await expect.poll(() => reason("kept"), { timeout: 60_000 }).toBe("ErrImageNeverPull");
  });

  test("enforces a policy in both directions, and only on the pods that it selects", async () => {
    const { namespace, server, client } = await isolatedClient(node);
    expect(await hears(namespace, "client", server)).toBe("");
    expect(await hears(namespace, "server", client)).toBe("");
    expect(await hears(namespace, "server", server)).toBe("hello");
    await namespace.apply({
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name: "to-the-server" },
      spec: { podSelector: { matchLabels: { app: "client" } }, policyTypes: ["Egress"], egress: [{ to: [{ podSelector: { matchLabels: { app: "server" } } }], ports: [{ port: 8080 }] }] },
    });
    await expect.poll(() => hears(namespace, "client", server), { timeout: 30_000 }).toBe("hello");
    expect(await hears(namespace, "server", client)).toBe("");
  });

  test("gives a pod that a policy selects no moment without it", async () => {
    const namespace = await node.createNamespace();
    await namespace.apply(pod("server", serve));
    await ready(namespace, "server");
    const server = await addressOf(namespace, "server");
    await namespace.apply(
      { apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata: { name: "isolated" }, spec: { podSelector: { matchLabels: { app: "hasty" } }, policyTypes: ["Egress"] } },
      pod("hasty", `for i in $(seq 6); do timeout 1 nc ${server} 8080 </dev/null && echo reached; done; echo done; sleep 1000`),
    );
    await expect.poll(async () => (await namespace.tryKubectl("logs", "hasty")).stdout, { timeout: 60_000 }).toMatch(/^done$/m);
    expect(await namespace.kubectl("logs", "hasty")).not.toContain("reached");
  });
});

describe("a real node that does not enforce policies", () => {
  let node: RealNode;
  beforeAll(async () => {
    node = await startRealNode({ enforcePolicies: false });
    await node.loadImage(image);
  });
  afterAll(() => node.stop());

  test("takes the same policy and lets everything pass", async () => {
    const { namespace, server, client } = await isolatedClient(node);
    expect(await hears(namespace, "client", server)).toBe("hello");
    expect(await hears(namespace, "server", client)).toBe("hello");
  });
});

const stands = (number: string): boolean => existsSync(`/sys/class/net/holdfast-n${number}`) || existsSync(`/sys/fs/cgroup/memory/holdfast-n${number}`) || existsSync(`/sys/fs/cgroup/holdfast-n${number}`);

test("leaves nothing behind, neither when it is stopped nor when its test is killed and another starts", async () => {
  const mounts = async (folder: string): Promise<string[]> => (await readFile("/proc/mounts", "utf8")).split("\n").filter((line) => line.includes(folder));
  const code = `import { startRealNode } from "${pathToFileURL(join(import.meta.dirname, "../harness/kubernetes-node.ts")).href}";
    const { folder, number } = await startRealNode({ enforcePolicies: false });
    console.log(JSON.stringify({ folder, number }));
    process.kill(process.pid, "SIGKILL");`;
  const killed = await execa(process.execPath, ["--input-type=module", "--eval", code], { reject: false });
  const left = JSON.parse(killed.stdout) as { folder: string; number: string };
  const programs = (await readdir(join(left.folder, "run"))).filter((name) => name.endsWith(".pid"));
  expect(programs).toEqual(expect.arrayContaining(["containerd.pid", "kubelet.pid", "node.pid"]));
  const first = Number(await readFile(join(left.folder, "run/node.pid"), "utf8"));
  expect(existsSync(`/proc/${first}/exe`)).toBe(true);
  expect(stands(left.number)).toBe(true);

  const node = await startRealNode({ enforcePolicies: false });
  try {
    expect(existsSync(left.folder)).toBe(false);
    expect(existsSync(`/proc/${first}/exe`)).toBe(false);
  } finally {
    await node.stop();
  }
  expect(stands(node.number)).toBe(false);
  expect(existsSync(node.folder)).toBe(false);
  expect([...(await mounts(left.folder)), ...(await mounts(node.folder))]).toEqual([]);
});
