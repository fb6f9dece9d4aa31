import * as Flags from "@oclif/core/flags";

import type { RollbackResult } from "../../src/app/rollback/carry-out.ts";
import { runRollback } from "../../src/app/rollback/run-rollback.ts";
import type { RunbookRunResult } from "../../src/app/runbook/execute-runbook.ts";
import { runRunbook } from "../../src/app/runbook/run-runbook.ts";
import { HoldfastError } from "../../src/errors.ts";
import { askForName } from "../../src/cli/ask.ts";
import { BaseCommand } from "../../src/cli/base-command.ts";
import { databaseFlag, drainFlag, inputFlag, lockWaitFlag, reasonFlag } from "../../src/cli/flags.ts";
import { readPlanFile } from "../../src/cli/plan-file.ts";
import { planFlags, planOptions, yesStepFlag } from "../../src/cli/rollback-flags.ts";
import { renderPlan, renderRollback } from "../../src/cli/rollback-view.ts";
import { thisHoldfast } from "../../src/cli/itself.ts";
import { runbookQuestions } from "../../src/cli/runbook-questions.ts";
import { parseInputs, renderRunbookRun } from "../../src/cli/runbook-view.ts";

export default class Rollback extends BaseCommand {
  static override summary = "Roll a release back, database included, and observe that it came out as planned";
  static override description = "Plans anew, shows what stops and what is lost, and wants the name of the place typed: by --confirm, or at the terminal. Every step is in a journal on this host and in the repository; `rollback resume` goes on after a crash, `rollback abort` goes back. Done means observed: the images on every replica, the health check several times in a row, the migration ledger. Otherwise it ends with 22 and says in what state things are.";
  static override examples = [
    "<%= config.bin %> rollback",
    "<%= config.bin %> rollback --to 1.4.1 --confirm ehr --reason 'bad migration'",
    "<%= config.bin %> rollback --plan plan.json --confirm ehr",
    "<%= config.bin %> rollback --runbook dropped-table --input live=ehr --input table=public.visits",
  ];

  static override flags = {
    database: databaseFlag,
    ...planFlags,
    plan: Flags.string({ summary: "a plan that `rollback plan` made", helpValue: "FILE", env: "HOLDFAST_PLAN", exclusive: ["to", "strategy", "accept-incompatible", "skip-safety-backup"] }),
    confirm: Flags.string({ summary: "the name of the place that is rolled back, typed out: the Compose project, the namespace, or the database; with --runbook its id", helpValue: "NAME" }),
    runbook: Flags.string({ summary: "execute this runbook, step by step", helpValue: "ID|FILE", env: "HOLDFAST_RUNBOOK", exclusive: ["to", "plan", "strategy", "platform", "down-file", "accept-incompatible", "skip-safety-backup"] }),
    input: inputFlag,
    "yes-step": yesStepFlag,
    drain: drainFlag,
    "lock-wait": lockWaitFlag,
    reason: reasonFlag,
  };

  protected override readonly leftBehind = ["The rollback stopped in the middle: go on with `holdfast rollback resume`, or go back with `holdfast rollback abort`."];

  async run(): Promise<RollbackResult | RunbookRunResult> {
    const { flags } = await this.parse(Rollback);
    const context = await this.context(flags);
    if (flags.runbook !== undefined) {
      const run = await runRunbook(context, {
        database: flags.database, runbook: flags.runbook, inputs: await parseInputs(flags.input ?? []), self: thisHoldfast(), reason: flags.reason,
        confirm: flags.confirm, yesSteps: flags["yes-step"] ?? [], ask: runbookQuestions(this.asking(context)),
      });
      this.print(renderRunbookRun(run));
      return run;
    }
    // Whoever meant a runbook must not get a rollback.
    if (flags.input !== undefined || flags["yes-step"] !== undefined) throw new HoldfastError("usage", "--input and --yes-step belong to a runbook, but no --runbook is named", { hints: ["`holdfast runbook list` shows which there are."] });
    const plan = flags.plan === undefined ? undefined : await readPlanFile(flags.plan);
    const ask = flags.confirm === undefined ? askForName(this.asking(context), renderPlan) : undefined;
    const result = await runRollback(context, { database: flags.database, ...planOptions(flags), plan, confirm: flags.confirm, ask, drainMs: flags.drain * 1000, lockWaitMs: flags["lock-wait"] * 1000, reason: flags.reason });
    this.print(renderRollback(result));
    return result;
  }
}
