import * as Flags from "@oclif/core/flags";

import { showLedger } from "../../src/app/drill/show-drills.ts";
import { BaseCommand } from "../../src/cli/base-command.ts";
import { parseInstant } from "../../src/cli/choice.ts";
import { type LedgerJson, ledgerJson, renderLedger } from "../../src/cli/drill-view.ts";
import { databaseFlag } from "../../src/cli/flags.ts";

export default class DrillLedger extends BaseCommand {
  static override summary = "Set the drills that were owed against those that passed, month by month";
  static override description = "Only a drill that passed fulfils anything. A month without one is a gap that shows.";
  static override examples = ["<%= config.bin %> drill ledger", "<%= config.bin %> drill ledger --since 2026-01-01T00:00:00Z --every-months 1"];

  static override flags = {
    database: databaseFlag,
    since: Flags.string({ summary: "from when on drills are owed; by default since the first backup", helpValue: "TIME", env: "HOLDFAST_SINCE" }),
    "every-days": Flags.integer({ summary: "days between two drills; by default as configured", min: 1, helpValue: "N", env: "HOLDFAST_LEDGER_DAYS" }),
    "every-months": Flags.integer({ summary: "count calendar months instead of days", min: 1, helpValue: "N", env: "HOLDFAST_LEDGER_MONTHS", exclusive: ["every-days"] }),
  };

  async run(): Promise<LedgerJson> {
    const { flags } = await this.parse(DrillLedger);
    const { "every-days": days, "every-months": months } = flags;
    const ledger = await showLedger(await this.context(flags), {
      database: flags.database,
      since: flags.since === undefined ? undefined : parseInstant(flags.since, "since"),
      interval: months === undefined ? (days === undefined ? undefined : { days }) : { months },
    });
    this.print(renderLedger(ledger));
    return ledgerJson(ledger);
  }
}
