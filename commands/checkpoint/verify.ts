import { verifyCheckpoint } from "../../src/app/checkpoint/verify-checkpoint.ts";
import { BaseCommand } from "../../src/cli/base-command.ts";
import { renderDeployed, type VerifiedJson, verifiedJson } from "../../src/cli/checkpoint-view.ts";
import { checkpointArg, databaseFlag, reasonFlag } from "../../src/cli/flags.ts";

export default class CheckpointVerify extends BaseCommand {
  static override summary = "Look at a deploy, and record with a signature whether it is good";
  static override description = `Captures what runs now, asks the health check several times in a row, looks whether every migration that was announced is applied and none failed, whether the images changed, and asks the configured command for the error budget. Run it right after the deploy, and again within the first day: each look is recorded.
A bad deploy ends with exit 24 (deploy-bad), and no other code says that: whatever else went wrong, nothing is known of the deploy. Its record is published, and the hint names the plan of the way back.`;
  static override examples = ["<%= config.bin %> checkpoint verify", "<%= config.bin %> checkpoint verify 1.4.2 --json"];

  static override args = { checkpoint: checkpointArg };
  static override flags = { database: databaseFlag, reason: reasonFlag };

  async run(): Promise<VerifiedJson> {
    const { args, flags } = await this.parse(CheckpointVerify);
    const context = await this.context(flags);
    const verified = await verifyCheckpoint(context, { database: flags.database, of: args.checkpoint, reason: flags.reason });
    this.print(renderDeployed(verified));
    return verifiedJson(verified);
  }
}
