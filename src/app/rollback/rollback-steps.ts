/** The steps of a rollback, from its plan alone: a run that was killed makes the very same ones again. */
import type { RollbackSettings } from "../../config/rollback-settings.ts";
import type { Platform } from "../../rollback/platform/platform.ts";
import type { RollbackPlan } from "../../rollback/plan/plan.ts";
import type { RollbackStep, StepFacts, StepRun } from "../../rollback/step.ts";
import { type RollbackWork, restoreBesideStep, safetyBackupStep, swapStep } from "./database-steps.ts";
import { downSqlStep } from "./down-sql-step.ts";
import { maintenanceOff, maintenanceOn } from "./maintenance-steps.ts";
import { observeStep } from "./observe-step.ts";

/**
 * The order is the point: the copy is proved before anything stops; then what writes is stopped, so that the safety backup
 * holds the last row; only then the database moves.
 */
export function rollbackSteps(work: RollbackWork, settings: RollbackSettings, platform: Platform): RollbackStep[] {
  const { plan } = work;
  const start = platform.startTarget(plan.target.state, plan.now.state);
  const observe = observeStep(work, settings, platform);
  if (plan.strategy === "images-only") return [...start, observe];
  const { on, starting, off } = aroundTheDatabase(settings, platform, plan, start);
  return [
    ...(plan.strategy === "restore-and-swap" ? [restoreBesideStep(work)] : []),
    on,
    ...(plan.skipSafetyBackup === null ? [safetyBackupStep(work)] : []),
    plan.strategy === "restore-and-swap" ? swapStep(work) : downSqlStep(work, settings),
    ...starting,
    ...(off === undefined ? [] : [off]),
    observe,
  ];
}

/**
 * What stops before the database moves and starts after it. On the way back the same must hold: nothing of either release
 * runs while the database changes again. Where the platform itself is the maintenance, taking back a start is to stop, and
 * taking back the stop is to bring everything to what it was.
 */
function aroundTheDatabase(settings: RollbackSettings, platform: Platform, plan: RollbackPlan, start: readonly RollbackStep[]): { readonly on: RollbackStep; readonly starting: readonly RollbackStep[]; readonly off: RollbackStep | undefined } {
  const on = maintenanceOn(settings, platform, plan);
  if (settings.maintenance !== undefined) return { on, starting: start, off: maintenanceOff(settings) };
  const stopAgain = platform.stopWriters(plan.target.state);
  const starting = start.map((step, at): RollbackStep => {
    const { undo, ...rest } = step;
    return at === 0 && undo !== undefined ? { ...rest, undo: (run) => stopAgain.perform(run) } : rest;
  });
  const back = async (run: StepRun): Promise<StepFacts> => {
    for (const step of start.toReversed()) await step.undo?.(run);
    return (await on.undo?.(run)) ?? {};
  };
  return { on: { ...on, undo: back }, starting, off: undefined };
}
