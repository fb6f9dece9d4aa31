/** One S3 server for the whole test run: Ceph's RADOS gateway over memory. Where it cannot be had, the reason is provided instead. */
import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TestProject } from "vitest/node";

import { ToolFailure, runTool } from "../../src/process/run.ts";

export type S3Provided = { readonly endpoint: string; readonly accessKeyId: string; readonly secretAccessKey: string } | { readonly missing: string };

declare module "vitest" {
  interface ProvidedContext {
    s3: S3Provided;
  }
}

const credentials = { accessKeyId: "testkey", secretAccessKey: "testsecret" } as const;
const folderName = "holdfast-ceph-";

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await sweep();
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

/** Ends the servers of test runs that were killed before they could. */
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
