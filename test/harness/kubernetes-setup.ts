/** One Kubernetes control plane for the whole test run; vitest's configuration has made sure that its programs are there. */
import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";

import { runTool } from "../../src/process/run.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** The folder of the cluster's files; the superuser's configuration among them. */
    kubernetes: { readonly folder: string };
  }
}

const folderName = "holdfast-kubernetes-";

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await sweep();
  const folder = await mkdtemp(join(tmpdir(), folderName));
  await writeFile(join(folder, "owner"), String(process.pid));
  try {
    await script("start.sh", folder, String(await freePort()), String(await freePort()));
  } catch (error) {
    await end(folder);
    throw error;
  }
  project.provide("kubernetes", { folder });
  return () => end(folder);
}

async function script(name: string, ...args: string[]): Promise<void> {
  await runTool(["bash", join(import.meta.dirname, "kubernetes", name)], args, { env: { HOLDFAST_TEST_CACHE: process.env["HOLDFAST_TEST_CACHE"] } });
}

async function end(folder: string): Promise<void> {
  await script("stop.sh", folder);
  await rm(folder, { recursive: true, force: true });
}

/** Ends the clusters of test runs that were killed before they could. */
async function sweep(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    if (!name.startsWith(folderName)) continue;
    const folder = join(tmpdir(), name);
    const owner = await readFile(join(folder, "owner"), "utf8").catch(() => "");
    if (owner !== "" && !exists(Number(owner))) await end(folder);
  }
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
