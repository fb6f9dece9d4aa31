/** What is asked at the terminal while a runbook is executed. */
import type { RunbookQuestions } from "../app/runbook/go-ahead.ts";
import { type Asking, askForName } from "./ask.ts";

/** @returns undefined where nobody can answer */
export function runbookQuestions(asking: Asking): RunbookQuestions | undefined {
  const runbook = askForName<Parameters<RunbookQuestions["runbook"]>[0]>(asking, ({ checklist }) => checklist);
  const step = askForName<Parameters<RunbookQuestions["step"]>[0]>(asking, ({ text }) => text);
  return runbook && step && { runbook, step };
}
