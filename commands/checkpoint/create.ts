import * as Flags from "@oclif/core/flags";

import { createCheckpoint } from "../../src/app/checkpoint/create-checkpoint.ts";
import { BaseCommand } from "../../src/cli/base-command.ts";
import { type CheckpointJson, checkpointJson, renderCreated } from "../../src/cli/checkpoint-view.ts";
import { parseComing, parsePeriod } from "../../src/cli/checkpoint-choice.ts";
import { databaseFlag, lockWaitFlag, reasonFlag } from "../../src/cli/flags.ts";
import { platformNames } from "../../src/config/rollback-settings.ts";

export default class CheckpointCreate extends BaseCommand {
  static override summary = "Record what runs before a deploy, bound to a backup of exactly that";
  static override description = `Reads the migration ledgers, what runs and how it is, takes the pre-deploy backup (or reuses a recent one of the very same ledgers and schema), looks again, keeps the images from being pruned, and signs all of it.
Refuses when migrations of the coming release are applied already, and when anything moves while the backup is taken: a backup from after the migration is worthless for the way back. Without --migrations, --migration or --no-migrations the configured folder of migrations counts.`;
  static override examples = [
    "<%= config.bin %> checkpoint create --release 1.4.2",
    "<%= config.bin %> checkpoint create --release 1.4.2 --running 1.4.1 --reuse-within 30m --migrations prisma/migrations --json",
    "<%= config.bin %> checkpoint create --release 1.4.3 --no-migrations --reason 'CHG-217'",
  ];

  static override flags = {
    database: databaseFlag,
    release: Flags.string({ summary: "the release that is about to be deployed", helpValue: "NAME", env: "HOLDFAST_RELEASE", required: true }),
    running: Flags.string({ summary: "the release that runs now; by default what the health check tells, or the last good deploy", helpValue: "NAME", env: "HOLDFAST_RUNNING" }),
    platform: Flags.option({ options: platformNames })({ summary: "where the application runs; by default as configured", env: "HOLDFAST_PLATFORM" }),
    "reuse-within": Flags.string({ summary: "take a backup that is not older than this, if nothing moved since", helpValue: "30m", env: "HOLDFAST_REUSE_WITHIN" }),
    migrations: Flags.string({ summary: "folder of the coming release's migrations", helpValue: "DIR", env: "HOLDFAST_MIGRATIONS", exclusive: ["migration", "no-migrations"] }),
    migration: Flags.string({ summary: "a migration that the coming release brings; may be given several times", helpValue: "NAME", env: "HOLDFAST_MIGRATION", multiple: true, exclusive: ["no-migrations"] }),
    "no-migrations": Flags.boolean({ summary: "the coming release brings no migration", env: "HOLDFAST_NO_MIGRATIONS" }),
    reason: reasonFlag,
    "lock-wait": lockWaitFlag,
  };

  protected override readonly leftBehind = ["No checkpoint was published. A pre-deploy backup may be there, and images may be pinned already: neither does harm."];

  async run(): Promise<CheckpointJson & { readonly warnings: readonly string[]; readonly released: readonly string[] }> {
    const { flags } = await this.parse(CheckpointCreate);
    const context = await this.context(flags);
    const { database, release, running, platform, reason } = flags;
    const created = await createCheckpoint(context, {
      database, release, running, platform, reason,
      reuseWithinMs: parsePeriod(flags["reuse-within"], "reuse-within"),
      coming: parseComing(context.config, database, flags),
      lockWaitMs: flags["lock-wait"] * 1000,
    });
    this.print(renderCreated(created));
    return { ...checkpointJson(created, []), warnings: created.warnings, released: created.released };
  }
}
