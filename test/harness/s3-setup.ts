/** One S3 server for the whole test run: Ceph's RADOS gateway over memory. Where it cannot be had, the reason is provided instead. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TestProject } from "vitest/node";

import { ToolFailure, runTool } from "../../src/process/run.ts";
import { freePort, sweepOwned } from "./owned-folders.ts";

export type S3Provided = { readonly endpoint: string; readonly accessKeyId: string; readonly secretAccessKey: string } | { readonly missing: string };

declare module "vitest" {
  interface ProvidedContext {
    s3: S3Provided;
  }
}

const credentials = { accessKeyId: "testkey", secretAccessKey: "testsecret" } as const;
const folderName = "holdfast-ceph-";

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await sweepOwned(folderName, end);
  const folder = await mkdtemp(join(tmpdir(), folderName));
  await writeFile(join(folder, "owner"), String(process.pid));
  try {
    await script("install.sh");
    const [port, monitorPort] = [await freePort(), await freePort()];
    await script("start.sh", folder, String(port), String(monitorPort));
    project.provide("s3", { endpoint: `http://127.0.0.1:${port}`, ...credentials });
  } catch (error) {
    if (!(error instanceof ToolFailure)) throw error;
    project.provide("s3", { missing: error.lastLines.split("\n")[0] ?? error.message });
  }
  return () => end(folder);
}

async function script(name: string, ...args: string[]): Promise<void> {
  const env = { HOLDFAST_TEST_CACHE: process.env["HOLDFAST_TEST_CACHE"], S3_ACCESS_KEY: credentials.accessKeyId, S3_SECRET_KEY: credentials.secretAccessKey };
  await runTool(["bash", fileURLToPath(new URL(`ceph/${name}`, import.meta.url))], args, { env });
}

async function end(folder: string): Promise<void> {
  await script("stop.sh", folder);
  await rm(folder, { recursive: true, force: true });
}
