/** Keeps the cache of a database's backups true after one came or went. */
import type { Signer } from "../../catalog/signatures.ts";
import { refreshIndex } from "../../catalog/summaries.ts";
import { messageOf } from "../../errors.ts";
import type { Context, Workplace } from "../context.ts";

/** Best effort, under the database's lock: without the index a listing takes longer and says the same. */
export async function refreshBackupIndex({ reporter, signal }: Context, { repository }: Workplace, database: string, signer: Signer): Promise<void> {
  if (signal.aborted) return;
  try {
    await refreshIndex(repository, database, signer);
  } catch (error) {
    reporter.emit({ type: "note", level: "debug", message: `the index of ${database} could not be written, and the next run writes it: ${messageOf(error)}` });
  }
}
