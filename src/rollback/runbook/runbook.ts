/**
 * A runbook: Markdown that a person follows at three in the morning, and that `holdfast rollback --runbook` executes. What is
 * executed stands in the same file as what is read, so that neither grows old without the other.
 */

export const inputTypes = ["text", "integer", "boolean", "path", "url", "name", "choice"] as const;
export type InputType = (typeof inputTypes)[number];

export interface InputDefinition {
  readonly name: string;
  readonly type: InputType;
  readonly description: string;
  /** Undefined: it must be given. */
  readonly default: string | undefined;
  /** Read from a file, never shown, and allowed in `env` and `stdin` only. */
  readonly secret: boolean;
  /** What the whole value must match, beside the rule of its type. */
  readonly pattern: RegExp | undefined;
  /** Of a `choice`. */
  readonly choices: readonly string[];
}

/** Program and arguments, with `{{input}}` as parts of them; never a line for a shell. */
export type Argv = readonly [program: string, ...args: string[]];

/** One command, or several that are joined by pipes: then the status of each counts. */
export interface Command {
  readonly argv: readonly [Argv, ...Argv[]];
  readonly stdin: string | undefined;
  /** Variables beside those that every tool gets. */
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number | undefined;
  /** File that gets what the command writes to stdout, readable by its owner only. */
  readonly output: string | undefined;
}

type Scalar = string | number | boolean;

/** What must stand in a JSON document, by path in dots. */
export type Expectations = Readonly<Record<string, Scalar>>;

export interface Patience {
  /** How often in a row it must hold. */
  readonly times: number;
  /** Until when that must have been reached; 0: asked `times` times, and no more. */
  readonly withinMs: number;
  readonly everyMs: number;
}

export interface CommandCheck extends Patience {
  readonly kind: "command";
  readonly command: Command;
  readonly exit: number;
  readonly stdout: {
    readonly equals?: string | undefined;
    readonly matches?: RegExp | undefined;
    readonly contains?: string | undefined;
    /** A command that must say the same. */
    readonly same?: Command | undefined;
  };
  readonly json: Expectations;
}

export interface HttpCheck extends Patience {
  readonly kind: "http";
  readonly url: string;
  readonly status: number;
  readonly expect: Expectations;
  readonly timeoutMs: number;
}

export type Check = CommandCheck | HttpCheck;

export type Undo =
  | { readonly kind: "commands"; readonly commands: readonly Command[] }
  /** Nothing has to be taken back. */
  | { readonly kind: "nothing" }
  /** What it changes cannot be taken back: a clause. */
  | { readonly kind: "impossible"; readonly reason: string };

export interface RunbookStep {
  readonly id: string;
  readonly title: string;
  /** For the person: Markdown without the fenced block. */
  readonly prose: string;
  readonly run: readonly Command[];
  readonly before: readonly Check[];
  readonly after: readonly Check[];
  readonly undo: Undo | undefined;
  readonly confirm: boolean;
  /** Why it does no harm to do it again; undefined where it does, or nobody said. */
  readonly repeatable: string | undefined;
  /** What a person does, and what to look for; undefined where commands do it. */
  readonly manual: string | undefined;
  /** Of the heading, from 1. */
  readonly line: number;
  /** Where something of the block stands: `["run", 0]`. */
  readonly lineOf: (path: readonly PropertyKey[]) => number;
}

export const runbookPlatforms = ["compose", "kubernetes", "none", "any"] as const;

export interface Runbook {
  readonly id: string;
  readonly title: string;
  readonly platform: (typeof runbookPlatforms)[number];
  readonly severity: string;
  readonly owner: string;
  /** `2026-11-22`. */
  readonly lastReviewed: string;
  /** What must be so before it is begun: sentences. */
  readonly preconditions: readonly string[];
  readonly inputs: ReadonlyMap<string, InputDefinition>;
  /** What stands before the first step: Markdown. */
  readonly introduction: string;
  readonly steps: readonly RunbookStep[];
  /** Where something of the front matter stands. */
  readonly lineOf: (path: readonly PropertyKey[]) => number;
}

/** Something that is wrong with a runbook. */
export interface Problem {
  readonly line: number;
  readonly severity: "error" | "warning";
  /** Stable: `unknown-input`, `no-check`… */
  readonly rule: string;
  readonly message: string;
}
