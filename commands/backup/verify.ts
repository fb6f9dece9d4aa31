import * as Flags from "@oclif/core/flags";

import { verifyBackups, type Verdict } from "../../src/app/backup/verify-backup.ts";
import { BaseCommand } from "../../src/cli/base-command.ts";
import { parseChoice } from "../../src/cli/choice.ts";
import { asOfFlag, backupArg, databaseFlag, fromFlag } from "../../src/cli/flags.ts";
import { formatBytes } from "../../src/text/format.ts";
import { renderTable } from "../../src/cli/table.ts";
import { failedVerdicts } from "../../src/cli/verdicts.ts";

type VerdictJson = Omit<Verdict, "error"> & { readonly error?: { readonly message: string } };

export default class BackupVerify extends BaseCommand {
  static override summary = "Verify a backup, or all of them";
  static override description = `Levels, each with all before it:
stat     signatures of manifest and key, presence and size of every part
hash     SHA-256 of every part
archive  decrypt and decompress every part, read the archives to their end with pg_restore (needs the identity)`;
  static override examples = ["<%= config.bin %> backup verify latest", "<%= config.bin %> backup verify --all --level hash"];

  static override args = { id: backupArg };
  static override flags = {
    database: databaseFlag,
    from: fromFlag,
    "as-of": asOfFlag,
    all: Flags.boolean({ summary: "every backup of the database", env: "HOLDFAST_ALL" }),
    level: Flags.option({ options: ["stat", "hash", "archive"] as const })({ summary: "how deep to look", default: "hash", env: "HOLDFAST_VERIFY_LEVEL" }),
  };

  async run(): Promise<VerdictJson[]> {
    const { args, flags } = await this.parse(BackupVerify);
    const context = await this.context(flags);
    const choice = flags.all && args.id === undefined ? ("all" as const) : parseChoice(args.id, flags["as-of"]);
    const verdicts = await verifyBackups(context, { database: flags.database, choice, level: flags.level });
    const failure = failedVerdicts(verdicts);
    if (failure) throw failure;
    this.print(renderTable(["backup", "level", "result", "parts", "stored"], verdicts.map((verdict) => [verdict.id, verdict.level, "ok", String(verdict.parts.length), formatBytes(verdict.bytes)]), [3, 4]));
    return verdicts.map(({ error, ...verdict }) => ({ ...verdict, ...(error && { error: { message: error.message } }) }));
  }
}
