/** The way in: loads the commands' manifest, runs one, and turns what is thrown outside of it into an exit code. */
import { Config } from "@oclif/core/config";
import { ExitError } from "@oclif/core/errors";
import { run } from "@oclif/core/run";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";

import { errorTable } from "../errors.ts";
import { audienceOf, tellFailure } from "./failure.ts";

/**
 * Runs holdfast.
 * @param binUrl - `import.meta.url` of the starter in `bin/`
 * @param overrides - of the `oclif` section of package.json, for running the sources
 */
export async function main(argv: readonly string[], binUrl: string, overrides?: { readonly commands: string; readonly helpClass: object }): Promise<void> {
  const root = dirname(dirname(fileURLToPath(binUrl)));
  const audience = audienceOf(argv, process.env);
  tuneMemory();
  // Whoever reads our output may leave; a backup goes on without him, and ends in order.
  process.stdout.on("error", ignoreLeaving);
  process.stderr.on("error", ignoreLeaving);
  process.on("uncaughtException", (error) => {
    tellFailure(error, audience);
    process.exit(errorTable.bug.exit);
  });
  try {
    const config = await Config.load({ root, ...(overrides && { pjson: await packageWith(root, overrides), ignoreManifest: true }) });
    await run([...argv], config);
  } catch (error) {
    if (error instanceof ExitError) process.exitCode = error.oclif.exit ?? 0;
    else tellFailure(error, audience);
  }
}

function ignoreLeaving(error: NodeJS.ErrnoException): void {
  if (error.code !== "EPIPE" && error.code !== "EIO") throw error;
}

async function packageWith(root: string, overrides: object): Promise<never> {
  const { default: json } = (await import(`${root}/package.json`, { with: { type: "json" } })) as { default: { oclif: object } };
  return { ...json, oclif: { ...json.oclif, ...overrides } } as never;
}

/**
 * The data path's buffers die young and lie outside of the heap, which is small. A young generation that does not grow
 * frees them before they pile up (at a backup's peak 215 MB without, 180 MB with); marking the heap bit by bit beside them
 * would begin anew all the time (without it, half of the CPU time of a backup is gone).
 */
function tuneMemory(): void {
  setFlagsFromString("--semi-space-growth-factor=1");
  setFlagsFromString("--no-incremental-marking");
}
