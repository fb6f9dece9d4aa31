/** What a journal says about each step, and about the whole. */
import type { StepFacts } from "../step.ts";
import type { JournalEntry } from "./journal.ts";

export interface StepState {
  /** Begun at least once. */
  readonly begun: boolean;
  /** When it was done; undefined if that is not known. `found`: by a later run, which saw that it had been. */
  readonly done: { readonly at: string; readonly found: boolean } | undefined;
  /** Why the last attempt failed; undefined if none did, or a later one was begun. */
  readonly failed: { readonly at: string; readonly code: string; readonly message: string } | undefined;
  readonly undo: "none" | "begun" | "failed" | "done";
  /** Everything that it noted and left, the last word on each name. */
  readonly facts: StepFacts;
}

export interface JournalState {
  readonly steps: ReadonlyMap<string, StepState>;
  /** What the steps left, by step; only of those that left something. */
  readonly facts: ReadonlyMap<string, StepFacts>;
  /** Steps are being taken back: none is begun any more. */
  readonly aborting: boolean;
  readonly ended: { readonly at: string; readonly outcome: "done" | "failed" | "aborted"; readonly message: string } | undefined;
}

const untouched: StepState = { begun: false, done: undefined, failed: undefined, undo: "none", facts: {} };

export function stateOf(entries: readonly JournalEntry[]): JournalState {
  const steps = new Map<string, StepState>();
  let aborting = false;
  let ended: JournalState["ended"];
  for (const entry of entries) {
    if (entry.kind === "resumed") continue;
    if (entry.kind === "aborting") aborting = true;
    else if (entry.kind === "ended") ended = { at: entry.at, outcome: entry.outcome, message: entry.message };
    else steps.set(entry.step, after(steps.get(entry.step) ?? untouched, entry));
  }
  const facts = new Map([...steps].flatMap(([id, step]) => (Object.keys(step.facts).length > 0 ? [[id, step.facts] as const] : [])));
  return { steps, facts, aborting, ended };
}

type StepEntry = Extract<JournalEntry, { step: string }>;

function after(state: StepState, entry: StepEntry): StepState {
  switch (entry.kind) {
    case "step-begun":
      return { ...state, begun: true, failed: undefined };
    case "step-noted":
      return { ...state, facts: { ...state.facts, ...entry.facts } };
    case "step-done":
      return { ...state, begun: true, done: { at: entry.at, found: entry.found }, failed: undefined, facts: { ...state.facts, ...entry.facts } };
    case "step-failed":
      return { ...state, failed: { at: entry.at, code: entry.code, message: entry.message } };
    case "undo-begun":
      return { ...state, undo: "begun" };
    case "undo-done":
      return { ...state, undo: "done", facts: { ...state.facts, ...entry.facts } };
    case "undo-failed":
      return { ...state, undo: "failed" };
  }
}

/** The state of a step, also of one that the journal does not name yet. */
export function stepIn(state: JournalState, id: string): StepState {
  return state.steps.get(id) ?? untouched;
}
