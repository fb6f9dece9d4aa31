import { listDatabaseCheckpoints } from "../../src/app/checkpoint/show-checkpoints.ts";
import { BaseCommand } from "../../src/cli/base-command.ts";
import { type CheckpointJson, listedJson, renderCheckpoints } from "../../src/cli/checkpoint-view.ts";
import { databaseFlag, fromFlag } from "../../src/cli/flags.ts";

export default class CheckpointList extends BaseCommand {
  static override summary = "List the checkpoints, newest first, with what came of their deploys";
  static override description = "Also lists checkpoints that cannot be trusted: nothing goes back to them, and they are not hidden.";
  static override examples = ["<%= config.bin %> checkpoint list", "<%= config.bin %> checkpoint list --database ehr --json"];

  static override flags = { database: databaseFlag, from: fromFlag };

  async run(): Promise<CheckpointJson[]> {
    const { flags } = await this.parse(CheckpointList);
    const listed = await listDatabaseCheckpoints(await this.context(flags), flags.database);
    this.print(listed.length === 0 ? "no checkpoints yet; take one before a deploy with `holdfast checkpoint create --release NAME`" : renderCheckpoints(listed));
    return listed.map(listedJson);
  }
}
