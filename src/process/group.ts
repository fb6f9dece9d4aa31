/**
 * Somebody else's program, which may start others and serve until it is told to end: it runs in a process group of its
 * own, so that all of it can be ended, and what it writes is counted and forgotten.
 */
import { execa, ExecaError } from "execa";
import { setTimeout as sleep } from "node:timers/promises";

import { systemCodeOf } from "../errors.ts";
import { childEnvironment, type CommandLine } from "./run.ts";

export type GroupEnd =
  | { readonly how: "exited"; readonly code: number }
  | { readonly how: "signalled"; readonly signal: string }
  /** It could not be started; `code` is the system's: ENOENT, EACCES… */
  | { readonly how: "missing"; readonly code: string };

export interface RunningGroup {
  /** Settles when the program itself has ended, whatever became of those that it started. Never rejects. */
  readonly ended: Promise<GroupEnd>;
  /** What all of the group wrote so far. */
  bytes(): { readonly stdout: number; readonly stderr: number };
  /**
   * Ends every process of the group, forcibly after some seconds. Safe to call again.
   * @returns whether none is left
   */
  end(): Promise<boolean>;
}

export interface GroupOptions {
  /** Added to the base environment. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
}

const politeMs = 3_000;
const forcedMs = 3_000;

export function startGroup([program, ...args]: CommandLine, { env, cwd }: GroupOptions = {}): RunningGroup {
  const child = execa(program, args, {
    env: childEnvironment(env), extendEnv: false, detached: true, cleanup: false, buffer: false, stdin: "ignore", stdout: "pipe", stderr: "pipe", reject: false, ...(cwd !== undefined && { cwd }),
  });
  const written = { stdout: 0, stderr: 0 };
  for (const name of ["stdout", "stderr"] as const) child[name].on("data", (chunk: Buffer) => { written[name] += chunk.length; }).on("error", () => undefined);
  const { nodeChildProcess: node, pid } = child;
  const ended = new Promise<GroupEnd>((resolve) => {
    // Children that live on may keep the output open: only the program's own end is waited for.
    node.once("exit", (code, signal) => { resolve(signal === null ? { how: "exited", code: code ?? 0 } : { how: "signalled", signal }); });
    void child.then((result) => {
      if (pid === undefined) resolve({ how: "missing", code: (result instanceof ExecaError ? result.code : systemCodeOf(result)) ?? "it did not start" });
    });
  });
  return {
    ended,
    bytes: () => ({ ...written }),
    end: async () => {
      if (pid === undefined) return true;
      const gone = (await signalled(pid, "SIGTERM", politeMs)) || (await signalled(pid, "SIGKILL", forcedMs));
      child.stdout.destroy();
      child.stderr.destroy();
      return gone;
    },
  };
}

/** Signals a group, and looks until it is empty: the system tells of a child's end, but of nobody else's. */
async function signalled(group: number, signal: NodeJS.Signals, withinMs: number): Promise<boolean> {
  const until = performance.now() + withinMs;
  if (!reaches(group, signal)) return true;
  while (reaches(group, 0)) {
    if (performance.now() > until) return false;
    await sleep(25);
  }
  return true;
}

function reaches(group: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-group, signal);
    return true;
  } catch (error) {
    if (systemCodeOf(error) === "ESRCH") return false;
    throw error;
  }
}
