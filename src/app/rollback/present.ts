/** What runs now: the platform, the database's ledgers and schema, and what the health check says. */
import type { RollbackSettings } from "../../config/rollback-settings.ts";
import type { Server } from "../../postgres/server.ts";
import type { SchemaTruth } from "../../postgres/truth/truth.ts";
import type { LedgerState } from "../../rollback/checkpoint/checkpoint.ts";
import type { Health } from "../../rollback/health/health.ts";
import { checkHealth } from "../../rollback/health/probe.ts";
import { ledgerState } from "../../rollback/migrations/ledgers.ts";
import type { Platform, PlatformState } from "../../rollback/platform/platform.ts";
import type { Context } from "../context.ts";
import { readDatabaseState } from "../database-state.ts";

export interface PresentDatabase {
  readonly ledgers: LedgerState[];
  readonly schema: SchemaTruth;
}

export interface Present extends PresentDatabase {
  /** As the application says itself; null where it does not. */
  readonly release: string | null;
  readonly state: PlatformState;
  readonly health: Health | null;
}

export async function readPresent(context: Context, settings: RollbackSettings, platform: Platform, server: Server): Promise<Present> {
  const { clock, signal } = context;
  const [state, database, health] = await Promise.all([
    platform.capture(signal),
    readPresentDatabase(server, signal),
    settings.health === undefined ? null : checkHealth(settings.health, { clock, signal }),
  ]);
  return { ...database, state, health, release: health?.version ?? null };
}

/** @param name - a database of the server; the configured one by default */
export async function readPresentDatabase(server: Server, signal: AbortSignal, name?: string): Promise<PresentDatabase> {
  const { ledgers, schema } = await readDatabaseState(server, signal, name);
  return { ledgers: ledgers.map(ledgerState), schema };
}
