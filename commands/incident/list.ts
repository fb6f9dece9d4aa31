import { listDatabaseIncidents } from "../../src/app/incident/show-incidents.ts";
import { BaseCommand } from "../../src/cli/base-command.ts";
import { databaseFlag, fromFlag } from "../../src/cli/flags.ts";
import { type IncidentJson, incidentJson, renderIncidents } from "../../src/cli/incident-view.ts";

export default class IncidentList extends BaseCommand {
  static override summary = "List the incidents, newest first";
  static override description = "Every rollback opens one. What cannot be trusted in the record of one is told, and hides nothing of it.";
  static override examples = ["<%= config.bin %> incident list", "<%= config.bin %> incident list --database ehr --json"];

  static override flags = { database: databaseFlag, from: fromFlag };

  async run(): Promise<IncidentJson[]> {
    const { flags } = await this.parse(IncidentList);
    const incidents = await listDatabaseIncidents(await this.context(flags), flags.database);
    this.print(incidents.length === 0 ? "no incidents; every rollback opens one" : renderIncidents(incidents));
    for (const { problems } of incidents) for (const problem of problems) this.print(problem);
    return incidents.map(incidentJson);
  }
}
