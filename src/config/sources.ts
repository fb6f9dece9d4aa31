/** Values that stand elsewhere: in the environment, in a file, in what a command prints. */
import { readFile, stat } from "node:fs/promises";
import { isAbsolute, join, resolve } from "node:path";

import { messageOf, systemCodeOf } from "../errors.ts";
import { runTool, ToolFailure } from "../process/run.ts";

export type Source = string | { readonly env: string } | { readonly file: string } | { readonly command: readonly [string, ...string[]] };

/** Why a value could not be had, for a sentence that begins with its name; never with what a command printed. */
export class SourceProblem extends Error {
  override readonly name = "SourceProblem";
}

export interface Reading {
  /** The text of a source, without the white space around it. */
  text(source: Source): Promise<string>;
  /** The same; a file that everybody may read is reported. */
  secret(source: Source): Promise<string>;
  /** The text of a file. */
  file(path: string): Promise<string>;
  /** `path` with `~` expanded, relative to the folder of the configuration file. */
  path(path: string): string;
  warn(message: string): void;
}

export interface ReadingOptions {
  readonly env: NodeJS.ProcessEnv;
  /** Folder that relative paths start from. */
  readonly folder: string;
  readonly home: string;
  readonly warnings: string[];
}

/** A vault that is asked over a network answers within this many milliseconds, or not at all. */
const commandTimeout = 60_000;

export function absolutePath(path: string, folder: string, home: string): string {
  if (path === "~" || path.startsWith("~/")) return join(home, path.slice(1));
  return isAbsolute(path) ? path : resolve(folder, path);
}

export function sourceReading({ env, folder, home, warnings }: ReadingOptions): Reading {
  const path = (text: string): string => absolutePath(text, folder, home);

  const file = async (name: string): Promise<string> => {
    try {
      return await readFile(path(name), "utf8");
    } catch (error) {
      throw new SourceProblem(`cannot read ${path(name)} (${systemCodeOf(error) ?? messageOf(error)})`);
    }
  };

  const variable = (name: string): string => {
    const value = env[name]?.trim();
    if (value === undefined || value === "") throw new SourceProblem(`the environment variable ${name} is not set`);
    return value;
  };

  const text = async (source: Source): Promise<string> => {
    if (typeof source === "string") return source.trim();
    if ("env" in source) return variable(source.env);
    if ("file" in source) return filled((await file(source.file)).trim(), `the file ${path(source.file)} is empty`);
    return filled(await output(source.command, env, folder), `the command ${source.command[0]} printed nothing`);
  };

  const secret = async (source: Source): Promise<string> => {
    const value = await text(source);
    if (typeof source === "object" && "file" in source && (await readableByAll(path(source.file)))) {
      warnings.push(`everybody on this machine can read the secret in ${path(source.file)}; \`chmod 600\` it`);
    }
    return value;
  };

  return { text, secret, file, path, warn: (message) => { warnings.push(message); } };
}

function filled(value: string, problem: string): string {
  if (value === "") throw new SourceProblem(problem);
  return value;
}

/** Container engines mount secrets below these folders readable by all, inside a container of one user. */
const mounted = /^(?:\/var)?\/run\/secrets\//;

export async function readableByAll(path: string): Promise<boolean> {
  if (mounted.test(path)) return false;
  return ((await stat(path).catch(() => undefined))?.mode ?? 0) % 8 >= 4;
}

async function output(command: readonly [string, ...string[]], env: NodeJS.ProcessEnv, folder: string): Promise<string> {
  // A vault's client needs its own variables (VAULT_TOKEN, AWS_PROFILE…), which we cannot know; ours are not its business.
  const own = Object.fromEntries(Object.entries(env).filter(([name]) => !/^(?:HOLDFAST_|DATABASE_URL)/.test(name)));
  try {
    return (await runTool(command, [], { env: own, cwd: folder, timeout: commandTimeout })).stdout.trim();
  } catch (error) {
    if (!(error instanceof ToolFailure)) throw error;
    const how = error.timedOut
      ? "did not answer in time"
      : error.missing
        ? "could not be run"
        : error.signalName === undefined
          ? `exited with ${String(error.exitCode)}`
          : `was ended by ${error.signalName}`;
    throw new SourceProblem(`the command ${command[0]} ${how}`);
  }
}
