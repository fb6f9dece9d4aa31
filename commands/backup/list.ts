import { listDatabaseBackups } from "../../src/app/show-backups.ts";
import { type BackupJson, backupJson, rowsOf } from "../../src/cli/backup-view.ts";
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
    const manifests = await listDatabaseBackups(context, flags.database);
    if (manifests.length === 0) this.print("no backups yet; make one with `holdfast backup`");
    else {
      const rows = manifests.map((manifest) => [manifest.id, manifest.snapshotAt, manifest.label ?? "-", formatBytes(backupJson(manifest).bytes), formatCount(rowsOf(manifest))]);
      this.print(renderTable(["id", "snapshot", "label", "stored", "rows"], rows, [3, 4]));
    }
    return manifests.map(backupJson);
  }
}
