/** Which migrations stand between now and the checkpoint, what each of them means for the older release, and so which way is open. */
import type { Manifest } from "../../catalog/manifest.ts";
import type { RollbackSettings } from "../../config/rollback-settings.ts";
import { HoldfastError } from "../../errors.ts";
import type { SchemaTruth } from "../../postgres/truth/truth.ts";
import type { Checkpoint } from "../../rollback/checkpoint/checkpoint.ts";
import type { PreflightFinding } from "../../rollback/finding.ts";
import { type AppliedMigration, isUnchanged, migrationsBetween } from "../../rollback/migrations/between.ts";
import { judgeMigration } from "../../rollback/migrations/compatibility.ts";
import { migrationOf } from "../../rollback/migrations/down.ts";
import { readMigrations } from "../../rollback/migrations/folder.ts";
import type { Migration } from "../../rollback/migrations/migration.ts";
import { chooseStrategy } from "../../rollback/plan/choose-strategy.ts";
import type { MigrationVerdict, RollbackPlan } from "../../rollback/plan/plan.ts";
import type { PlanOptions } from "./make-plan.ts";
import type { Present } from "./present.ts";

export interface Way extends Pick<RollbackPlan, "strategy" | "because" | "migrations"> {
  readonly findings: readonly PreflightFinding[];
}

/** @throws HoldfastError `refused` where no way is open that was not ruled out */
export async function chooseWay(settings: RollbackSettings, checkpoint: Checkpoint, manifest: Manifest, present: Present, options: PlanOptions): Promise<Way> {
  const between = migrationsBetween(checkpoint.ledgers, present.ledgers);
  const folder = settings.migrations === undefined || between.applied.length === 0 ? [] : await readMigrations(settings.migrations);
  const migrations = await Promise.all(between.applied.map((applied) => judge(applied, folder, options.downFile)));
  const choice = chooseStrategy({
    between, migrations,
    drift: isUnchanged(between) ? driftOf(manifest.truth.schema, present.schema) : null,
    wish: options.strategy,
    acceptIncompatible: options.acceptIncompatible ?? null,
  });
  if ("refused" in choice) throw new HoldfastError("refused", choice.refused, { hints: [...choice.hints, "Nothing was changed."] });
  const findings = choice.warnings.map((detail): PreflightFinding => ({ id: "schema", title: "the schema fits", outcome: "warn", detail }));
  return { strategy: choice.strategy, because: choice.because, migrations, findings };
}

async function judge(applied: AppliedMigration, folder: readonly Migration[], downFile: string | undefined): Promise<MigrationVerdict> {
  const { name } = applied;
  const found = migrationOf(applied, folder);
  const down = downFile ?? found?.down?.file ?? null;
  if (found === undefined) return { name, verdict: "unknown", why: folder.length === 0 ? "no folder of migrations is configured" : "it is not in the folder of migrations", down };
  return { name, ...(await judgeMigration(found)), down };
}

/** Kinds of objects of which the schema differs. */
function driftOf(then: SchemaTruth, now: SchemaTruth): string[] {
  if (then.fingerprint === now.fingerprint) return [];
  return [...new Set([...Object.keys(then.kinds), ...Object.keys(now.kinds)])].filter((kind) => then.kinds[kind]?.sha256 !== now.kinds[kind]?.sha256).toSorted();
}
