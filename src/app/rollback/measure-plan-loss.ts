/** What a plan loses: minutes since the snapshot, and rows by table as far as they can be known. */
import type { Manifest } from "../../catalog/manifest.ts";
import { writesReportedUntil } from "../../postgres/reported-writes.ts";
import type { Server } from "../../postgres/server.ts";
import { openSession, type Session } from "../../postgres/session.ts";
import { byName, type TableName } from "../../postgres/truth/tables.ts";
import { readWriteCounters } from "../../postgres/truth/write-counters.ts";
import { type PreparedScript, takenAway } from "../../rollback/migrations/down.ts";
import { type Changes, changesSince } from "../../rollback/plan/changes.ts";
import { measureLoss } from "../../rollback/plan/loss.ts";
import type { RollbackPlan, Strategy, TableLoss } from "../../rollback/plan/plan.ts";
import { proveUnchanged } from "../../rollback/plan/unchanged.ts";
import type { Context } from "../context.ts";

/** A plan at three in the morning must not wait for a count. */
const countMs = 60_000;

/** @param scripts - of the down-SQL, where that is the strategy and they can be read */
export async function measurePlanLoss({ clock, signal }: Context, server: Server, manifest: Manifest, strategy: Strategy, ledgers: readonly { readonly table: string }[], scripts?: readonly PreparedScript[]): Promise<RollbackPlan["loss"]> {
  if (strategy === "down-sql") return lossBySql(scripts);
  if (strategy !== "restore-and-swap") return { data: false, minutes: 0, tables: [] };
  const session = await openSession(server.target(), { signal });
  try {
    const minutes = Math.max(0, Math.round((clock.now().getTime() - Date.parse(manifest.snapshotAt)) / 600) / 100);
    return { data: true, minutes, ...(await measureTables(session, manifest, new Set(ledgers.map(({ table }) => table)), countMs)) };
  } finally {
    await session.close();
  }
}

/** Rows that were written since stay where they are, unless the SQL takes them away. What cannot be read may take anything. */
async function lossBySql(scripts: readonly PreparedScript[] | undefined): Promise<RollbackPlan["loss"]> {
  if (scripts === undefined) return { data: true, minutes: 0, tables: [] };
  const downSql = await takenAway(scripts);
  return { data: downSql.length > 0, minutes: 0, tables: [], downSql };
}

/**
 * Rows that were added, changed and deleted since a backup's snapshot.
 * @param session - in no transaction
 * @param ledgers - tables of migration tools, `schema.table`: what they lose are the migrations, which the plan names
 * @param timeoutMs - 0 for as long as it takes
 */
export async function measureTables(session: Session, { truth, snapshotAt }: Pick<Manifest, "truth" | "snapshotAt">, ledgers: ReadonlySet<string>, timeoutMs: number): Promise<Pick<RollbackPlan["loss"], "tables" | "changes">> {
  const started = performance.now();
  // Asked first: whatever is reported after it only makes the counters larger.
  const reported = await writesReportedUntil(session, snapshotAt);
  const changes = changesSince(truth, snapshotAt, { reported, counters: await readWriteCounters(session) });
  const added = (await measureLoss(session, truth, { timeoutMs })).filter(({ table }) => !ledgers.has(table));
  const known = new Map(truth.tables.filter(({ kind }) => kind === "table" || kind === "partition").map((table) => [nameOf(table), table] as const).filter(([name]) => !ledgers.has(name)));
  const moved = new Set(added.flatMap(({ table, inserted, difference }) => ((inserted ?? 0) > 0 || difference !== 0 ? [table] : [])));
  const proved = await proveUnchanged(session, truth, {
    timeoutMs: timeoutMs === 0 ? 0 : Math.max(1, timeoutMs - (performance.now() - started)),
    of: (table) => known.has(nameOf(table)) && !moved.has(nameOf(table)),
  });
  const unchanged = [...proved].toSorted(byName).map(nameOf);
  return { tables: [...withChanges(added, known, changes, new Set(unchanged)), ...(await largeObjects(session, truth))], changes: { until: changes.until, unknown: changes.unknown, unchanged } };
}

/** They are in no table of anybody's: how many there are is all that is known without reading each. */
async function largeObjects(session: Session, { largeObjects: { count: then } }: Pick<Manifest["truth"], "largeObjects">): Promise<TableLoss[]> {
  const { now } = await session.row<{ now: number }>("SELECT count(*) AS now FROM pg_catalog.pg_largeobject_metadata");
  return then === 0 && now === 0 ? [] : [{ table: "large objects", inserted: null, difference: now - then, by: "count", changed: null, deleted: null, changesBy: "unknown" }];
}

const nameOf = ({ schema, name }: TableName): string => `${schema}.${name}`;

/** The tables that lose something, and those that were counted as equal, but may have been written to all the same. */
function withChanges(added: readonly TableLoss[], known: ReadonlyMap<string, TableName>, changes: Changes, unchanged: ReadonlySet<string>): TableLoss[] {
  const listed = new Set(added.map(({ table }) => table));
  const losses = added.map((loss): TableLoss => {
    const table = known.get(loss.table);
    // A table that went comes back whole, and one that came goes whole.
    return { ...loss, ...(table === undefined || loss.by === "gone" || loss.by === "new" ? { changed: null, deleted: null, changesBy: "unknown" } : changes.of(table)) };
  });
  const silent = [...known].flatMap(([name, table]): TableLoss[] => {
    const told = changes.of(table);
    // Where nothing is known of any table, that is said once.
    return listed.has(name) || changes.unknown !== null || (told.changed === 0 && told.deleted === 0) ? [] : [{ table: name, inserted: 0, difference: 0, by: "sequence", ...told }];
  });
  return [...losses, ...silent].filter(({ table }) => !unchanged.has(table)).toSorted((a, b) => Number(a.by === "gone") - Number(b.by === "gone") || (a.table < b.table ? -1 : 1));
}
