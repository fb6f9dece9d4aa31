/** Of a plan, what an incident keeps of it: the way, its cost, and where everything else is to be found. */
import type { RollbackPlan } from "../plan/plan.ts";
import type { PlanSummary } from "./incident.ts";

export function summaryOfPlan({ strategy, because, now, to, checkpoint, migrations, stops, loss }: RollbackPlan): PlanSummary {
  return {
    strategy, because, to, stops, loss,
    from: now.release,
    checkpoint: checkpoint.id,
    backup: checkpoint.backup,
    snapshotAt: checkpoint.snapshotAt,
    migrations: migrations.map(({ name }) => name),
  };
}
