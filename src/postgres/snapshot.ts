/** The exported snapshot that pg_dump and the truth share. It lives exactly as long as its session's transaction. */
import type { Session } from "./session.ts";

export interface Snapshot {
  /** What `pg_dump --snapshot` takes. */
  readonly id: string;
  /** The server's time just before the snapshot was taken: nothing committed later is in it. ISO 8601, UTC. */
  readonly at: string;
}

/** Begins the transaction that holds the snapshot; ended by {@link releaseSnapshot} or the session's close. */
export async function exportSnapshot(session: Session): Promise<Snapshot> {
  await session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  return session.row<Snapshot>(`
    SELECT pg_export_snapshot() AS id, to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS at`);
}

export async function releaseSnapshot(session: Session): Promise<void> {
  await session.execute("ROLLBACK");
}
