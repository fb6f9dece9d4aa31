import { execa } from "execa";
import { join } from "node:path";
import { defineConfig } from "vitest/config";

/** Makes sure of a control plane; building it takes minutes, once a machine. @returns why not, where it cannot be had */
async function missingForKubernetes(): Promise<string | undefined> {
  const { exitCode, stderr } = await execa("bash", [join(import.meta.dirname, "test/harness/kubernetes/install.sh")], { reject: false, stdin: "ignore" });
  if (exitCode === 0 && stderr !== "") process.stderr.write(`${stderr}\n`);
  return exitCode === 0 ? undefined : (stderr.trim().split("\n").at(-1) ?? "install.sh failed");
}

const missing = await missingForKubernetes();
if (missing !== undefined) process.stderr.write(`Kubernetes tests skipped: ${missing}\n`);

export default defineConfig({
  test: {
    include: missing === undefined ? ["test/kubernetes/**/*.test.ts"] : [],
    passWithNoTests: missing !== undefined,
    ...(missing === undefined ? { globalSetup: ["test/harness/kubernetes-setup.ts"] } : { reporters: [] }),
    testTimeout: 90_000,
    hookTimeout: 90_000,
    maxWorkers: 2,
  },
});
