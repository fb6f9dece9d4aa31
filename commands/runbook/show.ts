import * as Args from "@oclif/core/args";

import { showRunbook } from "../../src/app/runbook/show-runbooks.ts";
import { BaseCommand } from "../../src/cli/base-command.ts";
import { inputFlag } from "../../src/cli/flags.ts";
import { parseInputs, type RunbookJson, runbookJson } from "../../src/cli/runbook-view.ts";

export default class RunbookShow extends BaseCommand {
  static override summary = "Show a runbook as a checklist, to be followed by hand";
  static override description = "Markdown with boxes to tick, what must hold before and after each step, and its commands as a shell takes them, with the inputs filled in. Changes nothing.";
  static override examples = ["<%= config.bin %> runbook show dropped-table --input table=patients", "<%= config.bin %> runbook show ./runbooks/ours.md"];

  static override args = { id: Args.string({ description: "id of a runbook, or a file", name: "ID", required: true, ignoreStdin: true }) };
  static override flags = { input: inputFlag };

  async run(): Promise<RunbookJson & { readonly checklist: string }> {
    const { args, flags } = await this.parse(RunbookShow);
    const { file, checklist } = await showRunbook(await this.context(flags), args.id, await parseInputs(flags.input ?? []));
    this.print(checklist);
    return { ...runbookJson(file), checklist };
  }
}
