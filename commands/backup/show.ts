import * as Flags from "@oclif/core/flags";

import { showBackup } from "../../src/app/backup/show-backups.ts";
import { backupJson, renderBackup } from "../../src/cli/backup-view.ts";
import { BaseCommand } from "../../src/cli/base-command.ts";
import { parseChoice } from "../../src/cli/choice.ts";
import { asOfFlag, backupArg, databaseFlag, fromFlag } from "../../src/cli/flags.ts";

export default class BackupShow extends BaseCommand {
  static override summary = "Show what a backup holds, after checking its signature";
  static override examples = ["<%= config.bin %> backup show latest", "<%= config.bin %> backup show ehr-20261121T020000Z-7f3a --tables"];

  static override args = { id: backupArg };
  static override flags = {
    database: databaseFlag,
    from: fromFlag,
    "as-of": asOfFlag,
    tables: Flags.boolean({ summary: "list the tables with their row counts", env: "HOLDFAST_SHOW_TABLES" }),
  };

  async run(): Promise<object> {
    const { args, flags } = await this.parse(BackupShow);
    const context = await this.context(flags);
    const manifest = await showBackup(context, parseChoice(args.id, flags["as-of"]), flags.database);
    this.print(renderBackup(manifest, { tables: flags.tables }));
    return { ...backupJson(manifest), manifest };
  }
}
