/** Whether what must hold does, asked again for as long as the check is patient. */
import { setTimeout as sleep } from "node:timers/promises";

import { cancelled, HoldfastError, messageOf, systemCodeOf, throwIfCancelled } from "../../errors.ts";
import { redact } from "../../process/redact.ts";
import { ToolFailure } from "../../process/run.ts";
import { shellWord } from "../../process/shell-word.ts";
import { type Execution, lastLines, runCommand } from "./execute.ts";
import { fillIn } from "./placeholders.ts";
import type { Check, Command, CommandCheck, Expectations, HttpCheck } from "./runbook.ts";

export type CheckResult = { readonly ok: true } | { readonly ok: false; readonly why: string };

const ok: CheckResult = { ok: true };
const no = (why: string): CheckResult => ({ ok: false, why });

/** Asks until it held so often in a row, or until its time is up. @throws the cancellation */
export async function runCheck(check: Check, execution: Execution): Promise<CheckResult> {
  const until = performance.now() + check.withinMs;
  for (let row = 0; ;) {
    const result = await (check.kind === "http" ? askHttp(check, execution) : askCommand(check, execution));
    row = result.ok ? row + 1 : 0;
    if (row >= check.times) return result;
    // Without patience a failure ends it; what held is asked again until it held often enough.
    if (performance.now() + check.everyMs > until && !(result.ok && check.withinMs === 0)) return result.ok ? no(`it held ${row} times in a row, but must hold ${check.times} times`) : result;
    await pause(check.everyMs, execution.signal);
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal });
  } catch {
    throw cancelled(signal);
  }
}

/** `docker compose … ps`: what a check asks, for a message. Its inputs are filled in; none of them is a secret. */
export function describeCheck(check: Check, inputs: ReadonlyMap<string, string>): string {
  if (check.kind === "http") return `GET ${fillIn(check.url, inputs)}`;
  return commandLine(check.command, inputs);
}

export function commandLine({ argv }: Command, inputs: ReadonlyMap<string, string>): string {
  return argv.map((words) => words.map((word) => typed(fillIn(word, inputs))).join(" ")).join(" | ");
}

/** An option is one, and needs no quotes as a value that looks like one does. */
const typed = (word: string): string => (/^-[\w./:=@%+-]*$/.test(word) ? word : shellWord(word));

/** Of an answer, so many characters are quoted. */
const longestSeen = 200;

async function askCommand(check: CommandCheck, execution: Execution): Promise<CheckResult> {
  const fill = (text: string): string => fillIn(text, execution.inputs);
  let stdout = "";
  let shown = "";
  let exit = 0;
  try {
    const written = await runCommand(check.command, execution);
    stdout = written.stdout.trim();
    shown = lastLines(written);
  } catch (error) {
    if (!(error instanceof ToolFailure) || error.exitCode === undefined) return failed(error);
    exit = error.exitCode;
    if (exit !== check.exit) return no(error.message);
  }
  if (exit !== check.exit) return no(`it exited with ${exit}, but must with ${check.exit}`);
  const seen = shown === "" ? "" : `: ${shown.length > longestSeen ? `${shown.slice(0, longestSeen)}…` : shown}`;
  const { equals, matches, contains, same } = check.stdout;
  if (equals !== undefined && stdout !== fill(equals).trim()) return no(`it does not answer ${JSON.stringify(fill(equals))}${seen}`);
  if (matches !== undefined && !matches.test(stdout)) return no(`its answer does not match ${matches.source}${seen}`);
  if (contains !== undefined && !stdout.includes(fill(contains))) return no(`its answer does not contain ${JSON.stringify(fill(contains))}${seen}`);
  if (same !== undefined) {
    try {
      if ((await runCommand(same, execution)).stdout.trim() !== stdout) return no(`its answer is not that of ${commandLine(same, execution.inputs)}`);
    } catch (error) {
      return failed(error);
    }
  }
  return Object.keys(check.json).length === 0 ? ok : askJson(stdout, check.json, fill);
}

function failed(error: unknown): CheckResult {
  if (error instanceof HoldfastError) throw error;
  return no(messageOf(error));
}

function askJson(text: string, expectations: Expectations, fill: (text: string) => string): CheckResult {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return no("its answer is no JSON");
  }
  for (const [path, given] of Object.entries(expectations)) {
    const expected = typeof given === "string" ? fill(given) : given;
    const found = valueAt(document, path);
    // What stands there instead may be anybody's name.
    if (found !== expected) return no(`${path} is ${found === undefined ? "missing" : "something else"}, but must be ${JSON.stringify(expected)}`);
  }
  return ok;
}

/** A dot that belongs to a name has a backslash before it. */
function valueAt(document: unknown, path: string): unknown {
  return path.split(/(?<!\\)\./).map((key) => key.replaceAll("\\.", ".")).reduce<unknown>((value, key) => {
    if (typeof value !== "object" || value === null) return undefined;
    return (value as Readonly<Record<string, unknown>>)[key];
  }, document);
}

async function askHttp(check: HttpCheck, { inputs, signal }: Execution): Promise<CheckResult> {
  throwIfCancelled(signal);
  const fill = (text: string): string => fillIn(text, inputs);
  try {
    const response = await fetch(fill(check.url), { signal: AbortSignal.any([signal, AbortSignal.timeout(check.timeoutMs)]), redirect: "manual" });
    const body = await response.text();
    if (response.status !== check.status) return no(`it answers with ${response.status}, but must with ${check.status}`);
    return Object.keys(check.expect).length === 0 ? ok : askJson(body, check.expect, fill);
  } catch (error) {
    throwIfCancelled(signal);
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    return no(redact(`no answer (${systemCodeOf(cause) ?? messageOf(cause)})`));
  }
}
