/** What a database says of itself at one moment: its migration ledgers and its schema, as in the truth of a backup. */
import { type AppliedLedger, readAppliedLedgers } from "../postgres/ledgers.ts";
import type { Server } from "../postgres/server.ts";
import { openSession } from "../postgres/session.ts";
import { fingerprintOf, readCatalog } from "../postgres/truth/catalog.ts";
import type { SchemaTruth } from "../postgres/truth/truth.ts";

export interface DatabaseState {
  readonly ledgers: readonly AppliedLedger[];
  readonly schema: SchemaTruth;
}

/**
 * Reads both in one snapshot, which is held no longer.
 * @param name - a database of the server; the connection's own by default
 */
export async function readDatabaseState(server: Server, signal: AbortSignal, name?: string): Promise<DatabaseState> {
  const session = await openSession(server.target(name), { signal });
  try {
    await session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    const ledgers = await readAppliedLedgers(session);
    return { ledgers, schema: fingerprintOf(await readCatalog(session)) };
  } finally {
    await session.close();
  }
}
