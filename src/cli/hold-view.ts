/** A hold as a script and as a person reads it. */
import type { HoldResult } from "../app/backup/hold-backup.ts";

export interface HoldJson {
  readonly id: string;
  readonly database: string;
  /** Null once it is released. */
  readonly hold: { readonly reason: string; readonly until: string | null } | null;
  /** Until when all of its objects are under object lock; null if they are not. */
  readonly lockedUntil: string | null;
}

export function holdJson({ id, database, hold, lockedUntil }: HoldResult): HoldJson {
  return { id, database, hold: hold && { reason: hold.reason, until: hold.until?.toISOString() ?? null }, lockedUntil: lockedUntil?.toISOString() ?? null };
}

export function renderHold({ id, hold, lockedUntil }: HoldResult): string {
  if (hold === null) return `${id} is released`;
  const until = hold.until === null ? "until it is released" : `until ${hold.until.toISOString()}`;
  return `${id} is held ${until}${lockedUntil === null ? "" : `, its objects under object lock until ${lockedUntil.toISOString()}`}`;
}
