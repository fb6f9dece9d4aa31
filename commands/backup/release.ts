import { releaseBackup } from "../../src/app/backup/hold-backup.ts";
import { BaseCommand } from "../../src/cli/base-command.ts";
import { backupIdArg, holdFromFlag, holdReasonFlag, lockWaitFlag } from "../../src/cli/flags.ts";
import { type HoldJson, holdJson, renderHold } from "../../src/cli/hold-view.ts";

export default class BackupRelease extends BaseCommand {
  static override summary = "End the hold on a backup";
  static override description = "The hold's record stays, with the release after it. The backup goes when the retention lets it go, and not before an object lock ends.";
  static override examples = ["<%= config.bin %> backup release ehr-20261121T020000Z-7f3a --reason 'litigation 17 settled'"];

  static override args = { id: backupIdArg };
  static override flags = { from: holdFromFlag, reason: holdReasonFlag, "lock-wait": lockWaitFlag };

  async run(): Promise<HoldJson> {
    const { args, flags } = await this.parse(BackupRelease);
    const context = await this.context(flags);
    const result = await releaseBackup(context, { id: args.id, reason: flags.reason, lockWaitMs: flags["lock-wait"] * 1000 });
    this.print(renderHold(result));
    return holdJson(result);
  }
}
