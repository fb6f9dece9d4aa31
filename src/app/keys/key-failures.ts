/** Failures of several backups as one error: every one of them is named, not the first one only. */
import { HoldfastError } from "../../errors.ts";

interface Outcome {
  readonly id: string;
  readonly error?: HoldfastError;
}

/** An outcome as it is shown, with what matters of its error. */
export type Told<T extends Outcome> = Omit<T, "error"> & { readonly error?: { readonly code: string; readonly message: string } };

export function told<T extends Outcome>({ error, ...rest }: T): Told<T> {
  return { ...rest, ...(error && { error: { code: error.code, message: error.message } }) };
}

/** @throws HoldfastError if one failed, with the code of the worst: damage is worse than a missing identity */
export function throwFailures(backups: readonly Outcome[], what: string): void {
  const failed = backups.flatMap(({ id, error }) => (error ? [{ id, error }] : []));
  if (failed.length === 0) return;
  const code = failed.some(({ error }) => error.code === "integrity") ? "integrity" : "cannot-decrypt";
  const message = failed.map(({ id, error }) => (error.message.includes(id) ? error.message : `${id}: ${error.message}`)).join("; ");
  throw new HoldfastError(code, `${failed.length} of ${backups.length} backups ${what}: ${message}`, {
    hints: [...new Set(failed.flatMap(({ error }) => error.hints))],
    details: { backups: backups.map((one) => told(one)) },
  });
}
