import * as Flags from "@oclif/core/flags";

import { rewrapKeys } from "../../src/app/keys/rewrap-keys.ts";
import { BaseCommand } from "../../src/cli/base-command.ts";
import { databaseFlag, lockWaitFlag, minimumRecipientsFlag, reasonFlag } from "../../src/cli/flags.ts";
import { renderRewrap, type RewrapJson, rewrapJson } from "../../src/cli/keys-view.ts";

export default class KeysRewrap extends BaseCommand {
  static override summary = "Change who can open the backups that there are";
  static override description = `Encrypts the key of every backup anew, some hundred bytes each; no part is touched. Needs an identity that opens the backups now, one that will open them afterwards, and the signing key. A run that was cut short is run again and goes on.
It cannot revoke what was copied: whoever has an old key.age and an identity that was removed opens that backup for ever. Future backups go to HOLDFAST_RECIPIENTS: change that too.`;
  static override examples = ["<%= config.bin %> keys rewrap --add age1new… --dry-run", "<%= config.bin %> keys rewrap --add age1new… --remove age1old… --reason 'on-call rotation'"];

  static override flags = {
    database: databaseFlag,
    add: Flags.string({ summary: "age recipients that are to open the backups too", helpValue: "age1…", multiple: true, delimiter: ",", env: "HOLDFAST_REWRAP_ADD" }),
    remove: Flags.string({ summary: "age recipients that are not to open them any more", helpValue: "age1…", multiple: true, delimiter: ",", env: "HOLDFAST_REWRAP_REMOVE" }),
    minimum: minimumRecipientsFlag,
    "below-minimum": Flags.boolean({ summary: "leave a backup with fewer recipients than the minimum", env: "HOLDFAST_BELOW_MINIMUM" }),
    "dry-run": Flags.boolean({ summary: "open every key and show what would change, change nothing", env: "HOLDFAST_DRY_RUN" }),
    "lock-wait": lockWaitFlag,
    reason: reasonFlag,
  };

  protected override readonly leftBehind = ["Every backup opens with its old recipients or with its new ones. Run the same command again: it goes on where this run ended."];

  async run(): Promise<RewrapJson> {
    const { flags } = await this.parse(KeysRewrap);
    const context = await this.context(flags);
    const change = { add: flags.add ?? [], remove: flags.remove ?? [] };
    const result = await rewrapKeys(context, {
      ...change,
      database: flags.database,
      dryRun: flags["dry-run"],
      minimum: flags.minimum,
      belowMinimum: flags["below-minimum"],
      lockWaitMs: flags["lock-wait"] * 1000,
      reason: flags.reason,
    });
    this.print(renderRewrap(result, change, context.config.recipients));
    return rewrapJson(result);
  }
}
