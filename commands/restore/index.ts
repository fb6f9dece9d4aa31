import * as Flags from "@oclif/core/flags";

import { restoreBackup, type RestoreResult } from "../../src/app/restore/restore-backup.ts";
import { BaseCommand } from "../../src/cli/base-command.ts";
import { parseChoice } from "../../src/cli/choice.ts";
import { asOfFlag, backupArg, confirmFlag, databaseFlag, drainFlag, fromFlag, reasonFlag } from "../../src/cli/flags.ts";
import { parseRoleMap, renderRestore } from "../../src/cli/restore-view.ts";

export default class Restore extends BaseCommand {
  static override summary = "Restore a backup beside, compare it with its source, and optionally swap it in";
  static override description = "Never touches a live database in place: a new database is made and filled, compared with the truth that was taken in the dump's snapshot, and only then gets its name. With --swap it takes the live database's name; the live one is kept, and `restore undo` brings it back.";
  static override examples = [
    "<%= config.bin %> restore latest --into ehr_copy",
    "<%= config.bin %> restore --as-of 2026-11-21T02:00:00Z --into ehr --swap --dry-run",
    "<%= config.bin %> restore latest --into ehr --swap --confirm ehr --reason 'bad migration'",
    "<%= config.bin %> restore latest --into rescue --tables patients,appointments",
  ];

  static override args = { id: backupArg };
  static override flags = {
    database: databaseFlag,
    from: fromFlag,
    "as-of": asOfFlag,
    into: Flags.string({ summary: "name of the new database on the configured server, or a URL of another server", helpValue: "NAME|URL", required: true, env: "HOLDFAST_INTO" }),
    swap: Flags.boolean({ summary: "replace the live database of that name, keeping it for undo" }),
    confirm: confirmFlag,
    "dry-run": Flags.boolean({ summary: "run the checks and show the plan, change nothing", env: "HOLDFAST_DRY_RUN" }),
    tables: Flags.string({ summary: "these tables only, each whole", helpValue: "SCHEMA.TABLE,…", multiple: true, delimiter: ",", env: "HOLDFAST_TABLES", exclusive: ["schema-only", "data-only", "swap", "role-map", "jobs"] }),
    "schema-only": Flags.boolean({ summary: "definitions without rows", env: "HOLDFAST_SCHEMA_ONLY", exclusive: ["data-only", "swap"] }),
    "data-only": Flags.boolean({ summary: "rows only, into an existing, empty schema", env: "HOLDFAST_DATA_ONLY", exclusive: ["swap", "role-map", "jobs"] }),
    jobs: Flags.integer({ char: "j", summary: "restore with several connections (spools the archive in clear in a private temporary folder)", min: 1, max: 64, helpValue: "N", env: "HOLDFAST_JOBS", exclusive: ["role-map"] }),
    "no-owner": Flags.boolean({ summary: "without owners and grants", env: "HOLDFAST_NO_OWNER", exclusive: ["role-map", "create-roles"] }),
    "role-map": Flags.string({ summary: "give what belongs to OLD to NEW", helpValue: "OLD=NEW", multiple: true, env: "HOLDFAST_ROLE_MAP" }),
    "create-roles": Flags.boolean({ summary: "create roles that the server lacks, without passwords", env: "HOLDFAST_CREATE_ROLES" }),
    drain: drainFlag,
    reason: reasonFlag,
  };

  protected override readonly leftBehind = ["A database named …_holdfast_new_… may be left on the server; drop it. The target keeps its name and content until the copy has been proved."];

  async run(): Promise<RestoreResult> {
    const { args, flags } = await this.parse(Restore);
    const context = await this.context(flags);
    const result = await restoreBackup(context, {
      database: flags.database,
      choice: parseChoice(args.id, flags["as-of"]),
      into: flags.into,
      swap: flags.swap,
      confirm: flags.confirm,
      dryRun: flags["dry-run"],
      tables: flags.tables ?? [],
      mode: flags["schema-only"] ? "schema-only" : flags["data-only"] ? "data-only" : "all",
      jobs: flags.jobs ?? 1,
      noOwner: flags["no-owner"],
      roleMap: parseRoleMap(flags["role-map"] ?? []),
      createRoles: flags["create-roles"],
      drainMs: flags.drain * 1000,
      reason: flags.reason,
    });
    this.print(renderRestore(result, flags.swap, flags.into));
    return result;
  }
}
