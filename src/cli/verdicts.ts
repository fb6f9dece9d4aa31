/** Verdicts of a verification as one error: every backup that failed is named, not the first one only. */
import type { Verdict } from "../app/backup/verify-backup.ts";
import { HoldfastError } from "../errors.ts";

export function failedVerdicts(verdicts: readonly Verdict[]): HoldfastError | undefined {
  const failed = verdicts.flatMap(({ id, error }) => (error ? [{ id, error }] : []));
  if (failed.length === 0) return undefined;
  const message = failed.map(({ id, error }) => `${id}: ${error.message}`).join("; ");
  return new HoldfastError("integrity", verdicts.length > 1 ? `${failed.length} of ${verdicts.length} backups failed verification: ${message}` : message, {
    hints: [...new Set(failed.flatMap(({ error }) => error.hints))],
    details: { verdicts: verdicts.map(({ id, level, ok, error }) => ({ id, level, ok, ...(error && { message: error.message, ...error.details }) })) },
  });
}
