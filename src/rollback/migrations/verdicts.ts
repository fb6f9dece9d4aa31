/** What a plan says of each migration that was applied since its checkpoint. */
import type { MigrationVerdict } from "../plan/plan.ts";
import type { AppliedMigration } from "./between.ts";
import { judgeMigration } from "./compatibility.ts";
import { migrationOf } from "./down.ts";
import { type DownScript, type Migration, sha256OfScript } from "./migration.ts";

/**
 * One verdict for each of `applied`, in the same order. A migration that the folder does not hold is unknown.
 * @param downFile - the operator's script for all of them, in place of each one's own
 */
export async function judgeApplied(applied: readonly AppliedMigration[], folder: readonly Migration[], downFile: DownScript | null = null): Promise<MigrationVerdict[]> {
  const verdicts: MigrationVerdict[] = [];
  for (const each of applied) {
    const migration = migrationOf(each, folder);
    const judged = migration === undefined ? ({ verdict: "unknown", why: "it is not among the migrations of the folder" } as const) : await judgeMigration(migration);
    verdicts.push({ name: migration?.name ?? each.name, verdict: judged.verdict, why: judged.why, ...downOf(downFile ?? migration?.down ?? null) });
  }
  return verdicts;
}

function downOf(script: DownScript | null): Pick<MigrationVerdict, "down" | "downSha256"> {
  return script === null ? { down: null } : { down: script.file, downSha256: sha256OfScript(script) };
}
