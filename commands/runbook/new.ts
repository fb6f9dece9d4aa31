import * as Args from "@oclif/core/args";
import * as Flags from "@oclif/core/flags";

import { newRunbook, type NewRunbook } from "../../src/app/runbook/new-runbook.ts";
import { BaseCommand } from "../../src/cli/base-command.ts";

export default class RunbookNew extends BaseCommand {
  static override summary = "Write a runbook to begin with";
  static override description = "Every part says what it is for, and the whole passes `runbook check`. Nothing is overwritten.";
  static override examples = ["<%= config.bin %> runbook new night-release --platform compose --folder ./runbooks"];

  static override args = { id: Args.string({ description: "its id: lower-case letters, digits and -", name: "ID", required: true, ignoreStdin: true }) };
  static override flags = {
    platform: Flags.option({ options: ["compose", "kubernetes", "none", "any"] as const })({ summary: "where the application runs", default: "any", env: "HOLDFAST_RUNBOOK_PLATFORM" }),
    folder: Flags.string({ summary: "where to write it; by default the folder that `rollback.runbooks` names", helpValue: "FOLDER", env: "HOLDFAST_RUNBOOK_FOLDER" }),
  };

  async run(): Promise<NewRunbook> {
    const { args, flags } = await this.parse(RunbookNew);
    const made = await newRunbook(await this.context(flags), { id: args.id, platform: flags.platform, folder: flags.folder });
    this.print(`${made.path} is written; fill it in, and read it with \`holdfast runbook check ${made.path}\``);
    return made;
  }
}
