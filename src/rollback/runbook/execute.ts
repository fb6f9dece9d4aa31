/** A runbook's commands as processes: placeholders filled in, nothing through a shell, and of their output the last lines only. */
import { writeFile } from "node:fs/promises";
import { pipeline } from "node:stream/promises";

import { throwIfCancelled } from "../../errors.ts";
import { redact } from "../../process/redact.ts";
import { type CommandLine, runTool, startTool } from "../../process/run.ts";
import { printable } from "../../text/format.ts";
import { fillIn } from "./placeholders.ts";
import type { Command } from "./runbook.ts";

/** What stands behind the program that a runbook names: `holdfast` is this very holdfast, `psql` the one that fits the server. */
export interface Program {
  readonly command: CommandLine;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** It writes rows, which are shown to nobody. */
  readonly writesRows: boolean;
}

export interface Programs {
  /** @param name - as the runbook writes it */
  find(name: string): Promise<Program>;
}

export interface Execution {
  readonly programs: Programs;
  readonly inputs: ReadonlyMap<string, string>;
  readonly signal: AbortSignal;
}

export interface Written {
  readonly stdout: string;
  readonly writesRows: boolean;
}

const shownLines = 60;

/**
 * Runs one command, or several joined by pipes, each of which must exit with 0.
 * @throws ToolFailure; the cancellation
 */
export async function runCommand(command: Command, execution: Execution): Promise<Written> {
  const { inputs, programs, signal } = execution;
  const fill = (text: string): string => fillIn(text, inputs);
  const members = await Promise.all(command.argv.map(async ([name, ...args]) => ({ program: await programs.find(name), args: args.map(fill) })));
  const env = Object.fromEntries(Object.entries(command.env).map(([name, value]) => [name, fill(value)]));
  const input = command.stdin === undefined ? undefined : fill(command.stdin);
  const options = (program: Program) => ({ env: { ...program.env, ...env }, signal, ...(command.timeoutMs !== undefined && { timeout: command.timeoutMs }) });
  throwIfCancelled(signal);
  const [first, ...others] = members;
  if (first === undefined) return { stdout: "", writesRows: false };
  const stdout = others.length === 0
    ? (await runTool(first.program.command, first.args, { ...options(first.program), ...(input !== undefined && { input }) })).stdout
    : await runPipe(members.map(({ program, args }) => () => startTool(program.command, args, options(program))), input ?? "");
  if (command.output !== undefined) await writeFile(fill(command.output), stdout, { mode: 0o600 });
  return { stdout, writesRows: members.some(({ program }) => program.writesRows) };
}

/** The status of each counts: one that dies half-way ends the others, and what the last one had to say is no result. */
async function runPipe(starts: readonly (() => ReturnType<typeof startTool>)[], input: string): Promise<string> {
  const tools = starts.map((start) => start());
  const chunks: Buffer[] = [];
  const flows = tools.map(async (tool, at) => {
    const next = tools[at + 1];
    if (next) await pipeline(tool.stdout, next.stdin);
    else for await (const chunk of tool.stdout) chunks.push(chunk as Buffer);
  });
  tools[0]?.stdin.on("error", () => undefined).end(input);
  const ends = await Promise.allSettled([...tools.map(({ done }) => done.catch((error: unknown) => { for (const other of tools) other.kill(); throw error; })), ...flows]);
  const failed = ends.find((end) => end.status === "rejected");
  if (failed) throw failed.reason instanceof Error ? failed.reason : new Error(String(failed.reason));
  return Buffer.concat(chunks).toString("utf8");
}

/** What may be shown of it: its last lines, without secrets; nothing of what may be rows. */
export function lastLines({ stdout, writesRows }: Written): string {
  if (writesRows) return "";
  return redact(printable(stdout).trim().split("\n").slice(-shownLines).join("\n"));
}
