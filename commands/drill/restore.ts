import * as Flags from "@oclif/core/flags";

import { runDrill } from "../../src/app/drill/run-drill.ts";
import { BaseCommand } from "../../src/cli/base-command.ts";
import { parseDrillChoice } from "../../src/cli/choice.ts";
import { type DrillJson, drillJson, renderDrillResult } from "../../src/cli/drill-result.ts";
import { asOfFlag, backupArg, databaseFlag, reasonFlag } from "../../src/cli/flags.ts";

export default class DrillRestore extends BaseCommand {
  static override summary = "Prove that a backup comes back: restore it into a scratch, compare, time, sign the evidence";
  static override description = "Restores into a place that was not there before (a throwaway cluster, a container, or a scratch database on a server), compares everything with the truth that was taken in the dump's snapshot, and removes it again, also when it fails or is cancelled. The signed evidence and its reports go into the repository. What could not be checked never counts as passed.";
  static override examples = [
    "<%= config.bin %> drill restore --reason 'monthly drill'",
    "<%= config.bin %> drill restore --random-within 30d",
    "<%= config.bin %> drill restore ehr-20261121T020000Z-7f3a --json",
  ];

  static override args = { id: backupArg };
  static override flags = {
    database: databaseFlag,
    "as-of": asOfFlag,
    "random-within": Flags.string({ summary: "any backup of the last days, chosen at random", helpValue: "30d", env: "HOLDFAST_RANDOM_WITHIN", exclusive: ["as-of"] }),
    reason: reasonFlag,
  };

  protected override readonly leftBehind = ["The scratch of the drill may be left: `holdfast drill clean` removes it, and the next drill does so too."];

  async run(): Promise<DrillJson> {
    const { args, flags } = await this.parse(DrillRestore);
    const context = await this.context(flags);
    const choice = parseDrillChoice(args.id, flags["as-of"], flags["random-within"]);
    const result = await runDrill(context, { database: flags.database, choice, reason: flags.reason });
    this.print(renderDrillResult(result));
    return drillJson(result);
  }
}
