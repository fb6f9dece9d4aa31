import { stringify } from "yaml";

import { BaseCommand } from "../../src/cli/base-command.ts";
import { showConfig } from "../../src/config/show.ts";

export default class ConfigShow extends BaseCommand {
  static override summary = "Show the configuration in force and where each value came from, secrets masked";
  static override examples = ["<%= config.bin %> config show --json"];

  async run(): Promise<object> {
    const { flags } = await this.parse(ConfigShow);
    const shown = showConfig((await this.context(flags)).config);
    this.print(stringify(shown).trimEnd());
    return shown;
  }
}
