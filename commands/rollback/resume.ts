import * as Args from "@oclif/core/args";

import type { RollbackResult } from "../../src/app/rollback/carry-out.ts";
import { resumeRollback } from "../../src/app/rollback/resume-rollback.ts";
import type { RunbookRunResult } from "../../src/app/runbook/execute-runbook.ts";
import { resumeRunbook, isRunbookRun } from "../../src/app/runbook/run-runbook.ts";
import { BaseCommand } from "../../src/cli/base-command.ts";
import { databaseFlag, reasonFlag } from "../../src/cli/flags.ts";
import { renderRollback } from "../../src/cli/rollback-view.ts";
import { thisHoldfast } from "../../src/cli/itself.ts";
import { runbookFlags } from "../../src/cli/rollback-flags.ts";
import { runbookQuestions } from "../../src/cli/runbook-questions.ts";
import { parseInputs, renderRunbookRun } from "../../src/cli/runbook-view.ts";

export default class RollbackResume extends BaseCommand {
  static override summary = "Go on with a rollback that stopped in the middle: a crash, a lost connection, a failed step";
  static override description = "Reads the journal, on this host or from the repository, and runs what is left. A step that was begun and not noted as done is first looked for in the world: what is there is not done again.";
  static override examples = ["<%= config.bin %> rollback resume", "<%= config.bin %> rollback resume rollback-ehr-20261121T031500Z-7f3a"];

  static override args = { id: Args.string({ description: "id of a rollback or of a runbook's execution; by default the rollback that has not ended", name: "ID", ignoreStdin: true }) };
  static override flags = { database: databaseFlag, ...runbookFlags, reason: reasonFlag };

  protected override readonly leftBehind = ["The rollback stopped in the middle again: `holdfast rollback resume` goes on."];

  async run(): Promise<RollbackResult | RunbookRunResult> {
    const { args, flags } = await this.parse(RollbackResume);
    const context = await this.context(flags);
    if (args.id !== undefined && isRunbookRun(args.id)) {
      const run = await resumeRunbook(context, { database: flags.database, id: args.id, inputs: await parseInputs(flags.input ?? []), self: thisHoldfast(), reason: flags.reason, yesSteps: flags["yes-step"] ?? [], ask: runbookQuestions(this.asking(context)) });
      this.print(renderRunbookRun(run));
      return run;
    }
    const result = await resumeRollback(context, { database: flags.database, id: args.id, reason: flags.reason });
    this.print(renderRollback(result));
    return result;
  }
}
