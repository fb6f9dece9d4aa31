/** How two readings of the migration ledgers differ. */
import type { LedgerTruth } from "../../postgres/truth/truth.ts";

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
