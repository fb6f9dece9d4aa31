/** Which migrations stand between now and the checkpoint, what each of them means for the older release, and so which way is open. */
import type { Manifest } from "../../catalog/manifest.ts";
import type { RollbackSettings } from "../../config/rollback-settings.ts";
import { HoldfastError } from "../../errors.ts";
import type { Checkpoint } from "../../rollback/checkpoint/checkpoint.ts";
import type { PreflightFinding } from "../../rollback/finding.ts";
import { migrationsBetween } from "../../rollback/migrations/between.ts";
import { readDownFile, readMigrations } from "../../rollback/migrations/folder.ts";
import { judgeApplied } from "../../rollback/migrations/verdicts.ts";
import { chooseStrategy } from "../../rollback/plan/choose-strategy.ts";
import { schemaDrift } from "../../rollback/plan/drift.ts";
import type { RollbackPlan } from "../../rollback/plan/plan.ts";
import type { PlanOptions } from "./make-plan.ts";
import type { Present } from "./present.ts";

export interface Way extends Pick<RollbackPlan, "strategy" | "because" | "migrations"> {
  readonly findings: readonly PreflightFinding[];
}

/** @throws HoldfastError `refused` where no way is open that was not ruled out */
export async function chooseWay(settings: RollbackSettings, checkpoint: Checkpoint, manifest: Manifest, present: Present, options: PlanOptions): Promise<Way> {
  const between = migrationsBetween(checkpoint.ledgers, present.ledgers);
  const folder = settings.migrations === undefined || between.applied.length === 0 ? [] : await readMigrations(settings.migrations);
  const downFile = options.downFile === undefined ? null : await readDownFile(options.downFile);
  const migrations = await judgeApplied(between.applied, folder, downFile);
  const drift = schemaDrift(manifest.truth.schema, present.schema, between);
  const choice = chooseStrategy({ between, migrations, drift, ledgerKnown: checkpoint.ledgers.length + present.ledgers.length > 0, wish: options.strategy, acceptIncompatible: options.acceptIncompatible ?? null });
  if ("refused" in choice) throw new HoldfastError("refused", choice.refused, { hints: [...choice.hints, "Nothing was changed."] });
  const findings = choice.warnings.map((detail): PreflightFinding => ({ id: "schema", title: "the schema fits", outcome: "warn", detail }));
  return { strategy: choice.strategy, because: choice.because, migrations, findings };
}
