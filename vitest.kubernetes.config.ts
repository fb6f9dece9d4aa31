import { execa } from "execa";
import { join } from "node:path";
import { defineConfig } from "vitest/config";

import { serverBinaries } from "./src/postgres/binaries.ts";

const scripts = join(import.meta.dirname, "test/harness");
const run = (script: string, ...args: string[]) => execa("bash", [join(scripts, script), ...args], { reject: false, stdin: "ignore" });

/** Makes sure of a control plane; building it takes minutes, once a machine. @returns why not, where it cannot be had */
async function missingForKubernetes(): Promise<string | undefined> {
  const { exitCode, stderr } = await run("kubernetes/install.sh");
  if (exitCode === 0 && stderr !== "") process.stderr.write(`${stderr}\n`);
  return exitCode === 0 ? undefined : (stderr.trim().split("\n").at(-1) ?? "install.sh failed");
}

/** Makes sure of what a real node needs, and of the images that its pods run. @returns why not, where it cannot be had */
async function missingForRealNodes(): Promise<string | undefined> {
  const binaries = await serverBinaries();
  if (binaries === undefined) return "PostgreSQL's programs, of which the images are made, are not on this machine";
  for (const [script, ...args] of [["docker/ensure-docker.sh"], ["docker/make-images.sh", binaries], ["docker/make-drill-image.sh", binaries], ["docker/make-app-images.sh"], ["kubernetes/ensure-node.sh", "enforce"]] as const) {
    const { exitCode, stderr } = await run(script, ...args);
    if (exitCode === 3) return stderr.trim().split("\n").at(-1) ?? script;
    if (exitCode !== 0) throw new Error(`${script} failed: ${stderr}`);
  }
  return undefined;
}

const missing = await missingForKubernetes();
if (missing !== undefined) process.stderr.write(`Kubernetes tests skipped: ${missing}\n`);
const missingNode = missing ?? (await missingForRealNodes());
if (missing === undefined && missingNode !== undefined) process.stderr.write(`tests on a real Kubernetes node skipped: ${missingNode}\n`);

export default defineConfig({
  test: {
    include: missing === undefined ? ["test/kubernetes/**/*.test.ts"] : [],
    exclude: missingNode === undefined ? [] : ["test/kubernetes/**/real-*.test.ts", "test/kubernetes/**/*-real.test.ts"],
    passWithNoTests: missing !== undefined,
    ...(missing === undefined ? { globalSetup: ["test/harness/kubernetes-setup.ts"] } : { reporters: [] }),
    testTimeout: 90_000,
    hookTimeout: 90_000,
    maxWorkers: 2,
  },
});
