/**
 * One error class and one table. The table feeds the process's exit code, the help text and the documentation
 * (docs/reference/exit-codes.md is generated from it); a new failure gets a row here first.
 */

interface ErrorKind {
  /** Process exit code. Several kinds never share one: cron wrappers and runbooks branch on it. */
  readonly exit: number;
  /** What the code means, as a noun phrase for the help and the documentation. */
  readonly meaning: string;
}

/** Every way Holdfast ends other than well. Keys are the `code` of `--json` errors. */
export const errorTable = {
  bug: { exit: 1, meaning: "a bug in holdfast" },
  usage: { exit: 2, meaning: "wrong usage: unknown flag, missing or malformed argument" },
  "done-with-warnings": { exit: 3, meaning: "done, but a notification, prune or copy failed" },
  configuration: { exit: 10, meaning: "configuration missing or wrong" },
  "lock-held": { exit: 11, meaning: "another holdfast holds the lock" },
  "cannot-decrypt": { exit: 12, meaning: "no identity at hand opens the backup" },
  "database-unreachable": { exit: 13, meaning: "database unreachable, or access refused" },
  "dump-failed": { exit: 14, meaning: "the dump failed; nothing was published" },
  "store-failed": { exit: 15, meaning: "the repository failed, or its storage is full" },
  "not-found": { exit: 16, meaning: "no such backup, database or object" },
  integrity: { exit: 17, meaning: "integrity or signature check failed" },
  "restore-failed": { exit: 18, meaning: "the restore failed, or its result differs from the source" },
  refused: { exit: 19, meaning: "refused: not confirmed, target not empty, or incompatible" },
  "drill-failed": { exit: 20, meaning: "the drill failed" },
  "drill-unverified": { exit: 21, meaning: "the drill could not verify" },
  "rollback-failed": { exit: 22, meaning: "the rollback failed" },
  overdue: { exit: 23, meaning: "a backup or drill is overdue" },
  "deploy-bad": { exit: 24, meaning: "the deploy is bad: looked at, and recorded as such" },
  cancelled: { exit: 130, meaning: "cancelled by a signal" },
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof errorTable;

export interface HoldfastErrorOptions {
  /** Whole sentences that say what to run or change next. */
  hints?: readonly string[];
  cause?: unknown;
  /** Machine-readable facts (part, expected, found…); never secrets, never row values. */
  details?: Readonly<Record<string, unknown>>;
}

/**
 * A failure that the operator can act on, or that an external tool reported.
 * `message` is lower case, without a full stop, names the value seen and the rule that it broke.
 * Anything else that is thrown is a bug and prints its stack.
 */
export class HoldfastError extends Error {
  override readonly name = "HoldfastError";
  readonly code: ErrorCode;
  readonly hints: readonly string[];
  readonly details: Readonly<Record<string, unknown>> | undefined;

  constructor(code: ErrorCode, message: string, options: HoldfastErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hints = options.hints ?? [];
    this.details = options.details;
  }

  /** The process exit code of this failure. */
  get exitCode(): number {
    return errorTable[this.code].exit;
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The `code` property that Node and the AWS SDK put on system errors (`ENOSPC`, `ECONNREFUSED`…), if any. */
export function systemCodeOf(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/** Throws the cancellation error if `signal` has been aborted. */
export function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw cancelled(signal);
}

/** The error of an operation that was stopped by Ctrl-C or SIGTERM; keeps a HoldfastError given as the abort reason. */
export function cancelled(signal?: AbortSignal): HoldfastError {
  const reason: unknown = signal?.reason;
  if (reason instanceof HoldfastError) return reason;
  return new HoldfastError("cancelled", "cancelled", { cause: reason });
}
