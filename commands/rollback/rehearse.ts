import { rehearseRollback } from "../../src/app/rehearsal/rehearse-rollback.ts";
import { BaseCommand } from "../../src/cli/base-command.ts";
import { databaseFlag, reasonFlag } from "../../src/cli/flags.ts";
import { type RehearsalJson, rehearsalJson, renderRehearsal } from "../../src/cli/rehearsal-view.ts";
import { planFlags } from "../../src/cli/rollback-flags.ts";

export default class RollbackRehearse extends BaseCommand {
  static override summary = "Prove before the incident that a release and its backup fit: bring both up, apart from production";
  static override description = "Restores the backup of a checkpoint into a scratch, brings up the images that ran then on it (on Docker Compose in a project, on Kubernetes in a namespace of its own, with no published port, nothing of production mounted, and a network that leads nowhere, each of which is looked at or tried before anything of the release starts), asks the health check and the smoke test, removes everything, and signs what was found. What could not be looked at never counts as passed.";
  static override examples = [
    "<%= config.bin %> rollback rehearse --to 1.4.1",
    "<%= config.bin %> rollback rehearse --reason 'before the release of Friday' --json",
  ];

  static override flags = {
    database: databaseFlag,
    to: planFlags.to,
    reason: reasonFlag,
  };

  protected override readonly leftBehind = ["What the rehearsal has made may be left: `holdfast drill clean` removes it, and the next rehearsal does so too."];

  async run(): Promise<RehearsalJson> {
    const { flags } = await this.parse(RollbackRehearse);
    const result = await rehearseRollback(await this.context(flags), { database: flags.database, to: flags.to, reason: flags.reason });
    this.print(renderRehearsal(result));
    return rehearsalJson(result);
  }
}
