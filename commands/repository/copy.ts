import * as Flags from "@oclif/core/flags";

import { copyRepository, type CopyResult } from "../../src/app/repository/copy-repository.ts";
import { BaseCommand } from "../../src/cli/base-command.ts";
import { copyChoice, renderCopy } from "../../src/cli/copy-view.ts";
import { databaseFlag, fromFlag, lockWaitFlag, reasonFlag } from "../../src/cli/flags.ts";

export default class RepositoryCopy extends BaseCommand {
  static override summary = "Copy backups and records to another place, as they are: resumable, proved, without opening them";
  static override description = "The destination is a copy that the configuration names, or a location; an empty one becomes a copy of this repository. Parts come first and the manifest last, so that the destination never lists half a backup; what is there already is not sent again. Holds, checkpoints, the evidence of drills and rehearsals, incidents, runbooks, rollbacks and the timeline go with them, each proved first; nothing that stands there and differs is replaced, and no hold is let go. No identity is needed.";
  static override examples = ["<%= config.bin %> repository copy --to offsite", "<%= config.bin %> repository copy --to s3://elsewhere/holdfast?region=eu-north-1 --latest", "<%= config.bin %> repository copy --from offsite --to primary --verify"];

  static override flags = {
    to: Flags.string({ summary: "a copy that the configuration names, or a location", helpValue: "NAME|URL", required: true, env: "HOLDFAST_TO" }),
    from: fromFlag,
    database: databaseFlag,
    since: Flags.string({ summary: "backups whose snapshot is not before this instant", helpValue: "TIME", env: "HOLDFAST_SINCE", exclusive: ["latest", "newer"] }),
    latest: Flags.boolean({ summary: "the newest backup of each database", env: "HOLDFAST_LATEST", exclusive: ["since", "newer"] }),
    newer: Flags.boolean({ summary: "backups not older than the newest that is there, so that what was removed there does not come back", env: "HOLDFAST_NEWER", exclusive: ["since", "latest"] }),
    verify: Flags.boolean({ summary: "read every part back whole, also those that were there before, and every record", env: "HOLDFAST_COPY_VERIFY" }),
    concurrency: Flags.integer({ summary: "backups under way at once", default: 2, min: 1, max: 16, helpValue: "N", env: "HOLDFAST_COPY_CONCURRENCY" }),
    "lock-wait": lockWaitFlag,
    reason: reasonFlag,
  };

  protected override readonly leftBehind = ["Parts without a manifest may be left at the destination: they are no backup, and the next copy goes on from them."];

  async run(): Promise<CopyResult> {
    const { flags } = await this.parse(RepositoryCopy);
    const { to, database, verify, concurrency, reason } = flags;
    const choice = copyChoice(flags);
    const result = await copyRepository(await this.context(flags), { to, database, choice, verify, concurrency, lockWaitMs: flags["lock-wait"] * 1000, reason });
    this.print(renderCopy(result));
    return result;
  }
}
