/** Maintenance: what writes is stopped before the database moves, by the configured commands or by the platform itself. */
import type { RollbackSettings } from "../../config/rollback-settings.ts";
import { HoldfastError, messageOf } from "../../errors.ts";
import { runTool } from "../../process/run.ts";
import type { Platform } from "../../rollback/platform/platform.ts";
import type { RollbackPlan } from "../../rollback/plan/plan.ts";
import type { RollbackStep } from "../../rollback/step.ts";

const commandMs = 600_000;

export function maintenanceOn({ maintenance }: RollbackSettings, platform: Platform, plan: RollbackPlan): RollbackStep {
  if (maintenance === undefined) return platform.stopWriters(plan.now.state);
  return {
    id: "maintenance-on",
    title: `stop what writes: ${maintenance.on[0]}`,
    // Whether a command had its effect cannot be asked; switching on what is on is what such a command is for.
    isDone: () => Promise.resolve(false),
    perform: async ({ signal }) => run(maintenance.on, signal),
    undo: async ({ signal }) => run(maintenance.off, signal),
  };
}

/** Undefined where the platform's own start ends the maintenance. */
export function maintenanceOff({ maintenance }: RollbackSettings): RollbackStep | undefined {
  if (maintenance === undefined) return undefined;
  return {
    id: "maintenance-off",
    title: `let it write again: ${maintenance.off[0]}`,
    isDone: () => Promise.resolve(false),
    perform: async ({ signal }) => run(maintenance.off, signal),
    undo: async ({ signal }) => run(maintenance.on, signal),
  };
}

async function run([program, ...args]: readonly [string, ...string[]], signal: AbortSignal): Promise<{ command: string }> {
  try {
    await runTool([program, ...args], [], { signal, timeout: commandMs });
    return { command: program };
  } catch (error) {
    if (error instanceof HoldfastError) throw error;
    throw new HoldfastError("rollback-failed", `the maintenance command failed: ${messageOf(error)}`, { hints: ["Mend the command of rollback.maintenance, or stop the writers by hand, then go on with `holdfast rollback resume`."], cause: error });
  }
}
