/**
 * Rows that were changed or deleted since a snapshot, by the server's counters: never fewer than there were, as long as the
 * counters are of the same table and were not begun anew. What is not sure is unknown, and not zero. Pure.
 */
import type { TableName } from "../../postgres/truth/tables.ts";
import type { TableCounters, Truth, WriteCounters } from "../../postgres/truth/truth.ts";
import type { Uncounted } from "../../postgres/truth/write-counters.ts";

/** At most so many of the snapshot's rows. */
export interface TableChanges {
  readonly changed: number | null;
  readonly deleted: number | null;
  /** `rewritten`: emptied or written anew as a whole, which no counter tells. */
  readonly changesBy: "counters" | "rewritten" | "unknown";
}

export interface Changes {
  /** Every change that was committed before is counted; ISO 8601, UTC. Null where nothing is known. */
  readonly until: string | null;
  /** Why nothing is known, as a clause; null where something is. */
  readonly unknown: string | null;
  of(table: TableName): TableChanges;
}

export interface Counted {
  readonly counters: WriteCounters | Uncounted;
  readonly reported: { readonly until: string } | Uncounted;
}

/** @param snapshotAt - of the backup; ISO 8601, UTC, by the server's clock */
export function changesSince({ tables, counters: then }: Pick<Truth, "tables" | "counters">, snapshotAt: string, { counters: now, reported }: Counted): Changes {
  const unknown = whyUnknown(then, now, reported, snapshotAt);
  if (unknown !== undefined || then === undefined || !("tables" in now) || !("until" in reported)) return { until: null, unknown: unknown ?? "nothing was counted", of: () => notKnown };
  const rows = new Map(tables.map((table) => [keyOf(table), table.rows]));
  const [before, after] = [then, now].map((counters) => new Map(counters.tables.map((table) => [keyOf(table), table])));
  return { until: reported.until, unknown: null, of: (table) => between(before?.get(keyOf(table)), after?.get(keyOf(table)), rows.get(keyOf(table))) };
}

const keyOf = ({ schema, name }: TableName): string => JSON.stringify([schema, name]);
const notKnown: TableChanges = { changed: null, deleted: null, changesBy: "unknown" };

function whyUnknown(then: WriteCounters | undefined, now: Counted["counters"], reported: Counted["reported"], snapshotAt: string): string | undefined {
  if (then === undefined) return "the backup has no counters to compare with";
  if ("unknown" in now) return now.unknown;
  if (then.system !== now.system) return "the server is not the one that the backup was taken from";
  if (then.timeline !== now.timeline) return "the server's timeline is another since: a standby took over, or it was recovered";
  if (then.database !== now.database) return "the database is not the one that the backup was taken from, though it has its name";
  if (then.serverReset !== now.serverReset) return "the server lost its statistics since, by a crash or a reset";
  if (then.databaseReset !== now.databaseReset) return "the statistics of the database were reset since";
  if ("unknown" in reported) return reported.unknown;
  return reported.until > snapshotAt ? undefined : "sessions have not reported yet what they wrote since; plan again in a minute";
}

function between(before: TableCounters | undefined, after: TableCounters | undefined, rows: number | undefined): TableChanges {
  if (before === undefined || after === undefined || rows === undefined) return notKnown;
  if (before.oid !== after.oid || before.file !== after.file) return { ...notKnown, changesBy: "rewritten" };
  const [changed, deleted] = [after.updated - before.updated, after.deleted - before.deleted];
  // No table of the same oid counts backwards; if one seems to, the numbers are not what they are taken for.
  if (changed < 0 || deleted < 0 || after.inserted < before.inserted) return notKnown;
  // The snapshot's rows are all that can be changed or deleted of it, however often it was done.
  return { changed: Math.min(changed, rows), deleted: Math.min(deleted, rows), changesBy: "counters" };
}
