import { listDatabaseBackups } from "../../src/app/backup/show-backups.ts";
import { type BackupJson, backupJson } from "../../src/cli/backup-view.ts";
import { BaseCommand } from "../../src/cli/base-command.ts";
import { databaseFlag, fromFlag } from "../../src/cli/flags.ts";
import { formatBytes, formatCount } from "../../src/text/format.ts";
import { renderTable } from "../../src/cli/table.ts";

export default class BackupList extends BaseCommand {
  static override summary = "List the backups that have a trusted, signed manifest, newest first";
  static override description = "What cannot be trusted is named in a warning and is not listed: it does not count.";
  static override examples = ["<%= config.bin %> backup list", "<%= config.bin %> backup list --database ehr --json"];

  static override flags = { database: databaseFlag, from: fromFlag };

  async run(): Promise<BackupJson[]> {
    const { flags } = await this.parse(BackupList);
    const context = await this.context(flags);
    const backups = await listDatabaseBackups(context, flags.database);
    if (backups.length === 0) this.print("no backups yet; make one with `holdfast backup`");
    else {
      const rows = backups.map((backup) => [backup.id, backup.snapshotAt, backup.label ?? "-", formatBytes(backupJson(backup).bytes), formatCount(backup.rows)]);
      this.print(renderTable(["id", "snapshot", "label", "stored", "rows"], rows, [3, 4]));
    }
    return backups.map(backupJson);
  }
}
