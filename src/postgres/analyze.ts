/** The planner's statistics of a restored database: an archive carries none. */
import { identifier, type Session, SqlError } from "./session.ts";

export interface Unanalyzed {
  readonly table: string;
  /** The server's own words. */
  readonly why: string;
}

/**
 * Gathers statistics for all tables. ANALYZE of the whole database stops at the first table that it cannot do, as one
 * with an index over a failing function or with a type that compares by no collation; then each table is tried alone.
 * @returns the tables that have no statistics; their rows are none the worse for it
 * @throws SqlError when the server lacks room or is being stopped
 */
export async function analyzeDatabase(session: Session): Promise<Unanalyzed[]> {
  if ((await refusal(session, "ANALYZE")) === undefined) return [];
  const tables = await session.rows<{ schema: string; name: string }>(
    "SELECT n.nspname AS schema, c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'm', 'p') AND c.relpersistence <> 't' ORDER BY c.oid",
  );
  const failed: Unanalyzed[] = [];
  for (const { schema, name } of tables) {
    const why = await refusal(session, `ANALYZE ${identifier(schema)}.${identifier(name)}`);
    if (why !== undefined) failed.push({ table: `${schema}.${name}`, why });
  }
  return failed;
}

async function refusal(session: Session, statement: string): Promise<string | undefined> {
  try {
    await session.execute(statement);
    return undefined;
  } catch (error) {
    if (error instanceof SqlError && !/^5[37]/.test(error.sqlState)) return error.message;
    throw error;
  }
}
