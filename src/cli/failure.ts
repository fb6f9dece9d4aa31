/** Whatever ends a command other than well, in the terms of the table of errors, and the one place that tells of it. */
import { CLIError, ExitError } from "@oclif/core/errors";

import { cancelled, errorTable, HoldfastError } from "../errors.ts";
import { redact } from "../process/redact.ts";
import { describeError, errorJson } from "./error-output.ts";

/** Who reads of a failure: people on stderr, a log of JSON lines on stderr, or a script on stdout. */
export type Audience = "person" | "log" | "script";

/** Before the flags are parsed, and when they cannot be: who seems to be meant. */
export function audienceOf(argv: readonly string[], env: NodeJS.ProcessEnv): Audience {
  if (argv.includes("--json")) return "script";
  const given = argv.findLast((argument, at) => argument.startsWith("--log-format=") || argv[at - 1] === "--log-format");
  return (given?.replace("--log-format=", "") ?? env["HOLDFAST_LOG_FORMAT"]) === "json" ? "log" : "person";
}

/** Tells of a failure and sets the exit code. */
export function tellFailure(error: unknown, audience: Audience): void {
  const known = asHoldfastError(error);
  const shown = errorJson(known ?? error);
  // A bug's stack belongs to whoever can mend it, also when a script is told its message.
  if (audience !== "person" && known === undefined) process.stderr.write(`${redact(describeError(error))}\n`);
  if (audience === "script") process.stdout.write(`${redact(JSON.stringify(shown, null, 2))}\n`);
  else if (audience === "log") process.stderr.write(`${redact(JSON.stringify({ time: new Date().toISOString(), type: "error", ...shown.error }))}\n`);
  else process.stderr.write(`${redact(describeError(known ?? error))}\n`);
  process.exitCode = known?.exitCode ?? errorTable.bug.exit;
}

/** Our own errors, and oclif's about commands, flags and arguments in our terms; undefined for a bug. */
export function asHoldfastError(error: unknown): HoldfastError | undefined {
  if (error instanceof HoldfastError) return error;
  if (error instanceof CLIError && !(error instanceof ExitError)) return usageError(error);
  return error instanceof Error && error.name === "AbortError" ? cancelled() : undefined;
}

/** oclif writes a heading, indented reasons and a pointer to the help into one message; what counts are the reasons. */
function usageError(error: CLIError): HoldfastError {
  const lines = error.message
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !/^(?:See more help|The following errors? occurred)/.test(line));
  const command = /^command (\S+) not found\.?$/i.exec(lines[0] ?? "")?.[1];
  if (command !== undefined) {
    return new HoldfastError("usage", `there is no command ${command.replaceAll(":", " ")}`, { hints: ["Run `holdfast --help` to see the commands."], cause: error });
  }
  const reasons = missingArguments(error) ?? lines.map((line) => inOurWords(line)).join("; ").replace(/^(parsing )(--\S+); /, "$2: ");
  return new HoldfastError("usage", reasons, { hints: ["Run the command with --help to see its flags and arguments."], cause: error });
}

/** oclif tells of missing arguments in a table, which would be hard to read in one line. */
function missingArguments(error: CLIError & { readonly args?: unknown }): string | undefined {
  if (!/^Missing \d+ required arg/.test(error.message) || !Array.isArray(error.args)) return undefined;
  return (error.args as { readonly name: string; readonly description?: string }[]).map(({ name, description }) => `the argument ${name.toUpperCase()} is required${description === undefined ? "" : ` (${description})`}`).join("; ");
}

function inOurWords(line: string): string {
  const text = line
    .replace(/^Missing required flag (\S+)$/, "the flag --$1 is required")
    .replace(/^Nonexistent flag: (\S+)$/, "there is no flag $1")
    .replace(/^Nonexistent flags: (.+)$/, "there are no flags $1")
    .replace(/^(--\S+?)=true cannot also be provided when using/, "$1 cannot be given together with")
    .replace(/^(--\S+?)=.* cannot also be provided when using/, "$1 cannot be given together with");
  return text.charAt(0).toLowerCase() + text.slice(1).replace(/[.:]$/, "");
}
