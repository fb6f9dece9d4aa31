import * as Flags from "@oclif/core/flags";

import { planRollback, type RollbackPlan } from "../../src/app/rollback/make-plan.ts";
import { BaseCommand } from "../../src/cli/base-command.ts";
import { databaseFlag, fromFlag } from "../../src/cli/flags.ts";
import { planAgain, planFlags, planOptions } from "../../src/cli/rollback-flags.ts";
import { writePlanFile } from "../../src/cli/plan-file.ts";
import { renderPlan, renderPlanNext } from "../../src/cli/rollback-view.ts";

export default class RollbackPlanCommand extends BaseCommand {
  static override summary = "Say what a rollback would do, what it costs, and what stands against it; change nothing";
  static override description = "Compares what runs now with the checkpoint, chooses between images only, reviewed down-SQL and restore-and-swap, counts what would be lost, and looks at everything that could keep it from succeeding. The plan goes to a file with --out, and is carried out with `rollback --plan FILE --confirm NAME`: refused if anything decisive has changed by then.";
  static override examples = ["<%= config.bin %> rollback plan --to 1.4.1", "<%= config.bin %> rollback plan --to 1.4.1 --out plan.json", "<%= config.bin %> rollback plan --to 1.4.1 --json"];

  static override flags = {
    database: databaseFlag,
    from: fromFlag,
    ...planFlags,
    out: Flags.string({ summary: "write the plan to this file, which must not exist", helpValue: "FILE", env: "HOLDFAST_OUT" }),
  };

  async run(): Promise<RollbackPlan> {
    const { flags } = await this.parse(RollbackPlanCommand);
    const context = await this.context(flags);
    const asked = { database: flags.database, ...planOptions(flags) };
    const plan = await planRollback(context, asked);
    if (flags.out !== undefined) await writePlanFile(flags.out, plan);
    const several = context.config.databases.size > 1 ? ["--database", plan.database] : [];
    this.print(`${renderPlan(plan)}\n\n${renderPlanNext(plan, [...planAgain(flags, plan), ...several])}`);
    if (flags.from !== undefined) this.print("The rollback itself has no --from: it writes plan, journal and safety backup where it reads. Name the copy as the repository, with HOLDFAST_REPOSITORY.");
    return plan;
  }
}
