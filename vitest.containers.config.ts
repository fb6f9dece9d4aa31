import { execa } from "execa";
import { join } from "node:path";
import { defineConfig } from "vitest/config";

import { serverBinaries } from "./src/postgres/binaries.ts";

const scripts = join(import.meta.dirname, "test/harness/docker");

/** Makes sure of an engine, the Compose plugin and the images. @returns why not, where they cannot be had */
async function missingForContainers(): Promise<string | undefined> {
  const binaries = await serverBinaries();
  if (binaries === undefined) return "PostgreSQL's programs, of which the image is made, are not on this machine";
  for (const [script, ...args] of [["ensure-docker.sh"], ["ensure-compose.sh"], ["make-images.sh", binaries], ["make-drill-image.sh", binaries], ["make-app-images.sh"]] as const) {
    const { exitCode, stderr } = await execa("bash", [join(scripts, script), ...args], { reject: false, stdin: "ignore" });
    if (exitCode === 3) return stderr.trim().split("\n").at(-1) ?? script;
    if (exitCode !== 0) throw new Error(`${script} failed: ${stderr}`);
  }
  return undefined;
}

const missing = await missingForContainers();
if (missing !== undefined) process.stderr.write(`container tests skipped: ${missing}\n`);

export default defineConfig({
  test: {
    include: missing === undefined ? ["test/containers/**/*.test.ts"] : [],
    passWithNoTests: missing !== undefined,
    ...(missing !== undefined && { reporters: [] }),
    testTimeout: 90_000,
    hookTimeout: 90_000,
    fileParallelism: false,
  },
});
