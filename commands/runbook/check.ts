import * as Args from "@oclif/core/args";

import { checkRunbooks } from "../../src/app/runbook/check-runbooks.ts";
import { BaseCommand } from "../../src/cli/base-command.ts";
import { renderChecked, type RunbookJson, runbookJson } from "../../src/cli/runbook-view.ts";

export default class RunbookCheck extends BaseCommand {
  static override summary = "Judge runbooks before they are needed";
  static override description = `Unknown and unused inputs, steps that nothing checks or that could not be resumed, commands that go through a shell, act on an ambient default or show a secret, and runbooks that nobody has reviewed for half a year (a warning).
Without files: all that \`runbook list\` lists. Exit 10 names every error with its line.`;
  static override examples = ["<%= config.bin %> runbook check", "<%= config.bin %> runbook check runbooks/ours.md"];

  static override strict = false;
  static override args = { files: Args.string({ description: "files of runbooks", name: "FILE…", ignoreStdin: true }) };

  async run(): Promise<RunbookJson[]> {
    const { argv, flags } = await this.parse(RunbookCheck);
    const files = await checkRunbooks(await this.context(flags), argv.map(String));
    this.print(renderChecked(files));
    return files.map(runbookJson);
  }
}
