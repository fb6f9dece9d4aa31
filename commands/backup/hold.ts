import * as Flags from "@oclif/core/flags";

import { holdBackup } from "../../src/app/backup/hold-backup.ts";
import { BaseCommand } from "../../src/cli/base-command.ts";
import { parseInstant } from "../../src/cli/choice.ts";
import { backupIdArg, holdFromFlag, holdReasonFlag, lockWaitFlag } from "../../src/cli/flags.ts";
import { type HoldJson, holdJson, renderHold } from "../../src/cli/hold-view.ts";

export default class BackupHold extends BaseCommand {
  static override summary = "Keep a backup from being removed until the hold ends or is released";
  static override description = "The hold is signed and recorded in the timeline. Where the backup is under object lock and the hold is longer, the lock is extended.";
  static override examples = ["<%= config.bin %> backup hold ehr-20261121T020000Z-7f3a --reason 'litigation 17'", "<%= config.bin %> backup hold ehr-20261121T020000Z-7f3a --reason audit --until 2027-06-30T00:00:00Z"];

  static override args = { id: backupIdArg };
  static override flags = {
    from: holdFromFlag,
    reason: holdReasonFlag,
    until: Flags.string({ summary: "when the hold ends by itself", helpValue: "TIME", env: "HOLDFAST_UNTIL" }),
    "lock-wait": lockWaitFlag,
  };

  async run(): Promise<HoldJson> {
    const { args, flags } = await this.parse(BackupHold);
    const context = await this.context(flags);
    const until = flags.until === undefined ? undefined : parseInstant(flags.until, "until");
    const result = await holdBackup(context, { id: args.id, reason: flags.reason, until, lockWaitMs: flags["lock-wait"] * 1000 });
    this.print(renderHold(result));
    return holdJson(result);
  }
}
