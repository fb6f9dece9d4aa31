/** What makes a runbook fail at three in the morning, found while there is time. */
import { nearest } from "../../config/nearest.ts";
import { brokenRule } from "./inputs.ts";
import { commandProblems } from "./lint-commands.ts";
import { parseRunbook } from "./parse.ts";
import { loosePlaceholdersOf, placeholdersOf } from "./placeholders.ts";
import type { Check, Command, Problem, Runbook, RunbookStep } from "./runbook.ts";

export interface CheckedRunbook {
  readonly runbook: Runbook | undefined;
  /** In the order of their lines. */
  readonly problems: readonly Problem[];
}

const reviewedWithinDays = 180;

/** Parses and judges. A runbook with an error is not executed. */
export function checkRunbook(source: string, now: Date): CheckedRunbook {
  const { runbook, problems } = parseRunbook(source);
  const found = [...problems];
  if (runbook) found.push(...reviewProblems(runbook, now), ...stepProblems(runbook), ...inputProblems(runbook, problems.length > 0), ...defaultProblems(runbook), ...runbook.steps.flatMap((step) => commandProblems(runbook, step)));
  return { runbook, problems: found.sort((a, b) => a.line - b.line) };
}

export const errorsOf = (problems: readonly Problem[]): Problem[] => problems.filter(({ severity }) => severity === "error");

function reviewProblems(runbook: Runbook, now: Date): Problem[] {
  const line = runbook.lineOf(["lastReviewed"]);
  const days = Math.floor((now.getTime() - Date.parse(runbook.lastReviewed)) / 86_400_000);
  if (days < -1) return [{ line, severity: "error", rule: "reviewed", message: `it was last reviewed on ${runbook.lastReviewed}, which is in the future` }];
  if (days > reviewedWithinDays) return [{ line, severity: "warning", rule: "reviewed", message: `it was last reviewed ${days} days ago; every ${reviewedWithinDays} days somebody should` }];
  return [];
}

function stepProblems({ steps }: Runbook): Problem[] {
  const seen = new Map<string, RunbookStep>();
  return steps.flatMap((step) => {
    const problems: Problem[] = [];
    const say = (rule: string, message: string, path: readonly PropertyKey[] = []): void => { problems.push({ line: path.length === 0 ? step.line : step.lineOf(path), severity: "error", rule, message: `step ${step.id}: ${message}` }); };
    const twin = seen.get(step.id);
    if (twin) say("duplicate-step", `its id is that of the step on line ${twin.line} too`, ["id"]);
    seen.set(step.id, step);
    if (step.prose === "") say("no-prose", "it says nothing to the person who reads it");
    if (step.after.length === 0 && step.repeatable === undefined) {
      if (step.manual === undefined) say("no-check", "nothing is checked after it");
      say("not-resumable", "after a kill nothing could tell whether it was done: give it an `after` that can, or say with `repeatable` why it does no harm to do it again");
    } else if (step.after.length === 0 && !step.run.every(checksItself)) {
      say("no-check", "nothing is checked after it");
    }
    if (step.run.length > 1 && step.run.some(({ output }) => output !== undefined)) say("output", "each of its commands would write over the output of the one before: give it one command, or a pipe", ["output"]);
    for (const when of ["before", "after"] as const) {
      for (const [n, { times, everyMs, withinMs }] of step[when].entries()) {
        if (withinMs > 0 && (times - 1) * everyMs > withinMs) say("patience", `${times} times in a row, ${everyMs / 1000} s apart, do not fit into ${withinMs / 1000} s: the check could never hold`, [when, n]);
      }
    }
    if (step.undo === undefined) say("no-undo", "it does not say how it is undone: a command, { none: REASON }, or the word nothing");
    return problems;
  });
}

/** Commands of holdfast that change nothing: what they find is their exit code. */
const holdfastChecks = /^(?:backup (?:verify|list|show)|restore .*--dry-run|keys check|audit (?:verify|show)|repository check|config (?:show|validate)|doctor|status|checkpoint (?:list|show)|rollback plan|drill (?:list|show))\b/;

function checksItself({ argv: [words] }: Command): boolean {
  const [program, ...args] = words;
  return program === "holdfast" && !args.includes("--repair") && holdfastChecks.test(args.join(" "));
}

