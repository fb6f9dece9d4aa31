import * as Flags from "@oclif/core/flags";
import * as Args from "@oclif/core/args";

import { shredBackup } from "../../src/app/keys/shred-backup.ts";
import { BaseCommand } from "../../src/cli/base-command.ts";
import { lockWaitFlag, reasonFlag } from "../../src/cli/flags.ts";
import { renderShred, shredJson, type ShredJson } from "../../src/cli/keys-view.ts";

export default class BackupShred extends BaseCommand {
  static override summary = "Destroy the key of a backup, so that nobody can ever open it";
  static override description = `Writes a signed record that the backup existed and was shredded, removes its manifest, destroys every version of its key, and proves that none is left and that no identity at hand opens its parts. The parts themselves are removed by the next backup.
Refuses what is held, what is under object lock, and the last proved backup unless that is spelled out. Copies of the repository, and of key.age, are not reached: shred there too.`;
  static override examples = ["<%= config.bin %> backup shred ehr-20261121T020000Z-7f3a --confirm ehr-20261121T020000Z-7f3a --reason 'erasure request 17'"];

  static override args = { id: Args.string({ description: "id of the backup", name: "ID", required: true, ignoreStdin: true }) };
  static override flags = {
    confirm: Flags.string({ summary: "the id of the backup, typed out", helpValue: "ID" }),
    "lock-wait": lockWaitFlag,
    reason: reasonFlag,
  };

  protected override readonly leftBehind = ["If its record is there already (`holdfast backup show ID` says so), run the same command again: it goes on where this run ended."];

  async run(): Promise<ShredJson> {
    const { args, flags } = await this.parse(BackupShred);
    const context = await this.context(flags);
    const result = await shredBackup(context, { id: args.id, confirm: flags.confirm, lockWaitMs: flags["lock-wait"] * 1000, reason: flags.reason });
    this.print(renderShred(result));
    return shredJson(result);
  }
}
