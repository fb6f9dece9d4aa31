/** The story of a rollback: planned anew, confirmed, written down before anything is touched, run step by step, observed. */
import { recordId } from "../../catalog/layout.ts";
import { HoldfastError } from "../../errors.ts";
import type { RollbackPlan } from "../../rollback/plan/plan.ts";
import { publishBegun } from "../../rollback/plan/records.ts";
import { shellWord } from "../../process/shell-word.ts";
import { type Context, databaseNamed, reachDatabase, requireSigner } from "../context.ts";
import { type Action, inWorkplace } from "../record.ts";
import { type Carried, carryOut, type RollbackResult, underRollbackLock } from "./carry-out.ts";
import { openIncidentOf } from "../incident/incident-pen.ts";
import { makePlan, type PlanOptions } from "./make-plan.ts";
import { requireSamePlan } from "./same-plan.ts";

export interface RollbackOptions extends PlanOptions {
  /** A plan that was made and looked at before: the rollback is refused if it would do something else now. */
  readonly plan?: RollbackPlan | undefined;
  /** The confirm name as the operator typed it. */
  readonly confirm?: string | undefined;
  /**
   * Shows the plan and asks for the name, where somebody sits at a terminal and gave none.
   * @returns what was typed
   */
  readonly ask?: ((plan: RollbackPlan) => Promise<string>) | undefined;
  readonly drainMs: number;
  /** Milliseconds to wait for another rollback to end. */
  readonly lockWaitMs?: number | undefined;
  readonly reason?: string | undefined;
}

/**
 * Rolls a release back.
 * @throws HoldfastError `refused` before anything is touched; `rollback-failed`, or what a step threw, once it was begun:
 *   its hints name the commands that go on or go back
 */
export async function runRollback(context: Context, options: RollbackOptions): Promise<RollbackResult> {
  const { plan: agreed, database: named = agreed?.database } = options;
  const database = databaseNamed(context.config, named);
  const action: Action = { action: "rollback", subject: { database: database.name, release: options.to ?? agreed?.to }, reason: options.reason };
  return inWorkplace(context, action, async (workplace, subject) => {
    const signer = await requireSigner(context.config, "rollback", context.clock.now());
    const server = await reachDatabase(context, database);
    return underRollbackLock(context, workplace, database, server, async (held) => {
      const plan = await makePlan(held, workplace, database, agreed === undefined ? options : asAgreed(options, agreed));
      if (agreed !== undefined) requireSamePlan(agreed, plan);
      subject["release"] = plan.to;
      subject["checkpoint"] = plan.checkpoint.id;
      subject["strategy"] = plan.strategy;
      await requireGoAhead(plan, options);
      const started = context.clock.now();
      const id = recordId("rollback", database.name, started, context.ids.suffix());
      subject["rollback"] = id;
      const record = await openIncidentOf(held, workplace, database, { title: options.reason ?? `rollback of ${database.name} to ${plan.to}`, rollback: id, plan }, signer);
      const { actor, version } = context;
      const begun = {
        format: 1, kind: "holdfast-rollback", id, database: database.name, startedAt: started.toISOString(),
        by: { user: actor.user, host: actor.host, operator: actor.operator, holdfast: version },
        reason: options.reason ?? null, incident: record.incident, drainMs: options.drainMs, plan, signer: signer.id,
      } as const;
      const planSha256 = await publishBegun(workplace.repository, begun, signer);
      const carried: Carried = { database, begun, planSha256, signer, record };
      return await carryOut(held, workplace, carried, "run").finally(() => Object.assign(subject, record.told()));
    }, options.lockWaitMs);
  });
}

/** What the operator agreed to says what is to be done; the present says whether that is still so. */
function asAgreed(options: RollbackOptions, agreed: RollbackPlan): PlanOptions {
  return { ...options, to: agreed.checkpoint.id, strategy: agreed.strategy, downFile: options.downFile ?? downFileOf(agreed), acceptIncompatible: agreed.acceptIncompatible ?? undefined, skipSafetyBackup: agreed.skipSafetyBackup ?? undefined };
}

/** The one script that was agreed to for all of them; undefined where each migration has its own. */
function downFileOf({ strategy, migrations }: RollbackPlan): string | undefined {
  const [file, ...others] = strategy === "down-sql" ? new Set(migrations.map(({ down }) => down)) : [];
  return others.length > 0 ? undefined : (file ?? undefined);
}

/** @throws HoldfastError `refused` if something stands against it, or it was not confirmed */
async function requireGoAhead(plan: RollbackPlan, { confirm, ask }: RollbackOptions): Promise<void> {
  requireUnblocked(plan);
  const typed = confirm ?? (ask === undefined ? undefined : await ask(plan));
  if (typed === plan.confirm) return;
  throw new HoldfastError("refused", typed === undefined ? `the rollback of ${plan.database} to ${plan.to} was not confirmed, and there is no terminal to ask at` : `${JSON.stringify(typed)} was typed, but the place that is rolled back is ${plan.confirm}`, {
    hints: [`Look at the plan with \`holdfast rollback plan --to ${shellWord(plan.to)}\`, then confirm with --confirm ${shellWord(plan.confirm)}.`, "Nothing was changed."],
  });
}

export function requireUnblocked(plan: RollbackPlan): void {
  const blocked = plan.preflight.filter(({ outcome }) => outcome === "blocked");
  if (blocked.length === 0) return;
  throw new HoldfastError("refused", `the rollback of ${plan.database} to ${plan.to} cannot be done: ${blocked.map(({ detail }) => detail).join("; ")}`, {
    hints: [...blocked.flatMap(({ hint }) => hint ?? []), "Nothing was changed."],
    details: { blocked: blocked.map(({ id, title, detail }) => ({ id, title, detail })) },
  });
}

