/**
 * The road of every external tool: with an argument array, never through a shell, with an environment that we chose,
 * and with its exit status as part of its result. Only this room imports execa; group.ts runs what is no tool of ours.
 */
import { execa, ExecaError } from "execa";
import type { Readable, Writable } from "node:stream";

import { cancelled, throwIfCancelled } from "../errors.ts";
import { redact } from "./redact.ts";
import { withoutRowValues } from "./row-values.ts";

/** A program and the arguments that always come first: `["docker", "exec", "-i", "db", "pg_dump"]`. */
export type CommandLine = readonly [program: string, ...args: string[]];

export interface RunOptions {
  /** Added to the base environment; secrets go here, never into the arguments. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly input?: string;
  readonly signal?: AbortSignal;
  /** Milliseconds until the tool is ended. */
  readonly timeout?: number;
  /** User and group to run as (numeric), where the tool refuses root. */
  readonly user?: { readonly uid: number; readonly gid: number };
  readonly cwd?: string;
}

export interface RunResult {
  readonly stdout: string;
  /** The end of it, as it was written: it may hold secrets and rows. */
  readonly stderr: string;
}

/** A tool that is running, with its streams. Await `done` as well as the streams: a tool may die after half its output. */
export interface RunningTool {
  readonly pid: number | undefined;
  readonly stdin: Writable;
  /** Kept whole until it is asked for; whoever asks starts to read at once. */
  readonly stdout: Readable;
  /** Resolves when the tool exited with 0; rejects with a {@link ToolFailure} or the cancellation. */
  readonly done: Promise<void>;
  /** The last lines of stderr so far, redacted. */
  stderr(): string;
  kill(signal?: NodeJS.Signals): void;
}

/** An external tool that could not be started, exited with a non-zero status or was ended by a signal. */
export class ToolFailure extends Error {
  override readonly name = "ToolFailure";
  readonly tool: string;
  readonly exitCode: number | undefined;
  readonly signalName: string | undefined;
  /** The last lines that it wrote to stderr, without secrets and row values. */
  readonly lastLines: string;
  /** True if the program does not exist or may not be executed. */
  readonly missing: boolean;
  readonly timedOut: boolean;

  constructor(tool: string, error: Pick<ExecaError, "timedOut" | "signal" | "exitCode" | "code" | "shortMessage">, lastLines: string) {
    const how = error.timedOut
      ? "did not answer in time"
      : error.signal !== undefined
        ? `was ended by ${error.signal}`
        : error.exitCode !== undefined
          ? `exited with ${error.exitCode}`
          : `could not be run (${error.code ?? error.shortMessage})`;
    super(`${tool} ${how}${lastLines === "" ? "" : `: ${lastLines}`}`);
    this.tool = tool;
    this.exitCode = error.exitCode;
    this.signalName = error.signal;
    this.lastLines = lastLines;
    this.missing = error.code === "ENOENT" || error.code === "EACCES";
    this.timedOut = error.timedOut;
  }
}

/** What a child needs of our environment; everything else, our own secrets first of all, stays here. */
const passedOn =
  /^(?:PATH|HOME|USER|LOGNAME|TMPDIR|TZ|LANG|LC_[A-Z]+|(?:DOCKER|COMPOSE|CONTAINER|XDG)_[A-Z_]+|KUBECONFIG|KRB5CCNAME|KRB5_CONFIG|SSH_AUTH_SOCK|LD_LIBRARY_PATH|HOMEBREW_PREFIX|SYSTEMROOT)$/;

/** The environment of a child: the base and what the caller adds. */
export function childEnvironment(extra: RunOptions["env"]): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries({ ...process.env, ...extra })) {
    const ours = extra !== undefined && name in extra;
    if (value !== undefined && (ours || passedOn.test(name))) env[name] = value;
  }
  return inEnglish(env);
}

/** Tools keep the operator's characters but speak English: what they say is searched for words, and cleared of rows by its labels. */
function inEnglish({ LC_ALL: all, ...env }: Record<string, string>): Record<string, string> {
  return { ...env, ...(all !== undefined && all !== "" && { LC_CTYPE: all }), LC_MESSAGES: "C" };
}

const keptStderr = 64 * 1024;
const shownLines = 12;

/** The end of what a tool writes to stderr; a tool that never stops complaining fills no memory. */
class StderrTail {
  #text = "";
  #cut = false;

