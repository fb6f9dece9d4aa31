import * as Flags from "@oclif/core/flags";

import { copyFollowUps } from "../../src/app/backup/after-backup.ts";
import { backUpAndPrune } from "../../src/app/backup/back-up-and-prune.ts";
import { type BackupJson, backupJson, rowsOf } from "../../src/cli/backup-view.ts";
import { BaseCommand } from "../../src/cli/base-command.ts";
import { databaseFlag, lockWaitFlag, reasonFlag } from "../../src/cli/flags.ts";
import { type PruneJson, pruneJson, summarizePrune } from "../../src/cli/prune-view.ts";
import { formatBytes, formatCount, formatSeconds } from "../../src/text/format.ts";

export default class Backup extends BaseCommand {
  static override summary = "Back up a database: dump, compress, encrypt, store, sign";
  static override description = "One exported snapshot gives all parts and the truth about them. The manifest is written last: until then there is no backup, and a run that fails leaves nothing.";
  static override examples = ["<%= config.bin %> backup", "<%= config.bin %> backup --database ehr --label pre-deploy --reason 'release 1.4.2'", "<%= config.bin %> backup --json"];

  static override flags = {
    database: databaseFlag,
    label: Flags.string({ char: "l", summary: "what this backup is for", helpValue: "TEXT", env: "HOLDFAST_LABEL" }),
    reason: reasonFlag,
    "no-copy": Flags.boolean({ summary: "leave the configured copies alone; otherwise they are brought up to date, with exit 3 if only that fails", env: "HOLDFAST_NO_COPY" }),
    "lock-wait": lockWaitFlag,
  };

  protected override readonly leftBehind = ["Parts without a manifest may be left in the repository: they are no backup and never count. `holdfast doctor` shows whether repository and server answer."];

  async run(): Promise<BackupJson & { readonly pruned?: PruneJson }> {
    const { flags } = await this.parse(Backup);
    const context = await this.context(flags);
    const lockWaitMs = flags["lock-wait"] * 1000;
    const copies = flags["no-copy"] ? [] : copyFollowUps(context, lockWaitMs);
    const { manifest, bytes, seconds, pruned } = await backUpAndPrune(context, { database: flags.database, label: flags.label, reason: flags.reason, lockWaitMs }, copies);
    this.print(`${manifest.id}  ${formatCount(manifest.truth.tables.length)} tables, ${formatCount(rowsOf(manifest))} rows, ${formatBytes(bytes)} stored in ${formatSeconds(seconds)}`);
    if (pruned !== undefined && pruned.removed.length > 0) this.print(summarizePrune(pruned));
    return { ...backupJson(manifest), ...(pruned && { pruned: pruneJson(pruned) }) };
  }
}
