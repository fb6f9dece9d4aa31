import { validateConfiguration, type Validation } from "../../src/app/doctor/validate-configuration.ts";
import { BaseCommand } from "../../src/cli/base-command.ts";

export default class ConfigValidate extends BaseCommand {
  static override summary = "Check the configuration without touching database or repository";
  static override description = "Reads file, environment, keys and URLs as a backup would. Exit 10 names everything that is wrong.";
  static override examples = ["<%= config.bin %> config validate --config holdfast.yaml"];

  async run(): Promise<Validation> {
    const { flags } = await this.parse(ConfigValidate);
    const result = await validateConfiguration((await this.context(flags)).config);
    this.print(`valid: databases ${result.databases.join(", ") || "none"}; repository ${result.repository ?? "none"}; ${result.recipients} recipients${result.source === null ? "" : `; read from ${result.source}`}`);
    return result;
  }
}
