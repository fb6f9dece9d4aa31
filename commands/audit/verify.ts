import { type AuditReport, verifyAudit } from "../../src/app/audit.ts";
import { BaseCommand } from "../../src/cli/base-command.ts";
import { fromFlag } from "../../src/cli/flags.ts";
import { renderReport, tampered } from "../../src/cli/audit-view.ts";

export default class AuditVerify extends BaseCommand {
  static override summary = "Check that timeline and all records are whole: chained, signed, in order, nothing removed";
  static override description = "Compares the repository's chain with this host's own copy as well, so that a removed end is found, and the evidence of drills and rehearsals, rollbacks with their journals, runbooks, incidents, holds and checkpoints with what the timeline says of them. In a copy, the timeline of its origin is verified as far as it was kept. Exit 17 names every entry and every record that is wrong.";
  static override examples = ["<%= config.bin %> audit verify", "<%= config.bin %> audit verify --from offsite"];

  static override flags = { from: fromFlag };

  async run(): Promise<AuditReport> {
    const { flags } = await this.parse(AuditVerify);
    const report = await verifyAudit(await this.context(flags));
    const failure = tampered(report);
    if (failure) throw failure;
    this.print(renderReport(report));
    return report;
  }
}
