import * as Flags from "@oclif/core/flags";

import { type CheckReport, checkRepository } from "../../src/app/repository/check-repository.ts";
import { BaseCommand } from "../../src/cli/base-command.ts";
import { checkFailure, renderCheck } from "../../src/cli/check-view.ts";
import { fromFlag } from "../../src/cli/flags.ts";
import { parseGrace } from "../../src/cli/grace.ts";

export default class RepositoryCheck extends BaseCommand {
  static override summary = "Look for damage and garbage in the whole repository";
  static override description = `Damage is reported and never touched: missing, changed or foreign objects, manifests that are unsigned or a
stranger's, gaps in the timeline (exit 17). Garbage is what nobody can ever use: parts without a manifest, abandoned
uploads, locks of the dead. With --repair what is older than the grace period is removed, under the lock of its database.`;
  static override examples = ["<%= config.bin %> repository check", "<%= config.bin %> repository check --level hash", "<%= config.bin %> repository check --from offsite", "<%= config.bin %> repository check --repair --grace 7d"];

  static override flags = {
    from: fromFlag,
    database: Flags.string({ char: "d", summary: "only this database of the repository, without the timeline", helpValue: "NAME", env: "HOLDFAST_CHECK_DATABASE" }),
    level: Flags.option({ options: ["stat", "hash"] as const })({ summary: "sizes of the parts, or their SHA-256 as well", default: "stat", env: "HOLDFAST_CHECK_LEVEL" }),
    repair: Flags.boolean({ summary: "remove garbage", env: "HOLDFAST_REPAIR" }),
    grace: Flags.string({ summary: "leave garbage in peace that is younger", default: "24h", helpValue: "DURATION", env: "HOLDFAST_GRACE" }),
    "lock-wait": Flags.integer({ summary: "seconds to wait for another run to end", default: 0, min: 0, helpValue: "SECONDS", env: "HOLDFAST_LOCK_WAIT" }),
  };

  async run(): Promise<CheckReport> {
    const { flags } = await this.parse(RepositoryCheck);
    const graceMs = parseGrace(flags.grace);
    const context = await this.context(flags);
    const report = await checkRepository(context, { database: flags.database, level: flags.level, repair: flags.repair, graceMs, lockWaitMs: flags["lock-wait"] * 1000 });
    this.print(renderCheck(report));
    const failure = checkFailure(report);
    if (failure) throw failure;
    return report;
  }
}
