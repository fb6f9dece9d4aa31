/** What a plan loses: minutes since the snapshot, and rows by table as far as they can be known. */
import type { Manifest } from "../../catalog/manifest.ts";
import type { Server } from "../../postgres/server.ts";
import { openSession } from "../../postgres/session.ts";
import { measureLoss } from "../../rollback/plan/loss.ts";
import type { RollbackPlan, Strategy } from "../../rollback/plan/plan.ts";
import type { Context } from "../context.ts";

/** A plan at three in the morning must not wait for a count. */
const countMs = 60_000;

export async function measurePlanLoss({ clock, signal }: Context, server: Server, { truth, snapshotAt }: Manifest, strategy: Strategy, ledgers: readonly { readonly table: string }[]): Promise<RollbackPlan["loss"]> {
  if (strategy !== "restore-and-swap") return { data: false, minutes: 0, tables: [] };
  const session = await openSession(server.target(), { signal });
  try {
    const minutes = Math.max(0, Math.round((clock.now().getTime() - Date.parse(snapshotAt)) / 600) / 100);
    // What the ledger loses are the migrations, which the plan names.
    const own = new Set(ledgers.map(({ table }) => table));
    const tables = (await measureLoss(session, truth, { timeoutMs: countMs })).filter(({ table }) => !own.has(table));
    return { data: true, minutes, tables };
  } finally {
    await session.close();
  }
}
