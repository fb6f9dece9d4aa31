/** The nightly story: a backup, and when it has succeeded and a retention is configured, what the retention lets go. */
import { HoldfastError, messageOf } from "../errors.ts";
import { cancellationSaying } from "./cancellation.ts";
import { type Context, databaseNamed } from "./context.ts";
import { type BackupOptions, type BackupResult, createBackup } from "./create-backup.ts";
import { type PruneResult, pruneBackups } from "./prune-backups.ts";

export interface NightlyResult extends BackupResult {
  /** Undefined where nothing is to be pruned: without a configured retention nothing is ever removed. */
  readonly pruned: PruneResult | undefined;
}

/**
 * Backs up a database, then prunes it.
 * @throws HoldfastError as {@link createBackup}; `done-with-warnings` if only the pruning failed: the backup is there
 */
export async function backUpAndPrune(context: Context, options: BackupOptions): Promise<NightlyResult> {
  const { retention } = databaseNamed(context.config, options.database);
  const backup = await createBackup(context, options);
  if (retention?.prune !== "after-backup") return { ...backup, pruned: undefined };
  const { id, database } = backup.manifest;
  try {
    return { ...backup, pruned: await pruneBackups(context, { database, dryRun: false, reason: `after ${id}`, lockWaitMs: options.lockWaitMs }) };
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    if (error.code === "cancelled") throw cancellationSaying(error, `${id} was published before`);
    throw new HoldfastError("done-with-warnings", `${id} was backed up, but pruning failed: ${messageOf(error)}`, {
      hints: [...error.hints, `The backup counts. Prune again with \`holdfast backup prune --database ${database}\`.`],
      details: { backup: id, database, prune: error.code },
      cause: error,
    });
  }
}
