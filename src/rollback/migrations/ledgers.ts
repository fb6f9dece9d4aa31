/** The ledgers of a database, as checkpoints keep them. */
import { type AppliedLedger, readAppliedLedgers } from "../../postgres/ledgers.ts";
import type { Session } from "../../postgres/session.ts";
import type { LedgerState } from "../checkpoint/checkpoint.ts";

/** What a checkpoint, a plan or a record keeps of a ledger that was read. */
export function ledgerState({ tool, table, head, applied, failed, repeatable, sha256 }: AppliedLedger): LedgerState {
  return { tool, table, head, applied: [...applied], failed, ...(repeatable !== undefined && { repeatable }), sha256 };
}

export async function readLedgerStates(session: Session): Promise<LedgerState[]> {
  return (await readAppliedLedgers(session)).map(ledgerState);
}
