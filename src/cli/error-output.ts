/** A failure as a person reads it at night, and as a script does. Only a bug shows its stack. */
import { errorTable, HoldfastError, messageOf } from "../errors.ts";
import { readable } from "./format.ts";

export function describeError(error: unknown): string {
  if (!(error instanceof HoldfastError)) {
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return `bug: ${messageOf(error)}\n${stack}\nThis is a bug in holdfast; please report it with the lines above.`;
  }
  const { exit, meaning } = errorTable[error.code];
  return [`error: ${readable(error.message)}`, ...error.hints.map((hint) => `  → ${readable(hint)}`), `(exit ${exit}: ${meaning})`].join("\n");
}

export interface ErrorJson {
  readonly error: { readonly code: string; readonly message: string; readonly hints: readonly string[]; readonly details?: Readonly<Record<string, unknown>> };
}

export function errorJson(error: unknown): ErrorJson {
  if (!(error instanceof HoldfastError)) return { error: { code: "bug", message: messageOf(error), hints: [] } };
  return { error: { code: error.code, message: error.message, hints: error.hints, ...(error.details && { details: error.details }) } };
}
