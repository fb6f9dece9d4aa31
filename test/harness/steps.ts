/** Runs of single steps, with what a journal would remember of the steps before. */
import type { RollbackStep, StepFacts, StepRun } from "../../src/rollback/step.ts";

export interface StepBench extends StepRun {
  readonly facts: Map<string, StepFacts>;
  /** As a run would hand it to this step. */
  of(step: RollbackStep): StepRun;
  /** One after the other. @returns what the last has left */
  perform(...steps: RollbackStep[]): Promise<StepFacts>;
  /** The last first. @returns what the first has left */
  undo(...steps: RollbackStep[]): Promise<StepFacts>;
}

export function stepBench(signal: AbortSignal = new AbortController().signal): StepBench {
  const facts = new Map<string, StepFacts>();
  const note = (id: string, noted: StepFacts): void => { facts.set(id, { ...facts.get(id), ...noted }); };
  const of = ({ id }: RollbackStep): StepRun => ({ signal, facts, begin: (noted) => { note(id, noted); return Promise.resolve(); } });
  return {
    signal, facts, of,
    begin: () => Promise.resolve(),
    perform: async (...steps) => {
      let left: StepFacts = {};
      for (const step of steps) note(step.id, left = await step.perform(of(step)));
      return left;
    },
    undo: async (...steps) => {
      let left: StepFacts = {};
      for (const step of steps.toReversed()) {
        // As a run does: a step that only waits has nothing to take back.
        if (step.undo !== undefined) left = await step.undo(of(step));
      }
      return left;
    },
  };
}
