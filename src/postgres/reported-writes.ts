/** Until when the sessions of a database have reported what they wrote to the server's counters. */
import { literal, type Session, SqlError } from "./session.ts";
import type { Uncounted } from "./truth/write-counters.ts";

/**
 * PostgreSQL 15 and later: a session reports after a transaction, at most once a second; what it kept back is reported once it
 * has been idle for ten seconds, at the end of the session, and at the latest after a transaction that ends a minute later.
 */
const idleReported = "interval '15 s'";
const keptBack = "interval '61 s'";

/**
 * The moment until which every transaction that was committed after `since` has reached the counters: now, unless a session may
 * still keep something back. To be asked before the counters are read.
 * @param since - ISO 8601, UTC; what was committed before does not count, so a transaction that is open since then hides nothing
 */
export async function writesReportedUntil(session: Session, since: string): Promise<{ readonly until: string } | Uncounted> {
  try {
    // A pooler's backend may have something of its own from whoever had it before.
    await session.rows("SELECT pg_stat_force_next_flush()::text AS flushed");
    const { hidden, until } = await session.row<{ hidden: number; until: string }>(reportedSql(since));
    return hidden === 0 ? { until } : { unknown: `${hidden === 1 ? "one session" : `${hidden} sessions`} of other roles cannot be looked at; grant pg_read_all_stats to the role of holdfast` };
  } catch (error) {
    if (error instanceof SqlError) return { unknown: `the sessions of the database cannot be looked at: ${error.message}` };
    throw error;
  }
}

/** Of a session of another role a role without pg_read_all_stats sees no start; autovacuum's have no user, and write no rows. */
const reportedSql = (since: string): string => `
  SELECT count(*) FILTER (WHERE hidden) AS hidden,
    to_char(date_trunc('milliseconds', least(now(), min(kept))) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS until
  FROM (
    SELECT backend_start IS NULL AND usesysid IS NOT NULL AS hidden,
      CASE
        WHEN backend_start IS NULL OR backend_type IN ('autovacuum worker', 'parallel worker') THEN NULL
        WHEN state = 'idle' AND state_change < now() - ${idleReported} THEN NULL
        WHEN state <> 'idle' AND xact_start < ${literal(since)}::timestamptz THEN NULL
        WHEN state = 'idle' THEN greatest(backend_start, state_change - ${keptBack})
        WHEN state IN ('active', 'idle in transaction', 'idle in transaction (aborted)', 'fastpath function call')
          THEN greatest(backend_start, least(xact_start, query_start, state_change) - ${keptBack})
        ELSE backend_start
      END AS kept
    FROM pg_stat_activity
    WHERE datid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND pid <> pg_backend_pid()
  ) AS others`;
