import * as Args from "@oclif/core/args";
import * as Flags from "@oclif/core/flags";

import type { RollbackResult } from "../../src/app/rollback/carry-out.ts";
import { abortRollback, leaveRollback } from "../../src/app/rollback/resume-rollback.ts";
import { BaseCommand } from "../../src/cli/base-command.ts";
import { databaseFlag, reasonFlag } from "../../src/cli/flags.ts";
import { renderRollback } from "../../src/cli/rollback-view.ts";

export default class RollbackAbort extends BaseCommand {
  static override summary = "Return to what ran before a rollback that has not ended";
  static override description = "Takes the steps back, newest first: the database that was set aside comes back, the workloads get the images and replicas that they had. Refused before anything is touched where a step that was done cannot be taken back. With --leave-as-is nothing is touched: the rollback ends as it stands, for what a person has finished by hand.";
  static override examples = ["<%= config.bin %> rollback abort --reason 'the release was mended'", "<%= config.bin %> rollback abort --leave-as-is 'finished by hand, see the ticket'"];

  static override args = { id: Args.string({ description: "id of a rollback; by default the one that has not ended", name: "ID", ignoreStdin: true }) };
  static override flags = {
    database: databaseFlag,
    "leave-as-is": Flags.string({ summary: "end it without touching anything, and why", helpValue: "REASON" }),
    reason: reasonFlag,
  };

  protected override readonly leftBehind = ["The abort stopped in the middle: run `holdfast rollback abort` again."];

  async run(): Promise<RollbackResult> {
    const { args, flags } = await this.parse(RollbackAbort);
    const context = await this.context(flags);
    const which = { database: flags.database, id: args.id };
    const left = flags["leave-as-is"];
    const result = left === undefined ? await abortRollback(context, { ...which, reason: flags.reason }) : await leaveRollback(context, { ...which, reason: left });
    this.print(renderRollback(result));
    return result;
  }
}
