/** What the providers of scratches say and write alike. */
import { HoldfastError, messageOf } from "../../errors.ts";

/** The error of a scratch that could not be had; a cancellation stays one. @param left - what could not be removed again */
export function inVain(error: unknown, what: string, left: readonly string[]): HoldfastError {
  const still = left.length === 0 ? "" : `; still there: ${left.join(", ")}`;
  const hints = left.length === 0 ? [] : ["Remove what is left with `holdfast drill clean`."];
  if (error instanceof HoldfastError) {
    const { code, message } = error;
    if (code === "drill-unverified" || code === "refused" || code === "cancelled") return left.length === 0 ? error : new HoldfastError(code, message + still, { hints: [...error.hints, ...hints], cause: error });
    return new HoldfastError("drill-unverified", `${what}: ${message}${still}`, { hints: [...error.hints, ...hints], cause: error });
  }
  return new HoldfastError("drill-unverified", `${what}: ${messageOf(error)}${still}`, { hints, cause: error });
}

export function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1024 ** 2)} MB`;
}

/** A database behind a Unix socket, as libpq, node-postgres and Prisma all read it. */
export function socketUrl({ socket, port, user, database }: { readonly socket: string; readonly port: number; readonly user: string; readonly database: string }): string {
  return `postgresql://${user}@localhost:${port}/${encodeURIComponent(database)}?host=${encodeURIComponent(socket)}`;
}
