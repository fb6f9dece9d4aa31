import { showRollbacks } from "../../src/app/rollback/show-rollbacks.ts";
import { BaseCommand } from "../../src/cli/base-command.ts";
import { databaseFlag, fromFlag } from "../../src/cli/flags.ts";
import { renderRollbacks, type RollbackJson, rollbackJson } from "../../src/cli/rollback-view.ts";

export default class RollbackList extends BaseCommand {
  static override summary = "List the rollbacks of a database, the newest first";
  static override examples = ["<%= config.bin %> rollback list", "<%= config.bin %> rollback list --json"];

  static override flags = { database: databaseFlag, from: fromFlag };

  async run(): Promise<RollbackJson[]> {
    const { flags } = await this.parse(RollbackList);
    const records = await showRollbacks(await this.context(flags), { database: flags.database });
    this.print(renderRollbacks(records));
    return records.map(rollbackJson);
  }
}
