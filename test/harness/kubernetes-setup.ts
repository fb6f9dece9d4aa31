/** One Kubernetes control plane for the whole test run; vitest's configuration has made sure that its programs are there. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";

import { runTool } from "../../src/process/run.ts";
import { freePort, sweepOwned } from "./owned-folders.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** The folder of the cluster's files; the superuser's configuration among them. */
    kubernetes: { readonly folder: string };
  }
}

const folderName = "holdfast-kubernetes-";

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await sweepOwned(folderName, end);
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
