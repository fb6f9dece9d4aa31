/** Asks the configured command whether the error budget holds. */
import { HoldfastError } from "../../errors.ts";
import { redact } from "../../process/redact.ts";
import { type CommandLine, runTool, ToolFailure } from "../../process/run.ts";
import { printable } from "../../text/format.ts";

const limitMs = 60_000;
const longestDetail = 200;

/**
 * The command's own words are its first line; what it could not say counts as no.
 * @param release - the command gets it as HOLDFAST_RELEASE
 * @throws the cancellation
 */
export async function askErrorBudget(command: CommandLine, { release, signal }: { readonly release: string; readonly signal: AbortSignal }): Promise<{ readonly passed: boolean; readonly detail: string }> {
  try {
    const { stdout } = await runTool(command, [], { env: { HOLDFAST_RELEASE: release }, signal, timeout: limitMs });
    return { passed: true, detail: firstLine(stdout) || "the command exited with 0" };
  } catch (error) {
    if (error instanceof HoldfastError && error.code === "cancelled") throw error;
    if (error instanceof ToolFailure) return { passed: false, detail: firstLine(error.message) };
    throw error;
  }
}

function firstLine(text: string): string {
  const line = redact(printable(text)).trim().split("\n")[0] ?? "";
  return line.length <= longestDetail ? line : `${line.slice(0, longestDetail - 1).toWellFormed()}…`;
}
