/** A database whose writes are compared with what a backup of it would have recorded. */
import { expect, vi } from "vitest";

import { measureTables } from "../../src/app/rollback/measure-plan-loss.ts";
import type { Session } from "../../src/postgres/session.ts";
import { exportSnapshot, releaseSnapshot } from "../../src/postgres/snapshot.ts";
import { readTruth } from "../../src/postgres/truth/read.ts";
import type { DigestChoice } from "../../src/postgres/truth/tables.ts";
import type { Truth } from "../../src/postgres/truth/truth.ts";
import { readWriteCounters } from "../../src/postgres/truth/write-counters.ts";
import type { RollbackPlan } from "../../src/rollback/plan/plan.ts";
import { withSession } from "./postgres.ts";

export interface Recorded {
  readonly truth: Truth;
  readonly snapshotAt: string;
}

export type Measured = Pick<RollbackPlan["loss"], "tables" | "changes">;

/** As the story of a backup does it: the counters first, then the snapshot, and the truth in that. */
export function record(database: string, options: RecordOptions = {}): Promise<Recorded> {
  return withSession(database, (session) => recordIn(session, options));
}

interface RecordOptions {
  readonly digests?: DigestChoice;
  /** What else is to be read in the snapshot. */
  readonly within?: (rows: <T>(sql: string) => Promise<T[]>) => Promise<void>;
}

export async function recordIn(session: Session, { digests = "none", within }: RecordOptions = {}): Promise<Recorded> {
  const counters = await readWriteCounters(session);
  const { at } = await exportSnapshot(session);
  await within?.((sql) => session.rows(sql));
  const truth = await readTruth(session, { digests });
  await releaseSnapshot(session);
  return { truth: { ...truth, ...("tables" in counters && { counters }) }, snapshotAt: at };
}

/** Resolves when every other session of the database has ended, and so reported what it wrote. */
export async function alone(database: string): Promise<void> {
  await withSession("postgres", (session) => vi.waitFor(async () => {
    expect(await session.rows(`SELECT pid FROM pg_stat_activity WHERE datname = '${database}' AND backend_type = 'client backend'`)).toEqual([]);
  }, { timeout: 60_000, interval: 20 }));
}

/** What is known of the writes since, once they were reported. */
export async function measured(database: string, recorded: Recorded): Promise<Measured> {
  await alone(database);
  return withSession(database, (session) => measureTables(session, recorded, new Set(), 0));
}
