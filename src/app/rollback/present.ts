/** What runs now: the platform, the database's ledgers and schema, and what the health check says. */
import type { RollbackSettings } from "../../config/rollback-settings.ts";
import { readAppliedLedgers } from "../../postgres/ledgers.ts";
import type { Server } from "../../postgres/server.ts";
import { openSession, type Session } from "../../postgres/session.ts";
import { fingerprintOf, readCatalog } from "../../postgres/truth/catalog.ts";
import type { SchemaTruth } from "../../postgres/truth/truth.ts";
import type { LedgerState } from "../../rollback/checkpoint/checkpoint.ts";
import type { Health } from "../../rollback/health/health.ts";
import { checkHealth } from "../../rollback/health/probe.ts";
import type { Platform, PlatformState } from "../../rollback/platform/platform.ts";
import type { Context } from "../context.ts";

export interface DatabaseState {
  readonly ledgers: LedgerState[];
  readonly schema: SchemaTruth;
}

export interface Present extends DatabaseState {
  /** As the application says itself; null where it does not. */
  readonly release: string | null;
  readonly state: PlatformState;
  readonly health: Health | null;
}

export async function readPresent(context: Context, settings: RollbackSettings, platform: Platform, server: Server): Promise<Present> {
  const { clock, signal } = context;
  const [state, database, health] = await Promise.all([
    platform.capture(signal),
    readDatabase(server, signal),
    settings.health === undefined ? null : checkHealth(settings.health, { clock, signal }),
  ]);
  return { ...database, state, health, release: health?.version ?? null };
}

/** Ledgers and schema in one snapshot. */
export async function readDatabase(server: Server, signal: AbortSignal, name?: string): Promise<DatabaseState> {
  const session = await openSession(server.target(name), { signal });
  try {
    return await readDatabaseState(session);
  } finally {
    await session.close();
  }
}

export async function readDatabaseState(session: Session): Promise<DatabaseState> {
  await session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  try {
    const ledgers = (await readAppliedLedgers(session)).map(({ tool, table, head, applied, failed, sha256 }) => ({ tool, table, head, applied: [...applied], failed, sha256 }));
    return { ledgers, schema: fingerprintOf(await readCatalog(session)) };
  } finally {
    await session.execute("COMMIT");
  }
}
