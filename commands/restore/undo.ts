import * as Flags from "@oclif/core/flags";

import { undoSwap, type UndoResult } from "../../src/app/restore/undo-swap.ts";
import { BaseCommand } from "../../src/cli/base-command.ts";
import { confirmFlag, databaseFlag, drainFlag, reasonFlag } from "../../src/cli/flags.ts";

export default class RestoreUndo extends BaseCommand {
  static override summary = "Bring back the database that the last swap set aside";
  static override description = "What was written since the swap stays in the database that goes aside now; nothing is dropped, and a second undo changes both back again.";
  static override examples = ["<%= config.bin %> restore undo --database ehr --confirm ehr"];

  static override flags = {
    database: databaseFlag,
    target: Flags.string({ summary: "the database that was swapped, if it is not the configured one", helpValue: "NAME|URL", env: "HOLDFAST_TARGET" }),
    confirm: confirmFlag,
    drain: drainFlag,
    reason: reasonFlag,
  };

  async run(): Promise<UndoResult> {
    const { flags } = await this.parse(RestoreUndo);
    const context = await this.context(flags);
    const result = await undoSwap(context, { database: flags.database, target: flags.target, confirm: flags.confirm, drainMs: flags.drain * 1000, reason: flags.reason });
    this.print(`${result.target} is ${result.restored} again${result.kept === undefined ? "" : `; what it was until now is kept as ${result.kept}`}`);
    return result;
  }
}
