import { listDatabaseDrills } from "../../src/app/drill/show-drills.ts";
import { BaseCommand } from "../../src/cli/base-command.ts";
import { type DrillJson, drillJson, renderDrills } from "../../src/cli/drill-view.ts";
import { databaseFlag, fromFlag } from "../../src/cli/flags.ts";

export default class DrillList extends BaseCommand {
  static override summary = "List the drills, newest first, with their verdicts";
  static override description = "Also lists drills that ended without a verdict, and those whose evidence cannot be trusted: they prove nothing, and are not hidden.";
  static override examples = ["<%= config.bin %> drill list", "<%= config.bin %> drill list --database ehr --json"];

  static override flags = { database: databaseFlag, from: fromFlag };

  async run(): Promise<DrillJson[]> {
    const { flags } = await this.parse(DrillList);
    const records = await listDatabaseDrills(await this.context(flags), flags.database);
    this.print(records.length === 0 ? "no drills yet; run one with `holdfast drill restore`" : renderDrills(records));
    const drills = records.map(drillJson);
    for (const { id, problems } of drills) for (const problem of problems) this.print(`${id}: ${problem}`);
    return drills;
  }
}