  listenTo(stream: Readable): void {
    stream.setEncoding("utf8").on("data", (text: string) => {
      this.#text += text;
      if (this.#text.length <= keptStderr) return;
      this.#text = this.#text.slice(-keptStderr);
      this.#cut = true;
    });
  }

  /** As it was written; to be shown to nobody. */
  get raw(): string {
    return this.#text;
  }

  lastLines(): string {
    return redact(withoutRowValues(this.#text, this.#cut).trim().split("\n").slice(-shownLines).join("\n"));
  }
}

function execaOptions(options: RunOptions) {
  return {
    env: childEnvironment(options.env),
    extendEnv: false,
    stripFinalNewline: false,
    forceKillAfterDelay: 3_000,
    ...(options.signal && { cancelSignal: options.signal }),
    ...(options.timeout !== undefined && { timeout: options.timeout }),
    ...(options.user && options.user),
    ...(options.cwd !== undefined && { cwd: options.cwd }),
  } as const;
}

function failure(command: CommandLine, error: unknown, stderr: StderrTail, signal: AbortSignal | undefined): Error {
  if (signal?.aborted === true) return cancelled(signal);
  if (!(error instanceof ExecaError)) return error instanceof Error ? error : new Error(String(error));
  return new ToolFailure(toolName(command), error, stderr.lastLines());
}

/** The tool's own name, also when it runs inside a container. */
function toolName(command: CommandLine): string {
  const own = command.slice(1).find((argument) => /(?:^|\/)(?:pg_\w+|psql)$/.test(argument));
  return (own ?? command[0]).split("/").at(-1) ?? command[0];
}

/**
 * Runs a tool to its end and collects what it wrote.
 * @throws ToolFailure when it cannot be started or does not exit with 0; the cancellation when `signal` aborts
 */
export async function runTool(command: CommandLine, args: readonly string[] = [], options: RunOptions = {}): Promise<RunResult> {
  const [program, ...first] = command;
  throwIfCancelled(options.signal);
  const stderr = new StderrTail();
  try {
    const child = execa(program, [...first, ...args], {
      ...execaOptions(options),
      buffer: { stdout: true, stderr: false },
      ...(options.input === undefined ? { stdin: "ignore" as const } : { input: options.input }),
    });
    stderr.listenTo(child.stderr);
    leaveOrphans(child.nodeChildProcess, (name) => endedBy(name, [program, ...first, ...args], stderr, options.signal));
    const { stdout } = await child;
    return { stdout, stderr: stderr.raw };
  } catch (error) {
    throw failure([program, ...first, ...args], error, stderr, options.signal);
  }
}

const orphanGraceMs = 500;

/** What we need of Node's own handle of a process. */
interface Child {
  readonly stdout: Readable | null;
  readonly stderr: Readable | null;
  once(event: "exit", listener: (code: number | null, signal: NodeJS.Signals | null) => void): unknown;
  once(event: "close", listener: () => void): unknown;
}

/**
 * A tool that a signal ended may leave children behind that keep its output open, and it would be waited for as long as
 * they live. What they still write belongs to nobody.
 */
function leaveOrphans(child: Child, ended: (signal: NodeJS.Signals) => Error): void {
  child.once("exit", (_code, signal) => {
    if (signal === null) return;
    const patience = setTimeout(() => {
      for (const stream of [child.stdout, child.stderr]) stream?.on("error", () => undefined).destroy(ended(signal));
    }, orphanGraceMs);
    child.once("close", () => { clearTimeout(patience); });
  });
}

function endedBy(signal: NodeJS.Signals, command: CommandLine, stderr: StderrTail, abort: AbortSignal | undefined): Error {
  if (abort?.aborted === true) return cancelled(abort);
  return new ToolFailure(toolName(command), { timedOut: false, signal, shortMessage: signal }, stderr.lastLines());
}

/** Starts a tool whose input and output are streamed, not collected. */
export function startTool(command: CommandLine, args: readonly string[] = [], options: Omit<RunOptions, "input"> = {}): RunningTool {
  const [program, ...first] = command;
  const child = execa(program, [...first, ...args], { ...execaOptions(options), buffer: false, stdin: "pipe", stdout: "pipe", stderr: "pipe" });
  // Without a listener, execa (at the next turn of the event loop) and Node (when the tool exits) let output flow away unread.
  const keep = (): void => undefined;
  child.stdout.on("readable", keep);
  const stderr = new StderrTail();
  stderr.listenTo(child.stderr);
  leaveOrphans(child.nodeChildProcess, (name) => endedBy(name, [program, ...first, ...args], stderr, options.signal));
  const done = child.then(
    () => undefined,
    (error: unknown) => {
      throw failure([program, ...first, ...args], error, stderr, options.signal);
    },
  );
  // Whoever consumes the stream awaits `done` later; until then its rejection is not an unhandled one.
  done.catch(() => undefined);
  return {
    pid: child.pid,
    stdin: child.stdin,
    get stdout() {
      child.stdout.off("readable", keep);
      return child.stdout;
    },
    done,
    stderr: () => stderr.lastLines(),
    kill: (name) => child.kill(name),
  };
}
