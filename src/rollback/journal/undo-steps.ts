/** The way back: what was done or begun is taken back in reverse. An abort that was killed is aborted again, and goes on. */
import { HoldfastError, throwIfCancelled } from "../../errors.ts";
import { runStep } from "../../ports.ts";
import { formatSeconds } from "../../text/format.ts";
import type { RollbackStep, StepFacts } from "../step.ts";
import type { Journal } from "./journal.ts";
import { runOf, type StepsOptions } from "./run-steps.ts";
import { type JournalState, stepIn } from "./state.ts";
import { codeOf, messageFor, noteFailure, reasonFor, requireSamePlan, stopped } from "./stopping.ts";

export interface UndoOptions extends StepsOptions {
  /** How it ended, for the journal; by default which steps were taken back. */
  readonly message?: string | undefined;
}

/**
 * Takes back what the journal calls done or begun, and ends the journal: nothing may be added to it after that. The caller holds the lock.
 * @returns the ids of the steps that were taken back, in the order in which they were, also by an earlier call
 * @throws HoldfastError `refused`, before anything is taken back, if a step that was done cannot be, or if the rollback is over;
 * what stopped it, with what is taken back and what is not in its details
 */
export async function undoSteps(steps: readonly RollbackStep[], journal: Journal, options: UndoOptions): Promise<readonly string[]> {
  const { reporter, signal } = options;
  const before = requireSamePlan(steps, journal);
  const facts = new Map(before.facts);
  await refuseIrreversible(steps, before, facts, journal, signal);
  const touched = steps.filter((step) => step.undo !== undefined && stepIn(before, step.id).begun).toReversed();
  reporter.emit({ type: "plan", steps: touched.map((step) => ({ id: eventId(step), title: `take back: ${step.title}` })) });
  await journal.append({ kind: before.aborting ? "resumed" : "aborting" });
  for (const step of touched) {
    if (stepIn(before, step.id).undo === "done") {
      reporter.emit({ type: "step-skipped", step: eventId(step), why: "taken back already" });
      continue;
    }
    try {
      throwIfCancelled(signal);
      await undoOne(step, facts, journal, options);
    } catch (thrown) {
      const error = await reasonFor(thrown, signal);
      await noteFailure(journal, { kind: "undo-failed", step: step.id, code: codeOf(error), message: messageFor(error) }, reporter);
      throw stopped(error, step, steps, journal, reporter);
    }
  }
  const ids = touched.map(({ id }) => id);
  await journal.append({ kind: "ended", outcome: "aborted", message: options.message ?? (ids.length === 0 ? "aborted before anything was done" : `aborted: ${ids.join(", ")} taken back`) });
  return ids;
}

/** Events of the way back, beside those of the way there. */
const eventId = ({ id }: RollbackStep): string => `undo ${id}`;

async function undoOne(step: RollbackStep, facts: Map<string, StepFacts>, journal: Journal, { reporter, signal, clock }: StepsOptions): Promise<void> {
  const started = clock.now().getTime();
  const took = (): string => formatSeconds((clock.now().getTime() - started) / 1000);
  await runStep(
    reporter,
    eventId(step),
    async () => {
      await journal.append({ kind: "undo-begun", step: step.id });
      const left = (await step.undo?.(runOf(step, facts, journal, signal))) ?? {};
      facts.set(step.id, { ...facts.get(step.id), ...left });
      await journal.append({ kind: "undo-done", step: step.id, facts: left });
    },
    took,
  );
}

/** Also a step that was begun and is done without having said so. */
async function refuseIrreversible(steps: readonly RollbackStep[], before: JournalState, facts: ReadonlyMap<string, StepFacts>, journal: Journal, signal: AbortSignal): Promise<void> {
  for (const step of steps) {
    const { begun, done, undo } = stepIn(before, step.id);
    if (step.irreversible === undefined || !begun || undo === "done") continue;
    const run = runOf(step, new Map(facts), journal, signal);
    if (done === undefined && !(await step.isDone(run))) continue;
    throw new HoldfastError("refused", `${journal.id} can no longer be aborted: "${step.title}" is done, and ${step.irreversible}`, {
      hints: [`Nothing was taken back. Go on with \`holdfast rollback resume ${journal.id}\`.`],
      details: { rollback: journal.id, step: step.id },
    });
  }
}
