/** The way in: loads the commands' manifest, runs one, and turns what is thrown outside of it into an exit code. */
import { Config } from "@oclif/core/config";
import { ExitError } from "@oclif/core/errors";
import { run } from "@oclif/core/run";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";

import { errorTable, HoldfastError } from "../errors.ts";
import { type Audience, audienceOf, tellFailure } from "./failure.ts";

/**
 * Runs holdfast.
 * @param binUrl - `import.meta.url` of the starter in `bin/`
 * @param overrides - of the `oclif` section of package.json, for running the sources
 */
export async function main(argv: readonly string[], binUrl: string, overrides?: { readonly commands: string; readonly helpClass: object }): Promise<void> {
  const root = dirname(dirname(fileURLToPath(binUrl)));
  const audience = audienceOf(argv, process.env);
  tuneMemory();
  // Whoever reads our output may leave, and a log's disk may be full; a rollback goes on without them, and ends in order.
  const unwritten = new Set<unknown>();
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (isLeaving(error)) return;
    unwritten.add(error);
    tellUnwritten(error, audience);
  });
  process.stderr.on("error", (error: NodeJS.ErrnoException) => { if (!isLeaving(error) && !isFull(error)) throw error; });
  process.on("uncaughtException", (error) => {
    // oclif listens there as well, and throws what it hears.
    if (unwritten.has(error)) return;
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

const isLeaving = ({ code }: NodeJS.ErrnoException): boolean => code === "EPIPE" || code === "EIO";
const isFull = ({ code }: NodeJS.ErrnoException): boolean => code === "ENOSPC" || code === "EDQUOT" || code === "EFBIG";

/** What was done stands, but who keeps the answer must not take half of it for the whole; a failure keeps its own exit code. */
function tellUnwritten(error: NodeJS.ErrnoException, audience: Audience): void {
  const { exitCode } = process;
  const message = `the output could not be written to its end: ${isFull(error) ? "its disk is full" : error.message}; whatever the command did, it has done`;
  tellFailure(new HoldfastError("done-with-warnings", message, { hints: ["Free space there; what is in the repository is shown by the commands `list` and `show`, and what was done by `holdfast audit show`."], cause: error }), audience === "script" ? "person" : audience);
  if (exitCode !== undefined && exitCode !== 0) process.exitCode = exitCode;
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
