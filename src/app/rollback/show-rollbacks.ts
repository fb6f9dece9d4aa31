/** The stories of looking back: the rollbacks of a database, and one of them with its journal. */
import { readJournal } from "../../rollback/journal/read-journal.ts";
import type { JournalEntry } from "../../rollback/journal/journal.ts";
import { listRollbacks, readRollback, type RollbackRecord } from "../../rollback/plan/records.ts";
import { type Context, databaseNamed, openWorkplace } from "../context.ts";

export async function showRollbacks(context: Context, options: { readonly database?: string | undefined }): Promise<RollbackRecord[]> {
  const database = databaseNamed(context.config, options.database);
  const workplace = await openWorkplace(context);
  try {
    return await listRollbacks(workplace.repository, database.name);
  } finally {
    await workplace.close();
  }
}

export interface ShownRollback {
  readonly record: Extract<RollbackRecord, { begun: object }>;
  readonly journal: readonly JournalEntry[];
}

/** @throws HoldfastError `not-found`, `integrity` */
export async function showRollback(context: Context, options: { readonly database?: string | undefined; readonly id: string }): Promise<ShownRollback> {
  const database = databaseNamed(context.config, options.database);
  const workplace = await openWorkplace(context);
  try {
    const record = await readRollback(workplace.repository, database.name, options.id);
    const { entries } = await readJournal({ stateDir: context.config.stateDir, repository: workplace.repository, database: database.name, id: options.id });
    return { record, journal: entries };
  } finally {
    await workplace.close();
  }
}
