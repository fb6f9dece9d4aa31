/** Whether a plan that somebody agreed to is still the one that would be made now. */
import { isDeepStrictEqual } from "node:util";

import { HoldfastError } from "../../errors.ts";
import type { RollbackPlan } from "../../rollback/plan/plan.ts";

/** What was agreed to: what is done, to what, and what it costs; not the minutes that have passed since. */
const decisive: readonly (readonly [what: string, of: (plan: RollbackPlan) => unknown])[] = [
  ["the checkpoint", ({ checkpoint }) => [checkpoint.id, checkpoint.sha256, checkpoint.backup]],
  ["the strategy", ({ strategy }) => strategy],
  ["the place", ({ now, confirm }) => [now.state.platform, now.state.address, confirm]],
  // How many replicas there are is an autoscaler's to say at any minute; whether there are any is not.
  ["what runs now", ({ now }) => now.state.workloads.map(({ kind, name, configSha256, images, replicas }) => [kind, name, configSha256, replicas > 0, images.map(({ id }) => id)])],
  ["the migration ledger", ({ now }) => now.ledgers.map(({ table, sha256 }) => [table, sha256])],
  ["the down-SQL", ({ strategy, migrations }) => (strategy === "down-sql" ? migrations.map(({ down, downSha256 }) => [down, downSha256]) : [])],
  ["the steps", ({ steps }) => steps.map(({ id }) => id)],
];

/** @throws HoldfastError `refused` naming what is different now */
export function requireSamePlan(agreed: RollbackPlan, fresh: RollbackPlan): void {
  const moved = decisive.filter(([, of]) => !isDeepStrictEqual(of(agreed), of(fresh))).map(([what]) => what);
  if (moved.length === 0) return;
  throw new HoldfastError("refused", `the plan of ${agreed.madeAt} no longer fits: ${moved.join(", ")} ${moved.length === 1 ? "is" : "are"} different now`, {
    hints: [`Make a new plan with \`holdfast rollback plan --to ${agreed.to}\`, and look at it.`, "Nothing was changed."],
    details: { moved },
  });
}
