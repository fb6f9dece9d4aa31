/**
 * What a rollback is made of. A step is described by the plan alone, so that a run which was killed can make the same
 * steps again; whether one was done is asked of the outside world, so that none is done twice.
 */
export interface RollbackStep {
  /** Stable within its plan: `maintenance-on`, `swap`, `start-previous`… Stands in the journal. */
  readonly id: string;
  /** In words, as it is shown: "stop the writers: app, worker". */
  readonly title: string;
  /**
   * Whether the step's effect is there. Asked only when the journal says that the step was begun and not that it ended:
   * the run was killed in between.
   */
  isDone(run: StepRun): Promise<boolean>;
  /**
   * Does it. Where it was begun and is not done, what is half done is first brought back or taken up by the step itself.
   * @returns what is worth knowing afterwards, for the journal: names, ids, numbers; never a secret
   */
  perform(run: StepRun): Promise<StepFacts>;
  /** Takes the effect back, for `rollback abort`; absent where nothing has to be, or can be. Must be safe to call again. */
  undo?(run: StepRun): Promise<StepFacts>;
  /** Why what the step did cannot be taken back, as a clause for the refusal of an abort; absent where it can, or nothing has to be. */
  readonly irreversible?: string;
  /** Whether the run asks the person before it. Runbooks set it. */
  readonly confirm?: boolean;
}

/** Names, ids and numbers that a step leaves in the journal. */
export type StepFacts = Readonly<Record<string, string | number | boolean | null>>;

export interface StepRun {
  readonly signal: AbortSignal;
  /** What the steps before it left, by step id; of its own, what {@link begin} noted. */
  readonly facts: ReadonlyMap<string, StepFacts>;
  /**
   * Notes what the step is about to do (the name it will make) where it must survive a kill: it is on disk when this resolves,
   * and merged with what `perform` returns.
   */
  begin(facts: StepFacts): Promise<void>;
}
