import { showCheckpoint } from "../../src/app/checkpoint/show-checkpoints.ts";
import { BaseCommand } from "../../src/cli/base-command.ts";
import { renderCheckpoint, shownJson } from "../../src/cli/checkpoint-view.ts";
import { checkpointArg, databaseFlag, fromFlag } from "../../src/cli/flags.ts";

export default class CheckpointShow extends BaseCommand {
  static override summary = "Show a checkpoint, what came of its deploy, and whether its backup is still there";
  static override examples = ["<%= config.bin %> checkpoint show", "<%= config.bin %> checkpoint show 1.4.2", "<%= config.bin %> checkpoint show 1.4.2-20261121T020000Z --json"];

  static override args = { checkpoint: checkpointArg };
  static override flags = { database: databaseFlag, from: fromFlag };

  async run(): Promise<object> {
    const { args, flags } = await this.parse(CheckpointShow);
    const shown = await showCheckpoint(await this.context(flags), args.checkpoint, flags.database);
    this.print(renderCheckpoint(shown));
    return shownJson(shown);
  }
}
