/** Tables that are proved to hold exactly what the snapshot held: as many rows, and the same digest of their contents. */
import { HoldfastError } from "../../errors.ts";
import { type Session, SqlError } from "../../postgres/session.ts";
import { fixOutput } from "../../postgres/truth/output-settings.ts";
import { type ListedTable, listTables, readTable, type TableName } from "../../postgres/truth/tables.ts";
import type { TableTruth, Truth } from "../../postgres/truth/truth.ts";
import { isUncountable } from "./loss.ts";

export interface ProveOptions {
  /** Milliseconds for all tables together, small ones first; 0: as long as it takes. */
  readonly timeoutMs: number;
  /** Tables of which it is worth knowing. */
  readonly of: (table: TableName) => boolean;
}

/**
 * Digests what is there now, of tables that have a digest in the truth. The session must be in no transaction; its output
 * settings are fixed afterwards. What was not proved (in time, locked, another column) may be unchanged all the same.
 */
export async function proveUnchanged(session: Session, then: Pick<Truth, "tables" | "database">, { timeoutMs, of }: ProveOptions): Promise<TableName[]> {
  const before = new Map(then.tables.flatMap((table) => (table.digest !== undefined && table.rows !== undefined && of(table) ? [[keyOf(table), table] as const] : [])));
  if (before.size === 0) return [];
  const deadline = timeoutMs === 0 ? Infinity : performance.now() + timeoutMs;
  await fixOutput(session);
  await session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  try {
    const present = (await listTables(session, (table) => before.has(keyOf(table)))).toSorted((a, b) => a.bytes - b.bytes);
    const proved: TableName[] = [];
    for (const table of present) if (isSame(before.get(keyOf(table)), await readInTime(session, table, then.database.encoding, deadline))) proved.push({ schema: table.schema, name: table.name });
    return proved;
  } finally {
    await session.execute("ROLLBACK").catch((error: unknown) => { if (error instanceof SqlError) throw error; });
  }
}

const keyOf = ({ schema, name }: TableName): string => JSON.stringify([schema, name]);

function isSame(before: TableTruth | undefined, now: TableTruth | undefined): boolean {
  return before?.digest !== undefined && now?.digest !== undefined && before.rows === now.rows && before.digest === now.digest;
}

async function readInTime(session: Session, table: ListedTable, encoding: string, deadline: number): Promise<TableTruth | undefined> {
  const left = deadline - performance.now();
  if (left < 1) return undefined;
  try {
    if (left !== Infinity) await session.execute(`SET LOCAL statement_timeout = ${Math.ceil(left)}`);
    return await readTable(session, table, encoding);
  } catch (error) {
    const refused = error instanceof HoldfastError ? error.cause : error;
    if (refused instanceof SqlError && isUncountable(refused)) return undefined;
    throw error;
  }
}
