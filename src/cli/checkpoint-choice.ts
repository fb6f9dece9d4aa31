/** How operators say what a checkpoint is for. */
import type { ComingSource } from "../app/checkpoint/coming-migrations.ts";
import { databaseNamed } from "../app/context.ts";
import type { Config } from "../config/config.ts";
import { parseDuration } from "../config/units.ts";
import { HoldfastError } from "../errors.ts";

export interface ComingFlags {
  readonly migrations?: string | undefined;
  readonly migration?: readonly string[] | undefined;
  readonly "no-migrations"?: boolean | undefined;
}

/** What was said on the command line, else the folder that the configuration names. */
export function parseComing(config: Config, database: string | undefined, { migrations, migration, "no-migrations": none }: ComingFlags): ComingSource {
  if (none === true) return { how: "none" };
  if (migration !== undefined && migration.length > 0) return { how: "names", names: migration };
  const folder = migrations ?? databaseNamed(config, database).rollback?.migrations;
  return folder === undefined ? { how: "unknown" } : { how: "folder", folder };
}

/** Milliseconds of `30m`. @throws HoldfastError `usage` */
export function parsePeriod(text: string | undefined, flag: string): number | undefined {
  if (text === undefined) return undefined;
  const ms = parseDuration(text);
  if (ms === undefined) throw new HoldfastError("usage", `--${flag} ${JSON.stringify(text)} is not a duration`, { hints: ["Write it as 30m, 2h or 1d."] });
  return ms;
}
