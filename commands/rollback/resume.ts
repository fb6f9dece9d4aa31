import * as Args from "@oclif/core/args";

import type { RollbackResult } from "../../src/app/rollback/carry-out.ts";
import { resumeRollback } from "../../src/app/rollback/resume-rollback.ts";
import { BaseCommand } from "../../src/cli/base-command.ts";
import { databaseFlag, reasonFlag } from "../../src/cli/flags.ts";
import { renderRollback } from "../../src/cli/rollback-view.ts";

export default class RollbackResume extends BaseCommand {
  static override summary = "Go on with a rollback that stopped in the middle: a crash, a lost connection, a failed step";
  static override description = "Reads the journal, on this host or from the repository, and runs what is left. A step that was begun and not noted as done is first looked for in the world: what is there is not done again.";
  static override examples = ["<%= config.bin %> rollback resume", "<%= config.bin %> rollback resume rollback-ehr-20261121T031500Z-7f3a"];

  static override args = { id: Args.string({ description: "id of a rollback; by default the one that has not ended", name: "ID", ignoreStdin: true }) };
  static override flags = { database: databaseFlag, reason: reasonFlag };

  protected override readonly leftBehind = ["The rollback stopped in the middle again: `holdfast rollback resume` goes on."];

  async run(): Promise<RollbackResult> {
    const { args, flags } = await this.parse(RollbackResume);
    const result = await resumeRollback(await this.context(flags), { database: flags.database, id: args.id, reason: flags.reason });
    this.print(renderRollback(result));
    return result;
  }
}
