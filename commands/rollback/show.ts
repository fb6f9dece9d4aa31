import * as Args from "@oclif/core/args";

import { showRollback } from "../../src/app/rollback/show-rollbacks.ts";
import { BaseCommand } from "../../src/cli/base-command.ts";
import { databaseFlag, fromFlag } from "../../src/cli/flags.ts";
import { renderShownRollback, type ShownRollbackJson, shownRollbackJson } from "../../src/cli/rollback-view.ts";

export default class RollbackShow extends BaseCommand {
  static override summary = "Show a rollback: its plan, its journal, and how it ended";
  static override examples = ["<%= config.bin %> rollback show rollback-ehr-20261121T031500Z-7f3a"];

  static override args = { id: Args.string({ description: "id of a rollback", name: "ID", required: true, ignoreStdin: true }) };
  static override flags = { database: databaseFlag, from: fromFlag };

  async run(): Promise<ShownRollbackJson> {
    const { args, flags } = await this.parse(RollbackShow);
    const shown = await showRollback(await this.context(flags), { database: flags.database, id: args.id });
    this.print(renderShownRollback(shown));
    return shownRollbackJson(shown);
  }
}
