/** When steps stop: what the journal keeps of it, and what whoever reads the error can do next. */
import { cancelled, HoldfastError, messageOf } from "../../errors.ts";
import type { Reporter } from "../../ports.ts";
import { redact } from "../../process/redact.ts";
import type { RollbackStep } from "../step.ts";
import type { Journal, JournalNote } from "./journal.ts";
import { type JournalState, stateOf, stepIn } from "./state.ts";

const longestMessage = 2_000;

export const codeOf = (error: unknown): string => (error instanceof HoldfastError ? error.code : "bug");
export const messageFor = (error: unknown): string => redact(messageOf(error)).slice(0, longestMessage);

/**
 * What ended a step. A terminal that goes away, and Ctrl-C, reach the tools too, whose end may be heard before the signal is:
 * that is no failure of theirs, nor of the database that they were connected to.
 */
export async function reasonFor(error: unknown, signal: AbortSignal): Promise<unknown> {
  await new Promise((resolve) => { setImmediate(resolve); });
  if (!signal.aborted || codeOf(error) === "cancelled") return error;
  const { code, message, hints } = cancelled(signal);
  return new HoldfastError(code, message, { hints, cause: error });
}

/** @throws HoldfastError `refused` if the journal has ended, or names a step that the plan does not have */
export function requireSamePlan(steps: readonly RollbackStep[], journal: Journal): JournalState {
  const ids = new Set(steps.map(({ id }) => id));
  if (ids.size !== steps.length) throw new Error(`two steps of ${journal.id} have one id`);
  const state = stateOf(journal.entries);
  if (state.ended) throw new HoldfastError("refused", `${journal.id} ended at ${state.ended.at} (${state.ended.outcome}): nothing is resumed or aborted after that`, { hints: ["Make a new plan with `holdfast rollback plan`."] });
  const foreign = [...state.steps.keys()].find((id) => !ids.has(id));
  if (foreign !== undefined) {
    throw new HoldfastError("refused", `the journal of ${journal.id} names a step ${JSON.stringify(foreign)}, which its plan does not have`, { hints: ["Go on with the holdfast and the configuration that began it; `holdfast rollback show` names its plan."] });
  }
  return state;
}

/** Says in the journal that a step failed. That the journal cannot take it hides nothing: the step's own failure is thrown. */
export async function noteFailure(journal: Journal, note: JournalNote, reporter: Reporter): Promise<void> {
  await journal.append(note).catch((error: unknown) => {
    reporter.emit({ type: "note", level: "warn", message: `the journal does not know of the failure: ${messageOf(error)}` });
  });
}

/** The failure with what was done, what was not, and what to run next. A bug stays as it is, and keeps its stack. */
export function stopped(error: unknown, at: RollbackStep, steps: readonly RollbackStep[], journal: Journal, reporter: Reporter): unknown {
  const state = stateOf(journal.entries);
  const hints = state.aborting ? [`Once that is mended, go on with \`holdfast rollback abort ${journal.id}\`.`] : waysOn(steps, state, journal.id);
  if (!(error instanceof HoldfastError)) {
    for (const message of hints) reporter.emit({ type: "note", level: "warn", message });
    return error;
  }
  const where = state.aborting ? wayBack(steps, state) : wayThere(steps, state);
  return new HoldfastError(error.code, error.message, { hints: [...error.hints, ...hints], details: { ...error.details, rollback: journal.id, stoppedAt: at.id, ...where }, cause: error });
}

const idsOf = (steps: readonly RollbackStep[]): string[] => steps.map(({ id }) => id);

function wayThere(steps: readonly RollbackStep[], state: JournalState): { done: string[]; notDone: string[] } {
  const isDone = ({ id }: RollbackStep): boolean => stepIn(state, id).done !== undefined;
  return { done: idsOf(steps.filter(isDone)), notDone: idsOf(steps.filter((step) => !isDone(step))) };
}

function wayBack(steps: readonly RollbackStep[], state: JournalState): { takenBack: string[]; notTakenBack: string[] } {
  const touched = steps.filter((step) => step.undo !== undefined && stepIn(state, step.id).begun);
  const isBack = ({ id }: RollbackStep): boolean => stepIn(state, id).undo === "done";
  return { takenBack: idsOf(touched.filter(isBack)), notTakenBack: idsOf(touched.filter((step) => !isBack(step))) };
}

function waysOn(steps: readonly RollbackStep[], state: JournalState, id: string): string[] {
  const final = steps.find((step) => step.irreversible !== undefined && stepIn(state, step.id).done !== undefined);
  const abort = final === undefined ? `Or go back to where it was with \`holdfast rollback abort ${id}\`.` : `It can no longer be aborted: ${final.irreversible ?? ""}.`;
  return [`Once that is mended, go on with \`holdfast rollback resume ${id}\`.`, abort];
}
