/** The way in: loads the commands' manifest, runs one, and turns what is thrown outside of it into an exit code. */
import { Config, Errors, flush, run } from "@oclif/core";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

import { errorTable } from "../errors.ts";
import { redact } from "../process/redact.ts";
import { asHoldfastError } from "./base-command.ts";
import { describeError, errorJson } from "./error-output.ts";

/**
 * Runs holdfast.
 * @param binUrl - `import.meta.url` of the starter in `bin/`
 * @param overrides - of the `oclif` section of package.json, for running the sources
 */
export async function main(argv: readonly string[], binUrl: string, overrides?: { readonly commands: string }): Promise<void> {
  const root = dirname(dirname(fileURLToPath(binUrl)));
  try {
    const config = await Config.load({ root, ...(overrides && { pjson: await packageWith(root, overrides), ignoreManifest: true }) });
    await run([...argv], config);
    await flush();
  } catch (error) {
    if (error instanceof Errors.ExitError) {
      process.exitCode = error.oclif.exit ?? 0;
      return;
    }
    const known = asHoldfastError(error);
    if (argv.includes("--json")) process.stdout.write(`${redact(JSON.stringify(errorJson(known ?? error), null, 2))}\n`);
    else process.stderr.write(`${redact(describeError(known ?? error))}\n`);
    process.exitCode = known?.exitCode ?? errorTable.bug.exit;
  }
}

async function packageWith(root: string, overrides: { readonly commands: string }): Promise<never> {
  const { default: json } = (await import(`${root}/package.json`, { with: { type: "json" } })) as { default: { oclif: object } };
  return { ...json, oclif: { ...json.oclif, ...overrides } } as never;
}
