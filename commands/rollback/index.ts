import * as Flags from "@oclif/core/flags";

import type { RollbackResult } from "../../src/app/rollback/carry-out.ts";
import { runRollback } from "../../src/app/rollback/run-rollback.ts";
import { askForName } from "../../src/cli/ask.ts";
import { BaseCommand } from "../../src/cli/base-command.ts";
import { databaseFlag, drainFlag, reasonFlag } from "../../src/cli/flags.ts";
import { readPlanFile } from "../../src/cli/plan-file.ts";
import { planFlags, planOptions } from "../../src/cli/rollback-flags.ts";
import { renderPlan, renderRollback } from "../../src/cli/rollback-view.ts";

export default class Rollback extends BaseCommand {
  static override summary = "Roll a release back, database included, and observe that it came out as planned";
  static override description = "Plans anew, shows what stops and what is lost, and wants the name of the place typed: by --confirm, or at the terminal. Every step is in a journal on this host and in the repository; `rollback resume` goes on after a crash, `rollback abort` goes back. Done means observed: the images on every replica, the health check several times in a row, the migration ledger. Otherwise it ends with 22 and says in what state things are.";
  static override examples = [
    "<%= config.bin %> rollback",
    "<%= config.bin %> rollback --to 1.4.1 --confirm ehr --reason 'bad migration'",
    "<%= config.bin %> rollback --plan plan.json --confirm ehr",
  ];

  static override flags = {
    database: databaseFlag,
    ...planFlags,
    plan: Flags.string({ summary: "a plan that `rollback plan` made", helpValue: "FILE", exclusive: ["to", "strategy", "accept-incompatible", "skip-safety-backup"] }),
    confirm: Flags.string({ summary: "the name of the place that is rolled back, typed out: the Compose project, the namespace, or the database", helpValue: "NAME" }),
    drain: drainFlag,
    reason: reasonFlag,
  };

  protected override readonly leftBehind = ["The rollback stopped in the middle: go on with `holdfast rollback resume`, or go back with `holdfast rollback abort`."];

  async run(): Promise<RollbackResult> {
    const { flags } = await this.parse(Rollback);
    const context = await this.context(flags);
    const plan = flags.plan === undefined ? undefined : await readPlanFile(flags.plan);
    const ask = flags.confirm === undefined ? askForName(context.signal, renderPlan, this.jsonEnabled()) : undefined;
    const result = await runRollback(context, { database: flags.database, ...planOptions(flags), plan, confirm: flags.confirm, ask, drainMs: flags.drain * 1000, reason: flags.reason });
    this.print(renderRollback(result));
    return result;
  }
}
