import * as Flags from "@oclif/core/flags";

import { pruneBackups } from "../../src/app/backup/prune-backups.ts";
import { BaseCommand } from "../../src/cli/base-command.ts";
import { databaseFlag, lockWaitFlag, pruneFromFlag, reasonFlag } from "../../src/cli/flags.ts";
import { type PruneJson, pruneJson, renderPrune, summarizePrune } from "../../src/cli/prune-view.ts";

export default class BackupPrune extends BaseCommand {
  static override summary = "Remove the backups that the configured retention does not keep";
  static override description = `Without a configured retention nothing is ever removed. Never removed are the newest backup that a drill has proved,
held ones, those under object lock, those of a checkpoint, those whose manifest cannot be trusted, and nothing at all
while the last backup run has failed. The timeline keeps the decision.`;
  static override examples = ["<%= config.bin %> backup prune --dry-run", "<%= config.bin %> backup prune --database ehr --json"];

  static override flags = {
    database: databaseFlag,
    from: pruneFromFlag,
    "dry-run": Flags.boolean({ summary: "decide and say why, but change nothing", env: "HOLDFAST_DRY_RUN" }),
    reason: reasonFlag,
    "lock-wait": lockWaitFlag,
  };

  protected override readonly leftBehind = ["Each backup is either whole or no longer listed; `holdfast backup list` shows those that are there."];

  async run(): Promise<PruneJson> {
    const { flags } = await this.parse(BackupPrune);
    const context = await this.context(flags);
    const result = await pruneBackups(context, { database: flags.database, dryRun: flags["dry-run"], reason: flags.reason, lockWaitMs: flags["lock-wait"] * 1000 });
    if (flags["dry-run"]) this.print(renderPrune(result));
    this.print(summarizePrune(result));
    return pruneJson(result);
  }
}
