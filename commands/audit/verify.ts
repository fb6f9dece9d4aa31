import { type AuditReport, verifyAudit } from "../../src/app/audit.ts";
import { BaseCommand } from "../../src/cli/base-command.ts";
import { renderReport, tampered } from "../../src/cli/audit-view.ts";

export default class AuditVerify extends BaseCommand {
  static override summary = "Check that timeline and drills' evidence are whole: chained, signed, in order, nothing removed";
  static override description = "Compares the repository's chain with this host's own copy as well, so that a removed end is found, and the evidence of drills with what the timeline says of it. Exit 17 names every entry and every drill that is wrong.";
  static override examples = ["<%= config.bin %> audit verify"];

  async run(): Promise<AuditReport> {
    const { flags } = await this.parse(AuditVerify);
    const report = await verifyAudit(await this.context(flags));
    const failure = tampered(report);
    if (failure) throw failure;
    this.print(renderReport(report));
    return report;
  }
}
