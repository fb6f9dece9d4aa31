/** Who agreed to what, before anything is touched. */
import { HoldfastError } from "../../errors.ts";
import { shellWord } from "../../process/shell-word.ts";
import type { Runbook, RunbookStep } from "../../rollback/runbook/runbook.ts";
import type { RollbackStep } from "../../rollback/step.ts";

/** What the operator is asked, where somebody sits at a terminal. */
export interface RunbookQuestions {
  /** Shows the checklist. @returns what was typed; the id of the runbook agrees to it */
  readonly runbook: (shown: { readonly confirm: string; readonly checklist: string }) => Promise<string>;
  /** Shows a step that wants to be confirmed, or that a person does. @returns what was typed; the id of the step agrees to it, or says that it is done */
  readonly step: (shown: { readonly confirm: string; readonly title: string; readonly text: string }) => Promise<string>;
}

export interface GoAhead {
  /** The id of the runbook, as it was typed. */
  readonly confirm?: string | undefined;
  /** Ids of steps that were agreed to beforehand; of what a person does, that it is done. */
  readonly yesSteps: readonly string[];
  readonly ask?: RunbookQuestions | undefined;
}

const wantsConfirmation = ({ confirm, manual }: RunbookStep): boolean => confirm || manual !== undefined;

/** @throws HoldfastError `refused` if the runbook, or a step that nobody can be asked about, was not confirmed; `usage` */
export async function requireGoAhead(runbook: Runbook, checklist: string, { confirm, yesSteps, ask }: GoAhead): Promise<void> {
  requireKnownSteps(runbook, yesSteps);
  const open = runbook.steps.filter((step) => wantsConfirmation(step) && !yesSteps.includes(step.id)).map(({ id }) => id);
  if (open.length > 0 && ask === undefined) {
    throw new HoldfastError("refused", `${open.length === 1 ? "a step wants" : "steps want"} to be confirmed, and there is no terminal to ask at: ${open.join(", ")}`, {
      hints: [`Agree beforehand with ${open.map((id) => `--yes-step ${shellWord(id)}`).join(" ")}, or run it in a terminal.`, `\`holdfast runbook show ${shellWord(runbook.id)}\` shows what they do. Nothing was changed.`],
    });
  }
  const typed = confirm ?? (ask === undefined ? undefined : await ask.runbook({ confirm: runbook.id, checklist }));
  if (typed === runbook.id) return;
  throw new HoldfastError("refused", typed === undefined ? `the runbook ${runbook.id} was not confirmed, and there is no terminal to ask at` : `${JSON.stringify(typed)} was typed, but the runbook is ${runbook.id}`, {
    hints: [`Look at it with \`holdfast runbook show ${shellWord(runbook.id)}\`, then confirm with --confirm ${shellWord(runbook.id)}.`, "Nothing was changed."],
  });
}

function requireKnownSteps({ id, steps }: Runbook, yesSteps: readonly string[]): void {
  const unknown = yesSteps.find((each) => !steps.some((step) => step.id === each));
  if (unknown !== undefined) throw new HoldfastError("usage", `the runbook ${id} has no step ${unknown}; it has ${steps.map((step) => step.id).join(", ")}`);
}

/** Asks about single steps; undefined where nobody can be asked and none was agreed to. */
export function askAboutSteps({ yesSteps, ask }: GoAhead, shown: (step: string) => string): ((step: RollbackStep) => Promise<boolean>) | undefined {
  if (ask === undefined && yesSteps.length === 0) return undefined;
  return async ({ id, title }) => {
    if (yesSteps.includes(id)) return true;
    return ask !== undefined && (await ask.step({ confirm: id, title, text: shown(id) })) === id;
  };
}
