import { showDrill } from "../../src/app/drill/show-drills.ts";
import { BaseCommand } from "../../src/cli/base-command.ts";
import { parseDrill } from "../../src/cli/choice.ts";
import { drillJson, renderDrill } from "../../src/cli/drill-view.ts";
import { databaseFlag, drillArg, fromFlag } from "../../src/cli/flags.ts";

export default class DrillShow extends BaseCommand {
  static override summary = "Show what a drill has proved, after checking its signature";
  static override examples = ["<%= config.bin %> drill show latest", "<%= config.bin %> drill show drill-ehr-20261121T020000Z-7f3a --json"];

  static override args = { id: drillArg };
  static override flags = { database: databaseFlag, from: fromFlag };

  async run(): Promise<object> {
    const { args, flags } = await this.parse(DrillShow);
    const record = await showDrill(await this.context(flags), parseDrill(args.id), flags.database);
    this.print(renderDrill(record));
    const certifications = (record.certifications ?? []).flatMap(({ certification }) => certification ?? []);
    return { ...drillJson(record), files: record.files, evidence: record.evidence ?? null, certifications };
  }
}
