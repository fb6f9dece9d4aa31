/** Runs of single steps, with what a journal would remember of the steps before. */
import type { RollbackStep, StepFacts, StepRun } from "../../src/rollback/step.ts";

export interface StepBench extends StepRun {
  readonly facts: Map<string, StepFacts>;
  perform(step: RollbackStep): Promise<StepFacts>;
  undo(step: RollbackStep): Promise<StepFacts>;
}

export function stepBench(signal: AbortSignal = new AbortController().signal): StepBench {
  const facts = new Map<string, StepFacts>();
  const runOf = (id: string): StepRun => ({
    signal,
    facts,
    begin: (noted) => {
      facts.set(id, { ...facts.get(id), ...noted });
      return Promise.resolve();
    },
  });
  return {
    signal,
    facts,
    begin: () => Promise.resolve(),
    perform: async (step) => {
      const left = await step.perform(runOf(step.id));
      facts.set(step.id, { ...facts.get(step.id), ...left });
      return left;
    },
    undo: (step) => {
      if (step.undo === undefined) throw new Error(`${step.id} has no undo`);
      return step.undo(runOf(step.id));
    },
  };
}
