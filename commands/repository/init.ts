import { initialiseRepository } from "../../src/app/repository/initialise-repository.ts";
import { BaseCommand } from "../../src/cli/base-command.ts";

export default class RepositoryInit extends BaseCommand {
  static override summary = "Make the configured location a repository";
  static override description = "Writes the format marker once. A location that is a repository already is left as it is.";
  static override examples = ["HOLDFAST_REPOSITORY=s3://backups/ehr <%= config.bin %> repository init"];

  async run(): Promise<{ id: string; url: string; created: boolean }> {
    const { flags } = await this.parse(RepositoryInit);
    const context = await this.context(flags);
    const result = await initialiseRepository(context);
    this.print(result.created ? `${result.url} is now repository ${result.id}` : `${result.url} is repository ${result.id} already; nothing was changed`);
    return result;
  }
}
