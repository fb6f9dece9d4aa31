/** A failure as a person reads it at night, and as a script does. Only a bug shows its stack. */
import { errorTable, HoldfastError, messageOf } from "../errors.ts";
import { printable, readable } from "../text/format.ts";

export function describeError(error: unknown): string {
  if (!(error instanceof HoldfastError)) return describeBug(error);
  const { exit, meaning } = errorTable[error.code];
  return printable([`error: ${readable(error.message)}`, ...error.hints.map((hint) => `  → ${readable(hint)}`), `(exit ${exit}: ${meaning})`].join("\n"));
}

function describeBug(error: unknown): string {
  // V8's stack begins with name and message; they are not said twice.
  const stack = error instanceof Error ? error.stack?.split("\n").filter((line) => /^\s+at /.test(line)) : undefined;
  const name = error instanceof Error && error.name !== "Error" ? `${error.name}: ` : "";
  return printable(
    [`bug: ${name}${messageOf(error)}`, ...(stack ?? []), `  → This is a bug in holdfast. Please report it with the lines above, the command that you ran, and the output of \`holdfast --version\`.`, `(exit ${errorTable.bug.exit}: ${errorTable.bug.meaning})`].join("\n"),
  );
}

export interface ErrorJson {
  readonly error: { readonly code: string; readonly message: string; readonly hints: readonly string[]; readonly details?: Readonly<Record<string, unknown>> };
}

export function errorJson(error: unknown): ErrorJson {
  if (!(error instanceof HoldfastError)) return { error: { code: "bug", message: messageOf(error), hints: [] } };
  return { error: { code: error.code, message: error.message, hints: error.hints, ...(error.details && { details: error.details }) } };
}
