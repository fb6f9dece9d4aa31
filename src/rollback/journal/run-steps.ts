/**
 * The loop that runs the steps of a rollback, first or again. What the journal calls done is not done again; what was begun
 * and not said to have ended is looked for in the outside world first.
 */
import { HoldfastError, throwIfCancelled } from "../../errors.ts";
import { type Clock, type Reporter, runStep } from "../../ports.ts";
import { formatSeconds } from "../../text/format.ts";
import type { RollbackStep, StepFacts, StepRun } from "../step.ts";
import type { Journal } from "./journal.ts";
import { stateOf, stepIn } from "./state.ts";
import { codeOf, messageFor, noteFailure, reasonFor, requireSamePlan, stopped } from "./stopping.ts";

export interface StepsOptions {
  readonly reporter: Reporter;
  /** Aborted by the person, or when the lock that keeps the run alone is lost. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
}

export interface RunOptions extends StepsOptions {
  /** Whether to go on with a step that wants to be confirmed; without it such a step is refused. */
  readonly ask?: ((step: RollbackStep) => Promise<boolean>) | undefined;
}

/**
 * Runs the steps that are not done yet, in order; once in the life of a process. The caller holds the lock, and says in the
 * journal how it all ended.
 * @returns what every step left, by id
 * @throws HoldfastError what stopped it, with the steps done and to do in its details and what to run next in its hints;
 * `refused` if the rollback is over, being aborted, or of another plan
 */
export async function runSteps(steps: readonly RollbackStep[], journal: Journal, options: RunOptions): Promise<ReadonlyMap<string, StepFacts>> {
  const { reporter, signal } = options;
  const before = requireSamePlan(steps, journal);
  if (before.aborting) {
    throw new HoldfastError("refused", `${journal.id} is being aborted: what is taken back is not done again`, { hints: [`Finish that with \`holdfast rollback abort ${journal.id}\`, and make a new plan.`] });
  }
  reporter.emit({ type: "plan", steps: steps.map(({ id, title }) => ({ id, title })) });
  if (journal.entries.length > 0) await journal.append({ kind: "resumed" });
  const facts = new Map(before.facts);
  for (const step of steps) {
    const { begun, done } = stepIn(before, step.id);
    if (done) {
      reporter.emit({ type: "step-skipped", step: step.id, why: `done at ${done.at}` });
      continue;
    }
    try {
      throwIfCancelled(signal);
      await runOne(step, begun, facts, journal, options);
    } catch (thrown) {
      const error = await reasonFor(thrown, signal);
      if (stepIn(stateOf(journal.entries), step.id).begun) await noteFailure(journal, { kind: "step-failed", step: step.id, code: codeOf(error), message: messageFor(error) }, reporter);
      throw stopped(error, step, steps, journal, reporter);
    }
  }
  return facts;
}

async function runOne(step: RollbackStep, begun: boolean, facts: Map<string, StepFacts>, journal: Journal, { reporter, signal, clock, ask }: RunOptions): Promise<void> {
  const run = runOf(step, facts, journal, signal);
  const found = begun && (await step.isDone(run));
  if (!found && step.confirm === true) await requireConfirmation(step, ask);
  const started = clock.now().getTime();
  await runStep(
    reporter,
    step.id,
    async () => {
      if (!found) {
        await journal.append({ kind: "step-begun", step: step.id });
        const left = await step.perform(run);
        if (Object.keys(left).length > 0) facts.set(step.id, { ...facts.get(step.id), ...left });
      }
      await journal.append({ kind: "step-done", step: step.id, facts: facts.get(step.id) ?? {}, found });
    },
    () => (found ? "had been done before the run was ended" : formatSeconds((clock.now().getTime() - started) / 1000)),
  );
}

/** What a step gets to work with. Notes of its own are among the facts as soon as they are in the journal. */
export function runOf({ id }: RollbackStep, facts: Map<string, StepFacts>, journal: Journal, signal: AbortSignal): StepRun {
  return {
    signal,
    facts,
    begin: async (noted) => {
      await journal.append({ kind: "step-noted", step: id, facts: noted });
      facts.set(id, { ...facts.get(id), ...noted });
    },
  };
}

async function requireConfirmation(step: RollbackStep, ask: RunOptions["ask"]): Promise<void> {
  if (ask === undefined) throw new HoldfastError("refused", `the step "${step.title}" has to be confirmed, and nobody can be asked here`, { hints: ["Run it in a terminal, or confirm the steps beforehand with the command's own flag."] });
  if (!(await ask(step))) throw new HoldfastError("refused", `the step "${step.title}" was not confirmed`);
}
