/** A runbook for a person: boxes to tick, commands to copy, and after an execution who did what, and when. */
import { shellWord } from "../../process/shell-word.ts";
import { formatInstant, printable } from "../../text/format.ts";
import type { JournalEntry } from "../journal/journal.ts";
import { commandLine } from "./check.ts";
import { fillIn } from "./placeholders.ts";
import type { Check, Command, Expectations, Runbook, RunbookStep } from "./runbook.ts";

export interface ChecklistOptions {
  /** Of the inputs as far as they are known; the others keep their places. */
  readonly inputs: ReadonlyMap<string, string>;
  /** Of an execution; none for a list that is yet to be followed. */
  readonly entries?: readonly JournalEntry[];
  /** Id of the only step to show, with the number that it has among all. */
  readonly only?: string;
}

/** Markdown with boxes. Secrets stand there by their names only. */
export function renderChecklist(runbook: Runbook, { inputs, entries = [], only }: ChecklistOptions): string {
  const values = shown(runbook, inputs);
  const lines = [
    `# ${runbook.title}`,
    "",
    `Runbook \`${runbook.id}\` · ${runbook.platform === "any" || runbook.platform === "none" ? "any platform" : runbook.platform} · ${runbook.severity} · owner: ${runbook.owner} · last reviewed ${runbook.lastReviewed}`,
    ...(runbook.introduction === "" ? [] : ["", fillIn(runbook.introduction, values)]),
    ...(runbook.inputs.size === 0 ? [] : ["", "## Inputs", "", ...[...runbook.inputs.values()].map(({ name, description, secret }) => `- \`${name}\`${secret ? " (secret)" : values.has(name) ? ` = \`${values.get(name) ?? ""}\`` : ""}: ${description}`)]),
    ...(runbook.preconditions.length === 0 ? [] : ["", "## Before you begin", "", ...runbook.preconditions.map((sentence) => `- [ ] ${fillIn(sentence, values)}`)]),
    ...runbook.steps.flatMap((step, at) => (only === undefined || step.id === only ? ["", ...stepLines(step, at + 1, values, entries)] : [])),
    ...outcome(entries),
  ];
  return printable(lines.join("\n"));
}

function shown(runbook: Runbook, inputs: ReadonlyMap<string, string>): Map<string, string> {
  const secrets = [...runbook.inputs.values()].filter(({ secret }) => secret).map(({ name }) => [name, `<${name}>`] as const);
  return new Map([...inputs, ...secrets]);
}

function stepLines(step: RunbookStep, number: number, values: ReadonlyMap<string, string>, entries: readonly JournalEntry[]): string[] {
  const own = entries.filter((entry) => "step" in entry && entry.step === step.id);
  const done = own.findLast(({ kind }) => kind === "step-done" || kind === "undo-done")?.kind === "step-done";
  const facts: readonly (readonly [string, readonly string[]])[] = [
    ["Before it must hold", step.before.map((check) => checkLine(check, values))],
    ["Afterwards must hold", step.after.map((check) => checkLine(check, values))],
  ];
  return [
    `## ${number}. [${done ? "x" : " "}] ${fillIn(step.title, values)}`,
    "",
    fillIn(step.prose, values),
    ...(step.manual === undefined ? [] : ["", `By hand: ${fillIn(step.manual, values)}`]),
    ...(step.confirm ? ["", `**Stop and think:** \`${step.id}\` asks before it is done.`] : []),
    ...facts.slice(0, 1).flatMap(factLines),
    ...commandLines(step.run, values),
    ...facts.slice(1).flatMap(factLines),
    ...undoLines(step, values),
    ...(own.length === 0 ? [] : ["", ...own.flatMap((entry) => recordLine(entry))]),
  ];
}

const factLines = ([title, checks]: readonly [string, readonly string[]]): string[] => (checks.length === 0 ? [] : ["", `${title}:`, "", ...checks.map((check) => `- [ ] ${check}`)]);

/** The command as it is typed: quoted for a shell, with its variables and its input around it. */
function commandLines(commands: readonly Command[], values: ReadonlyMap<string, string>): string[] {
  if (commands.length === 0) return [];
  const lines = commands.flatMap((command) => typed(command, values));
  const fence = "`".repeat(Math.max(3, ...lines.flatMap((line) => line.match(/`+/g) ?? []).map((run) => run.length + 1)));
  return ["", `${fence}sh`, ...lines, fence];
}

function typed(command: Command, values: ReadonlyMap<string, string>): string[] {
  const env = Object.entries(command.env).map(([name, value]) => `${name}=${shellWord(fillIn(value, values))} `).join("");
  const line = `${env}${commandLine(command, values)}`;
  const redirected = command.output === undefined ? line : `${line} > ${shellWord(fillIn(command.output, values))}`;
  if (command.stdin === undefined) return [redirected];
  return [`${redirected} <<'END'`, ...fillIn(command.stdin, values).trimEnd().split("\n"), "END"];
}

/** On one line, for a list. */
function inline(command: Command, values: ReadonlyMap<string, string>): string {
  const said = command.stdin === undefined ? "" : ` <<< ${shellWord(fillIn(command.stdin, values).trim().replace(/\s*\n\s*/g, " "))}`;
  const code = `${commandLine(command, values)}${said}`;
  const ticks = code.includes("`") ? "``" : "`";
  return `${ticks}${code}${ticks}`;
}

function checkLine(check: Check, values: ReadonlyMap<string, string>): string {
  const patience = [check.times > 1 ? `${check.times} times in a row` : "", check.withinMs > 0 ? `within ${check.withinMs / 1000} s` : ""].filter((part) => part !== "").join(", ");
  const told = check.kind === "http"
    ? [`\`GET ${fillIn(check.url, values)}\` answers with ${check.status}`, ...expected(check.expect, values)]
    : [`${inline(check.command, values)} ${check.exit === 0 ? "succeeds" : `exits with ${check.exit}`}`, ...answer(check, values), ...expected(check.json, values)];
  return `${told.join(", ")}${patience === "" ? "" : ` (${patience})`}`;
}

function answer({ stdout: { equals, matches, contains, same } }: Extract<Check, { kind: "command" }>, values: ReadonlyMap<string, string>): string[] {
  return [
    ...(equals === undefined ? [] : [equals === "" ? "says nothing" : `says \`${fillIn(equals, values)}\``]),
    ...(matches === undefined ? [] : [`says something that matches \`${matches.source}\``]),
    ...(contains === undefined ? [] : [`says \`${fillIn(contains, values)}\` somewhere`]),
    ...(same === undefined ? [] : [`says the same as ${inline(same, values)}`]),
  ];
}

const expected = (expectations: Expectations, values: ReadonlyMap<string, string>): string[] => Object.entries(expectations).map(([path, value]) => `\`${path}\` is \`${typeof value === "string" ? fillIn(value, values) : String(value)}\``);

function undoLines({ undo }: RunbookStep, values: ReadonlyMap<string, string>): string[] {
  if (undo === undefined || undo.kind === "nothing") return [];
  if (undo.kind === "impossible") return ["", `There is no way back: ${fillIn(undo.reason, values)}.`];
  return ["", "To take it back:", ...commandLines(undo.commands, values)];
}

const words: Partial<Record<JournalEntry["kind"], string>> = { "step-begun": "begun", "step-done": "done", "step-failed": "failed", "undo-begun": "taking it back", "undo-done": "taken back", "undo-failed": "could not be taken back" };

function recordLine(entry: JournalEntry): string[] {
  const word = words[entry.kind];
  if (word === undefined) return [];
  const { operator, user, host } = entry.by;
  const how = "message" in entry ? `: ${entry.message.replace(/\s*\n\s*/g, "; ")}` : entry.kind === "step-done" && entry.found ? ", found done after an interruption" : "";
  return [`> ${formatInstant(entry.at)} ${word} by ${operator ?? user}@${host}${how}`];
}

function outcome(entries: readonly JournalEntry[]): string[] {
  const end = entries.findLast((entry) => entry.kind === "ended");
  if (end === undefined) return [];
  return ["", "## Outcome", "", `${formatInstant(end.at)}: ${end.outcome}${end.message === "" ? "" : `. ${end.message}`}`];
}
