/** What a rollback loses, for people: as much as fits beside the rest of the plan on one screen. */
import type { RollbackPlan, TableLoss } from "../rollback/plan/plan.ts";
import { counted, formatCount, formatDuration, formatInstant, readable } from "../text/format.ts";
import { renderTable } from "./table.ts";

type Loss = RollbackPlan["loss"];

/** Tables that are named; the others are summed up. `rollback plan --json` has them all. */
const shownTables = 12;

export function lossLines({ strategy, skipSafetyBackup, loss: { data, minutes, tables, changes, downSql } }: Pick<RollbackPlan, "strategy" | "skipSafetyBackup" | "loss">): string[] {
  const kept = [...(skipSafetyBackup === null ? ["in the safety backup"] : []), ...(strategy === "restore-and-swap" ? ["in the database that is set aside"] : [])];
  const stays = kept.length === 0 ? "it stays NOWHERE" : `it stays ${kept.join(" and ")}`;
  if (strategy === "down-sql") return downSqlLines(downSql, stays);
  if (!data) return ["DATA LOST: none; the database is not replaced"];
  const all = tables.filter((loss) => isLost(loss, changes));
  const named = new Set(all.toSorted((a, b) => weight(b) - weight(a)).slice(0, shownTables));
  const rest = all.filter((loss) => !named.has(loss));
  return [
    `DATA LOST: whatever was written in the last ${formatDuration(minutes * 60)} (${stays})`,
    ...(all.length === 0 ? ["  no table has more or fewer rows than at the snapshot"] : [renderTable(["table", "new rows lost", "changes lost", "deletes undone", "rows now - then", "new rows known by"], all.filter((loss) => named.has(loss)).map(row), [1, 2, 3, 4])]),
    ...(rest.length === 0 ? [] : [`  and ${counted(rest.length, "more table")}, with --json: ${restText(rest)}`]),
    ...changesLines(changes, all),
  ];
}

function downSqlLines(downSql: Loss["downSql"], stays: string): string[] {
  if (downSql === undefined) return [`DATA LOST: whatever the down-SQL takes away, which could not be read (${stays})`];
  if (downSql.length === 0) return ["DATA LOST: none that the down-SQL tells; the database is not replaced"];
  return [`DATA LOST: what the down-SQL takes away, its rows not counted (${stays}); other rows stay`, ...downSql.map((each) => `  ${readable(each)}`)];
}

/** What is known of changed and deleted rows, and how; without it nobody must take silence for none. */
function changesLines(changes: Loss["changes"], all: readonly TableLoss[]): string[] {
  const proved = changes === undefined || changes.unchanged.length === 0 ? "" : `; ${counted(changes.unchanged.length, "table is", "tables are")} proved unchanged by digest`;
  if (changes?.until == null) return [`  changed and deleted rows: UNKNOWN (${changes?.unknown ?? "the plan is of an earlier holdfast"})${proved}`];
  const none = all.every(({ changed, deleted }) => changed === 0 && deleted === 0);
  const unknown = all.some(({ changesBy }) => changesBy === "rewritten") ? "; UNKNOWN where a table was emptied or written anew as a whole" : "";
  return [`  changed and deleted rows: ${none ? "none" : "at most, by the server's counters"}, of what was committed until ${formatInstant(changes.until)}${unknown}${proved}`];
}

function isLost({ inserted, difference, by, changed, deleted, changesBy }: TableLoss, changes: Loss["changes"]): boolean {
  if ((inserted ?? 0) > 0 || (difference !== 0 && difference !== null) || by === "gone" || by === "new" || by === "not-counted") return true;
  return (changed ?? 0) > 0 || (deleted ?? 0) > 0 || (changes?.until != null && changesBy !== "counters");
}

/** What is unknown weighs most. */
function weight(loss: TableLoss): number {
  if (loss.by === "gone" || loss.by === "not-counted" || loss.changesBy === "rewritten") return Number.MAX_SAFE_INTEGER;
  return atLeast(loss) + (loss.changed ?? 0) + (loss.deleted ?? 0);
}

const atLeast = ({ inserted, difference }: TableLoss): number => inserted ?? Math.max(0, difference ?? 0);
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

function row(loss: TableLoss): string[] {
  return [loss.table, newRows(loss), atMost(loss, loss.changed), atMost(loss, loss.deleted), loss.difference === null ? "-" : String(loss.difference), howKnown[loss.by]];
}

const howKnown: Readonly<Record<TableLoss["by"], string>> = {
  sequence: "its sequence", count: "the count alone: at least so many", gone: "the table is gone, and comes back", new: "the table is new, and goes", "not-counted": "it was locked, unreadable or too large",
};

function newRows({ inserted, difference }: TableLoss): string {
  if (inserted !== null) return formatCount(inserted);
  return difference === null ? "unknown" : `>= ${formatCount(Math.max(0, difference))}`;
}

function atMost({ by }: TableLoss, count: number | null | undefined): string {
  if (by === "gone" || by === "new") return "-";
  return count == null ? "unknown" : count === 0 ? "0" : `up to ${formatCount(count)}`;
}

function restText(rest: readonly TableLoss[]): string {
  const unknown = rest.filter(({ changed, deleted, by }) => changed == null || deleted == null || by === "not-counted").length;
  const most = (of: "changed" | "deleted"): string => formatCount(sum(rest.map((loss) => loss[of] ?? 0)));
  return `${formatCount(sum(rest.map(atLeast)))} new rows, up to ${most("changed")} changed, up to ${most("deleted")} deleted${unknown === 0 ? "" : `, and unknown in ${unknown}`}`;
}
