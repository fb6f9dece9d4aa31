/** A runbook as steps of a rollback: the same journal, the same way to go on after a kill, the same way back. */
import { access } from "node:fs/promises";

import { HoldfastError } from "../../errors.ts";
import { ToolFailure } from "../../process/run.ts";
import { counted } from "../../text/format.ts";
import type { RollbackStep, StepFacts, StepRun } from "../step.ts";
import { describeCheck, runCheck } from "./check.ts";
import { lastLines, type Programs, runCommand, type Written } from "./execute.ts";
import { fillIn } from "./placeholders.ts";
import type { Check, Command, Runbook, RunbookStep } from "./runbook.ts";

export interface StepsOptions {
  readonly programs: Programs;
  /** Of every input, as `resolveInputs` gave them. */
  readonly inputs: ReadonlyMap<string, string>;
  /** Told the last lines of what a command had to say. */
  readonly tell: (message: string) => void;
}

/** The steps of a runbook that has no errors. */
export function stepsOfRunbook(runbook: Runbook, options: StepsOptions): RollbackStep[] {
  return runbook.steps.map((step) => stepOf(step, options));
}

function stepOf(step: RunbookStep, options: StepsOptions): RollbackStep {
  const { undo, manual } = step;
  const title = fillIn(step.title, options.inputs);
  return {
    id: step.id,
    title: manual === undefined ? title : `by hand: ${title}`,
    isDone: (run) => isDone(step, options, run),
    perform: (run) => perform(step, options, run),
    ...(undo?.kind === "commands" && { undo: (run: StepRun) => takeBack(step, undo.commands, options, run) }),
    ...(undo?.kind === "impossible" && { irreversible: undo.reason }),
    // A person who does it answers when it is done.
    confirm: step.confirm || manual !== undefined,
  };
}

/** Where nothing had been started, nothing can have been done. The checks of a step that may be repeated need not tell whether it was. */
async function isDone(step: RunbookStep, options: StepsOptions, run: StepRun): Promise<boolean> {
  if (step.after.length === 0 || step.repeatable !== undefined || begunCommand(step, run) === undefined) return false;
  return (await firstFailure(step.after, options, run)) === undefined;
}

/** The number, from 1, of the command that was under way when an earlier run ended. */
function begunCommand(step: RunbookStep, run: StepRun): number | undefined {
  const noted = run.facts.get(step.id)?.["command"];
  return typeof noted === "number" ? noted : undefined;
}

async function perform(step: RunbookStep, options: StepsOptions, run: StepRun): Promise<StepFacts> {
  const begun = begunCommand(step, run);
  // What had to hold before the first command need not hold between it and the last.
  if (begun === undefined) {
    await require(step, step.before, "before", "refused", options, run);
    await requireNewOutput(step, options);
  }
  if (step.manual !== undefined) await run.begin({ command: 1 });
  for (const [index, command] of step.run.entries()) {
    if (index + 1 < (step.repeatable === undefined ? (begun ?? 1) : 1)) continue;
    await run.begin({ command: index + 1 });
    await execute(step, command, options, run, "step");
  }
  await require(step, step.after, "after", "rollback-failed", options, run);
  return { commands: step.run.length, checks: step.before.length + step.after.length };
}

/** What lies there is somebody's; only what this very step began to write is written anew. */
async function requireNewOutput({ id, run }: RunbookStep, { inputs }: StepsOptions): Promise<void> {
  for (const { output } of run) {
    if (output === undefined) continue;
    const file = fillIn(output, inputs);
    if (await access(file).then(() => true, () => false)) throw new HoldfastError("refused", `step ${id}: its output ${file} is there already, and is not overwritten`, { hints: ["Move that file away."] });
  }
}

async function takeBack(step: RunbookStep, commands: readonly Command[], options: StepsOptions, run: StepRun): Promise<StepFacts> {
  for (const command of commands) await execute(step, command, options, run, "undo of step");
  return { commands: commands.length };
}

async function execute(step: RunbookStep, command: Command, { programs, inputs, tell }: StepsOptions, { signal }: StepRun, what: string): Promise<void> {
  let written: Written;
  try {
    written = await runCommand(command, { programs, inputs, signal });
  } catch (error) {
    if (!(error instanceof ToolFailure)) throw error;
    throw new HoldfastError("rollback-failed", `${what} ${step.id}: ${error.message}`, { cause: error });
  }
  const said = lastLines(written);
  if (said !== "" && command.output === undefined) tell(said);
}

async function require(step: RunbookStep, checks: readonly Check[], when: "before" | "after", code: "refused" | "rollback-failed", options: StepsOptions, run: StepRun): Promise<void> {
  const failure = await firstFailure(checks, options, run);
  if (failure === undefined) return;
  const { check, why } = failure;
  throw new HoldfastError(code, `step ${step.id}: what must hold ${when} it does not (${describeCheck(check, options.inputs)}): ${why}`, {
    details: { step: step.id, checks: counted(checks.length, "check") },
  });
}

async function firstFailure(checks: readonly Check[], { programs, inputs }: StepsOptions, { signal }: StepRun): Promise<{ readonly check: Check; readonly why: string } | undefined> {
  for (const check of checks) {
    const result = await runCheck(check, { programs, inputs, signal });
    if (!result.ok) return { check, why: result.why };
  }
  return undefined;
}
