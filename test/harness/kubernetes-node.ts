/**
 * Kubernetes clusters whose one node is real: kubelet, containerd and runc run the pods. Each has a control plane of its own,
 * without played nodes. What it is made of, and what it lacks: kubernetes/README.md.
 */
import { execa } from "execa";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { adminKubeconfig, createNamespace, type TestNamespace } from "./kubernetes.ts";
import { sweepOwned } from "./owned-folders.ts";

export interface RealNodeOptions {
  /** False: NetworkPolicies are taken, and nothing goes by them. */
  readonly enforcePolicies?: boolean;
}

export interface RealNode {
  /** The folder of its files. */
  readonly folder: string;
  /** Which its addresses and its interface's name are made of. */
  readonly number: string;
  /** The superuser's configuration file. */
  readonly kubeconfig: string;
  readonly context: string;
  /** By which pods reach this machine, where their policies let them. */
  readonly hostAddress: string;
  /** Makes an image of Docker known to the node, by the same name. */
  loadImage(image: string): Promise<void>;
  /** Makes a namespace, removed after the test. */
  createNamespace(name?: string): Promise<TestNamespace>;
  /** Ends everything of it, at once; nothing is left. */
  stop(): Promise<void>;
}

const folderName = "holdfast-node-";
const scripts = join(import.meta.dirname, "kubernetes");

async function script(name: string, ...args: string[]): Promise<void> {
  const { exitCode, stderr } = await execa("bash", [join(scripts, name), ...args], { reject: false, stdin: "ignore" });
  if (exitCode !== 0) throw new Error(`${name} exited with ${String(exitCode)}: ${stderr}`);
}

async function end(folder: string): Promise<void> {
  await script("stop-node.sh", folder);
  await rm(folder, { recursive: true, force: true });
}

/** Starts a cluster with a real node, in about 8 s. Whoever calls it stops it; what a killed process left is removed first. */
export async function startRealNode({ enforcePolicies = true }: RealNodeOptions = {}): Promise<RealNode> {
  await sweepOwned(folderName, end);
  const folder = await mkdtemp(join(tmpdir(), folderName));
  await writeFile(join(folder, "owner"), String(process.pid));
  try {
    await script("start-node.sh", folder, ...(enforcePolicies ? ["enforce"] : []));
  } catch (error) {
    await end(folder);
    throw error;
  }
  const number = (await readFile(join(folder, "run", "number"), "utf8")).trim();
  const loaded = new Map<string, Promise<void>>();
  const load = async (image: string): Promise<void> => {
    const command = 'set -o pipefail; docker save "$1" | ctr --address "$2" --namespace k8s.io images import - >/dev/null';
    await execa("bash", ["-c", command, "load", image, join(folder, "run", "containerd.sock")], { stdin: "ignore" });
  };
  return {
    folder,
    number,
    kubeconfig: adminKubeconfig(folder),
    context: "holdfast-test",
    hostAddress: `10.243.${number}.1`,
    loadImage: (image) => {
      const loading = loaded.get(image) ?? load(image);
      loaded.set(image, loading);
      return loading;
    },
    createNamespace: (name) => createNamespace(name, folder),
    stop: () => end(folder),
  };
}
