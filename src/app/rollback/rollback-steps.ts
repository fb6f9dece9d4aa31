/** The steps of a rollback, from its plan alone: a run that was killed makes the very same ones again. */
import type { RollbackSettings } from "../../config/rollback-settings.ts";
import type { Platform } from "../../rollback/platform/platform.ts";
import type { RollbackStep } from "../../rollback/step.ts";
import { type RollbackWork, restoreBesideStep, safetyBackupStep, swapStep } from "./database-steps.ts";
import { downSqlStep } from "./down-sql-step.ts";
import { maintenanceOff, maintenanceOn } from "./maintenance-steps.ts";
import { observeStep } from "./observe-step.ts";

/**
 * The order is the point: the copy is proved before anything stops; then what writes is stopped, so that the safety backup
 * holds the last row; only then the database moves. Taken back from last to first the same holds: a start that followed a stop
 * is taken back to a standstill, and only the stop's own undo starts anything, when the database is back.
 */
export function rollbackSteps(work: RollbackWork, settings: RollbackSettings, platform: Platform): RollbackStep[] {
  const { plan } = work;
  const start = platform.startTarget(plan.target.state, plan.now.state);
  const observe = observeStep(work, settings, platform);
  if (plan.strategy === "images-only") return [...start, observe];
  const off = maintenanceOff(settings);
  return [
    ...(plan.strategy === "restore-and-swap" ? [restoreBesideStep(work)] : []),
    maintenanceOn(settings, platform, plan),
    ...(plan.skipSafetyBackup === null ? [safetyBackupStep(work)] : []),
    plan.strategy === "restore-and-swap" ? swapStep(work) : downSqlStep(work, settings),
    ...start,
    ...(off === undefined ? [] : [off]),
    observe,
  ];
}