/** Every text of a step that may have places for inputs, by where it stands. */
export function textsOf(step: RunbookStep): { readonly path: readonly PropertyKey[]; readonly text: string }[] {
  const ofCommand = (path: readonly PropertyKey[], { argv, stdin, env, output }: Command) => [
    ...argv.flatMap((words) => words.map((text) => ({ path, text }))),
    ...Object.values(env).map((text) => ({ path, text })),
    ...[stdin, output].flatMap((text) => (text === undefined ? [] : [{ path, text }])),
  ];
  const ofCheck = (path: readonly PropertyKey[], check: Check) => {
    const values = (check.kind === "http" ? [check.url, ...Object.values(check.expect)] : [check.stdout.equals, check.stdout.contains, ...Object.values(check.json)]).flatMap((value) => (typeof value === "string" ? [{ path, text: value }] : []));
    if (check.kind === "http") return values;
    return [...values, ...ofCommand(path, check.command), ...(check.stdout.same ? ofCommand(path, check.stdout.same) : [])];
  };
  return [
    ...step.run.flatMap((command) => ofCommand(["run"], command)),
    ...step.before.flatMap((check, n) => ofCheck(["before", n], check)),
    ...step.after.flatMap((check, n) => ofCheck(["after", n], check)),
    ...(step.undo?.kind === "commands" ? step.undo.commands.flatMap((command) => ofCommand(["undo"], command)) : []),
    ...(step.manual === undefined ? [] : [{ path: ["manual"], text: step.manual }]),
  ];
}

/** A default that its own rule refuses would stop whoever relies on it. */
function defaultProblems(runbook: Runbook): Problem[] {
  return [...runbook.inputs.values()].flatMap((definition): Problem[] => {
    const broken = definition.default === undefined ? undefined : brokenRule(definition, definition.default);
    return broken === undefined ? [] : [{ line: runbook.lineOf(["inputs", definition.name, "default"]), severity: "error", rule: "default", message: `the default of the input ${definition.name} ${broken}` }];
  });
}

function inputProblems(runbook: Runbook, incomplete: boolean): Problem[] {
  const known = [...runbook.inputs.keys()];
  const used = new Set<string>();
  const unknown = (name: string, line: number, where: string): Problem[] => {
    used.add(name);
    if (known.includes(name)) return [];
    const meant = nearest(name, known);
    return [{ line, severity: "error", rule: "unknown-input", message: `${where}: there is no input ${name}${meant === undefined ? "" : `; did you mean ${meant}?`}` }];
  };
  const problems = runbook.steps.flatMap((step) => [
    ...textsOf(step).flatMap(({ path, text }) => placeholdersOf(text).flatMap((name) => unknown(name, step.lineOf(path), `step ${step.id}`))),
    ...textsOf(step).flatMap(({ path, text }) => loosePlaceholdersOf(text).map((name): Problem => ({ line: step.lineOf(path), severity: "error", rule: "placeholder", message: `step ${step.id}: {{ ${name} }} is left as it is: an input is written without blanks, {{${name}}}` }))),
    ...[step.title, step.prose].flatMap(placeholdersOf).flatMap((name) => unknown(name, step.line, `step ${step.id}`)),
    ...(step.undo?.kind === "impossible" ? placeholdersOf(step.undo.reason).flatMap((name) => unknown(name, step.lineOf(["undo"]), `step ${step.id}`)) : []),
  ]);
  problems.push(...runbook.preconditions.flatMap((sentence, n) => placeholdersOf(sentence).flatMap((name) => unknown(name, runbook.lineOf(["preconditions", n]), "the preconditions"))));
  problems.push(...placeholdersOf(runbook.introduction).flatMap((name) => unknown(name, 1, "the introduction")));
  // A step that could not be read may be the one that uses it.
  if (!incomplete) for (const name of runbook.inputs.keys()) if (!used.has(name)) problems.push({ line: runbook.lineOf(["inputs", name]), severity: "error", rule: "unused-input", message: `the input ${name} is never used` });
  return problems.filter(({ line, message }, at) => problems.findIndex((other) => other.line === line && other.message === message) === at);
}
