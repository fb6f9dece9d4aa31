/** The nightly story: a backup, and when it has succeeded and a retention is configured, what the retention lets go. */
import { afterBackup, type FollowUp } from "./after-backup.ts";
import { type Context, databaseNamed } from "../context.ts";
import { type BackupOptions, type BackupResult, createBackup } from "./create-backup.ts";
import { type PruneResult, pruneBackups } from "./prune-backups.ts";

export interface NightlyResult extends BackupResult {
  /** Undefined where nothing is to be pruned: without a configured retention nothing is ever removed. */
  readonly pruned: PruneResult | undefined;
}

/**
 * Backs up a database, takes the steps that follow a backup, and prunes it last: what is to go has been copied by then.
 * @throws HoldfastError as {@link createBackup}; `done-with-warnings` if only what follows failed: the backup is there
 */
export async function backUpAndPrune(context: Context, options: BackupOptions, followUps: readonly FollowUp[] = []): Promise<NightlyResult> {
  const { retention } = databaseNamed(context.config, options.database);
  const backup = await createBackup(context, options);
  let pruned: PruneResult | undefined;
  const prune: FollowUp = {
    name: "pruning",
    again: `Prune again with \`holdfast backup prune --database ${backup.manifest.database}\`.`,
    run: async (own, { id, database }) => {
      pruned = await pruneBackups(own, { database, dryRun: false, reason: `after ${id}`, lockWaitMs: options.lockWaitMs });
    },
  };
  await afterBackup(context, backup.manifest, retention?.prune === "after-backup" ? [...followUps, prune] : followUps);
  return { ...backup, pruned };
}
