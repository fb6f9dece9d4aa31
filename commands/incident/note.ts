import * as Args from "@oclif/core/args";

import { noteIncident } from "../../src/app/incident/write-incident.ts";
import { BaseCommand } from "../../src/cli/base-command.ts";
import { parseIncident } from "../../src/cli/choice.ts";
import { databaseFlag, incidentArg } from "../../src/cli/flags.ts";
import { type IncidentJson, incidentJson } from "../../src/cli/incident-view.ts";

export default class IncidentNote extends BaseCommand {
  static override summary = "Add a note to an incident, also to one that is closed";
  static override description = "The note is signed, dated and recorded in the timeline. It stays: write no secret and nothing about patients into it.";
  static override examples = ["<%= config.bin %> incident note latest 'the clinic was told by telephone'"];

  static override args = { id: incidentArg, text: Args.string({ description: "the note", name: "TEXT", required: true, ignoreStdin: true }) };
  static override flags = { database: databaseFlag };

  async run(): Promise<IncidentJson> {
    const { args, flags } = await this.parse(IncidentNote);
    const incident = await noteIncident(await this.context(flags), { incident: parseIncident(args.id), database: flags.database, text: args.text });
    this.print(`the note is in the record of ${incident.id}`);
    return incidentJson(incident);
  }
}
