import * as Args from "@oclif/core/args";
import * as Flags from "@oclif/core/flags";

import type { RollbackResult } from "../../src/app/rollback/carry-out.ts";
import { abortRollback, leaveRollback } from "../../src/app/rollback/resume-rollback.ts";
import type { RunbookRunResult } from "../../src/app/runbook/execute-runbook.ts";
import { abortRunbook, isRunbookRun } from "../../src/app/runbook/run-runbook.ts";
import { BaseCommand } from "../../src/cli/base-command.ts";
import { databaseFlag, reasonFlag } from "../../src/cli/flags.ts";
import { renderRollback } from "../../src/cli/rollback-view.ts";
import { thisHoldfast } from "../../src/cli/itself.ts";
import { requireReason, runbookFlags } from "../../src/cli/rollback-flags.ts";
import { runbookQuestions } from "../../src/cli/runbook-questions.ts";
import { parseInputs, renderRunbookRun } from "../../src/cli/runbook-view.ts";

export default class RollbackAbort extends BaseCommand {
  static override summary = "Return to what ran before a rollback that has not ended";
  static override description = "Takes the steps back, newest first: the database that was set aside comes back, the workloads get the images and replicas that they had. Refused before anything is touched where a step that was done cannot be taken back. With --leave-as-is nothing is touched: the rollback ends as it stands, for what a person has finished by hand.";
  static override examples = ["<%= config.bin %> rollback abort --reason 'the release was mended'", "<%= config.bin %> rollback abort --leave-as-is 'finished by hand, see the ticket'"];

  static override args = { id: Args.string({ description: "id of a rollback or of a runbook's execution; by default the rollback that has not ended", name: "ID", ignoreStdin: true }) };
  static override flags = {
    database: databaseFlag,
    "leave-as-is": Flags.string({ summary: "end it without touching anything, and why", helpValue: "REASON" }),
    ...runbookFlags,
    reason: reasonFlag,
  };

  protected override readonly leftBehind = ["The abort stopped in the middle: run `holdfast rollback abort` again."];

  async run(): Promise<RollbackResult | RunbookRunResult> {
    const { args, flags } = await this.parse(RollbackAbort);
    const context = await this.context(flags);
    if (args.id !== undefined && isRunbookRun(args.id)) {
      const run = await abortRunbook(context, { database: flags.database, id: args.id, inputs: await parseInputs(flags.input ?? []), self: thisHoldfast(), reason: flags.reason, yesSteps: flags["yes-step"] ?? [], ask: runbookQuestions(this.asking(context)) });
      this.print(renderRunbookRun(run));
      return run;
    }
    const which = { database: flags.database, id: args.id };
    const left = flags["leave-as-is"];
    requireReason("leave-as-is", left);
    const result = left === undefined ? await abortRollback(context, { ...which, reason: flags.reason }) : await leaveRollback(context, { ...which, reason: left });
    this.print(renderRollback(result));
    return result;
  }
}
