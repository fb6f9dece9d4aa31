import * as Flags from "@oclif/core/flags";

import { closeIncident } from "../../src/app/incident/write-incident.ts";
import { BaseCommand } from "../../src/cli/base-command.ts";
import { parseIncident } from "../../src/cli/choice.ts";
import { databaseFlag, incidentArg } from "../../src/cli/flags.ts";
import { type IncidentJson, incidentJson } from "../../src/cli/incident-view.ts";

export default class IncidentClose extends BaseCommand {
  static override summary = "Close an incident, saying how it was resolved";
  static override description = "An incident is closed once; notes may still be added.";
  static override examples = ["<%= config.bin %> incident close latest --resolution 'release 1.4.3 is out'"];

  static override args = { id: incidentArg };
  static override flags = {
    database: databaseFlag,
    resolution: Flags.string({ summary: "how it was resolved", required: true, helpValue: "TEXT", env: "HOLDFAST_RESOLUTION" }),
  };

  async run(): Promise<IncidentJson> {
    const { args, flags } = await this.parse(IncidentClose);
    const incident = await closeIncident(await this.context(flags), { incident: parseIncident(args.id), database: flags.database, resolution: flags.resolution });
    this.print(`${incident.id} is closed; draft the post-mortem with \`holdfast incident report ${incident.id} --out FILE\``);
    return incidentJson(incident);
  }
}
