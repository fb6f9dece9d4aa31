/** The server's counters of writes: an upper bound of what was changed and deleted between two readings. */
import { type Session, SqlError } from "../session.ts";
import { notOfExtension, userSchema } from "./catalog/query.ts";
import { byName } from "./tables.ts";
import type { TableCounters, WriteCounters } from "./truth.ts";

/** Why the counters prove nothing, as a clause. */
export interface Uncounted {
  readonly unknown: string;
}

interface Standing extends Omit<WriteCounters, "tables" | "timeline"> {
  readonly timeline: string | null;
  readonly versionNum: number;
  readonly counting: boolean;
}

/**
 * Reads the counters of every table as they are reported now: a session reports a transaction after it has ended, at once or
 * some time later. Outside of a transaction only, in which the server shows the same numbers again. Never throws a SqlError.
 */
export async function readWriteCounters(session: Session): Promise<WriteCounters | Uncounted> {
  try {
    const before = await session.row<Standing>(standingSql);
    const useless = whyUseless(before);
    if (useless !== undefined) return { unknown: useless };
    const tables = await session.rows<TableCounters>(tablesSql);
    const { system, timeline, database, databaseReset, serverReset } = await session.row<Standing>(standingSql);
    if (timeline === null || JSON.stringify([timeline, databaseReset, serverReset]) !== JSON.stringify([before.timeline, before.databaseReset, before.serverReset])) return { unknown: "the server's statistics began anew while they were read" };
    return { system, timeline, database, databaseReset, serverReset, tables: tables.toSorted(byName) };
  } catch (error) {
    if (error instanceof SqlError) return { unknown: `the server's statistics cannot be read: ${error.message}` };
    throw error;
  }
}

/** Before version 15 sessions send what they did over a socket that may lose it; a standby does not count what it replays. */
function whyUseless({ versionNum, timeline, counting }: Standing): string | undefined {
  if (versionNum < 150_000) return "PostgreSQL counts writes reliably only from version 15 on";
  if (timeline === null) return "the server is a standby, which does not count what it replays";
  return counting ? undefined : "track_counts is off, for everybody or for some";
}

/**
 * A crash loses the counters without a word in pg_stat_database, and without a new start of the postmaster; the counters that
 * belong to no database get a new time then, pg_stat_archiver's among them.
 */
const standingSql = `
  SELECT current_setting('server_version_num')::int AS "versionNum",
    (SELECT system_identifier::text FROM pg_control_system()) AS system,
    CASE WHEN NOT pg_is_in_recovery() THEN substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8) END AS timeline,
    d.oid::bigint AS database,
    (SELECT extract(epoch FROM s.stats_reset)::text FROM pg_stat_database s WHERE s.datid = d.oid) AS "databaseReset",
    (SELECT extract(epoch FROM stats_reset)::text FROM pg_stat_archiver) AS "serverReset",
    current_setting('track_counts') = 'on' AND NOT EXISTS (SELECT FROM pg_db_role_setting r CROSS JOIN unnest(r.setconfig) AS u(setting)
      WHERE r.setdatabase IN (0, d.oid) AND u.setting LIKE 'track_counts=%' AND u.setting <> 'track_counts=on') AS counting
  FROM pg_database d WHERE d.datname = current_database()`;

/** Other ways to store a table than PostgreSQL's own need not count. */
const tablesSql = `
  SELECT n.nspname AS schema, c.relname AS name, c.oid::bigint AS oid, c.relfilenode::bigint AS file,
    pg_stat_get_tuples_inserted(c.oid) AS inserted, pg_stat_get_tuples_updated(c.oid) AS updated, pg_stat_get_tuples_deleted(c.oid) AS deleted
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_am a ON a.oid = c.relam
  WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND a.amhandler = 'pg_catalog.heap_tableam_handler'::regproc
    AND ${userSchema("n")} AND ${notOfExtension("pg_class", "c.oid")}`;
