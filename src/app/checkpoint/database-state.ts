/** What a database says of itself at one moment: its migration ledgers and the fingerprint of its schema. */
import { type AppliedLedger, readAppliedLedgers } from "../../postgres/ledgers.ts";
import type { Server } from "../../postgres/server.ts";
import { openSession } from "../../postgres/session.ts";
import { fingerprintOf, readCatalog } from "../../postgres/truth/catalog.ts";
import type { LedgerTruth } from "../../postgres/truth/truth.ts";

export interface DatabaseState {
  readonly ledgers: readonly AppliedLedger[];
  /** As in the truth of a backup. */
  readonly schemaFingerprint: string;
}

/** Reads both in one snapshot, which is held no longer. */
export async function readDatabaseState(server: Server, signal: AbortSignal): Promise<DatabaseState> {
  const session = await openSession(server.target(), { signal, applicationName: "holdfast checkpoint" });
  try {
    await session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    const ledgers = await readAppliedLedgers(session);
    const { fingerprint } = fingerprintOf(await readCatalog(session));
    return { ledgers, schemaFingerprint: fingerprint };
  } finally {
    await session.close();
  }
}

type Ledger = Pick<LedgerTruth, "table" | "sha256" | "head">;

/** How two readings of the ledgers differ, as a clause; undefined if they do not. */
export function ledgerDifference(before: readonly Ledger[], after: readonly Ledger[]): string | undefined {
  const then = new Map(before.map((ledger) => [ledger.table, ledger]));
  const now = new Map(after.map((ledger) => [ledger.table, ledger]));
  for (const [table, { sha256, head }] of then) {
    const other = now.get(table);
    if (other === undefined) return `the ledger ${table} is gone`;
    if (other.sha256 !== sha256) return `the ledger ${table} moved ${head === other.head ? `at ${head ?? "its beginning"}` : `from ${head ?? "nothing"} to ${other.head ?? "nothing"}`}`;
  }
  const fresh = after.find(({ table }) => !then.has(table));
  return fresh && `the ledger ${fresh.table} has come`;
}
