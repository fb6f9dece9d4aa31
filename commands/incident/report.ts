import * as Flags from "@oclif/core/flags";

import { reportIncident } from "../../src/app/incident/report-incident.ts";
import { BaseCommand } from "../../src/cli/base-command.ts";
import { parseIncident } from "../../src/cli/choice.ts";
import { databaseFlag, incidentArg } from "../../src/cli/flags.ts";

export default class IncidentReport extends BaseCommand {
  static override summary = "Draft the post-mortem of an incident in Markdown";
  static override description = `What the record knows is filled in: the timeline, the impact, the plan, the outcome, the health before and after. Root cause,
lessons and follow-ups are left for people. A file that is there is never overwritten.`;
  static override examples = ["<%= config.bin %> incident report latest > post-mortem.md", "<%= config.bin %> incident report latest --out post-mortem.md"];

  static override args = { id: incidentArg };
  static override flags = {
    database: databaseFlag,
    out: Flags.string({ summary: "write it to this file, which must not be there", helpValue: "FILE", env: "HOLDFAST_INCIDENT_REPORT" }),
  };

  async run(): Promise<{ readonly id: string; readonly file: string | null; readonly markdown: string }> {
    const { args, flags } = await this.parse(IncidentReport);
    const { incident, text } = await reportIncident(await this.context(flags), { incident: parseIncident(args.id), database: flags.database, out: flags.out });
    this.print(flags.out === undefined ? text.trimEnd() : `the draft is in ${flags.out}`);
    return { id: incident.id, file: flags.out ?? null, markdown: text };
  }
}
