/** What is asked at the terminal while a runbook is executed. */
import type { RunbookQuestions } from "../app/runbook/go-ahead.ts";
import { askForName } from "./ask.ts";

/** @returns undefined where nobody can answer */
export function runbookQuestions(signal: AbortSignal, forScript: boolean): RunbookQuestions | undefined {
  const runbook = askForName<Parameters<RunbookQuestions["runbook"]>[0]>(signal, ({ checklist }) => checklist, forScript);
  const step = askForName<Parameters<RunbookQuestions["step"]>[0]>(signal, ({ text }) => text, forScript);
  return runbook && step && { runbook, step };
}
