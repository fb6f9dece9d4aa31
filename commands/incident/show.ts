import { showIncident } from "../../src/app/incident/show-incidents.ts";
import { BaseCommand } from "../../src/cli/base-command.ts";
import { parseIncident } from "../../src/cli/choice.ts";
import { databaseFlag, fromFlag, incidentArg } from "../../src/cli/flags.ts";
import { renderIncident, type WholeIncidentJson, wholeIncidentJson } from "../../src/cli/incident-view.ts";

export default class IncidentShow extends BaseCommand {
  static override summary = "Show an incident: what was run by whom, the health before and after, and the notes";
  static override examples = ["<%= config.bin %> incident show latest", "<%= config.bin %> incident show incident-ehr-20261121T020000Z-7f3a --json"];

  static override args = { id: incidentArg };
  static override flags = { database: databaseFlag, from: fromFlag };

  async run(): Promise<WholeIncidentJson> {
    const { args, flags } = await this.parse(IncidentShow);
    const incident = await showIncident(await this.context(flags), parseIncident(args.id), flags.database);
    this.print(renderIncident(incident));
    return wholeIncidentJson(incident);
  }
}
