import { listRunbooks } from "../../src/app/runbook/show-runbooks.ts";
import { BaseCommand } from "../../src/cli/base-command.ts";
import { renderRunbooks, type RunbookJson, runbookJson } from "../../src/cli/runbook-view.ts";

export default class RunbookList extends BaseCommand {
  static override summary = "List the runbooks: those that are shipped, and your own";
  static override description = "One of your own, from the folder that `rollback.runbooks` names, stands in the place of a shipped one with the same id.";
  static override examples = ["<%= config.bin %> runbook list", "<%= config.bin %> runbook list --json"];

  async run(): Promise<RunbookJson[]> {
    const { flags } = await this.parse(RunbookList);
    const files = await listRunbooks(await this.context(flags));
    this.print(renderRunbooks(files));
    return files.map(runbookJson);
  }
}
