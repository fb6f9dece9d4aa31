import { cleanDrills, type CleanResult } from "../../src/app/drill/clean-drills.ts";
import { BaseCommand } from "../../src/cli/base-command.ts";
import { renderClean, requireClean } from "../../src/cli/drill-result.ts";
import { databaseFlag } from "../../src/cli/flags.ts";

export default class DrillClean extends BaseCommand {
  static override summary = "Remove what drills that were killed have left";
  static override description = "Scratch clusters, containers, databases and roles whose drill has ended, or whose time is over. Those of a drill that may still run are left alone. A drill that was killed gets the verdict that it could not verify.";
  static override examples = ["<%= config.bin %> drill clean", "<%= config.bin %> drill clean --json"];

  static override flags = { database: databaseFlag };

  async run(): Promise<CleanResult> {
    const { flags } = await this.parse(DrillClean);
    const context = await this.context(flags);
    const result = await cleanDrills(context, { database: flags.database });
    requireClean(result);
    this.print(renderClean(result));
    return result;
  }
}
