/**
 * PostgreSQL's client programs, one of which waits at a place that a test chose: what is waited for is an event, not a
 * time. The programs are the real ones; the waiting is done by a shell before one starts, or by a filter before its stdin.
 */
import { execFileSync } from "node:child_process";
import { chmod, mkdir, open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { inject, onTestFinished } from "vitest";

export type Hold =
  /** Before the program starts, if its arguments hold `given` and do not hold `unless`. */
  | { readonly tool: "pg_dump" | "pg_dumpall" | "pg_restore"; readonly given?: string; readonly unless?: string }
  /** Before the line with this text reaches a psql. */
  | { readonly tool: "psql"; readonly line: string };

export interface HeldTools {
  /** For HOLDFAST_PG_BIN. */
  readonly folder: string;
  /** Resolves when the program waits at its place; it does so until `release`. */
  reached(): Promise<void>;
  release(): Promise<void>;
}

const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

export async function heldTools(folder: string, hold: Hold): Promise<HeldTools> {
  const { binaries } = inject("postgres");
  await mkdir(folder, { recursive: true });
  const fifo = join(folder, "fifo");
  execFileSync("mkfifo", [fifo]);
  const wait = `read -r _ < ${quote(fifo)}`;
  for (const tool of ["psql", "pg_dump", "pg_dumpall", "pg_restore"]) {
    const run = `exec ${quote(join(binaries, tool))} "$@"`;
    const lines = hold.tool !== tool ? [] : "line" in hold ? filtered(run, hold.line, wait) : [`[[ " $* " == *${quote(hold.given ?? " ")}* && " $* " != *${quote(hold.unless ?? "--version")}* && " $* " != *--version* ]] && ${wait}`];
    await writeFile(join(folder, tool), ["#!/bin/bash", ...lines, run, ""].join("\n"));
    await chmod(join(folder, tool), 0o755);
  }
  let writer: Awaited<ReturnType<typeof open>> | undefined;
  const release = async (): Promise<void> => {
    await writer?.close();
    writer = undefined;
  };
  onTestFinished(release);
  return {
    folder,
    // A fifo opens for writing when somebody opens it for reading.
    reached: async () => { writer = await open(fifo, "w"); },
    release,
  };
}

/** One filter waits once: what comes after the release, or from another session, passes. */
function filtered(run: string, line: string, wait: string): string[] {
  // The filter keeps none of the pipes open that its program writes to: their end is the program's.
  return [`[[ " $* " == *--version* ]] || ${run} < <(exec 2>&-; held=; while IFS= read -r line; do if [[ -z $held && $line == *${quote(line)}* ]]; then held=1; ${wait}; fi; printf '%s\\n' "$line"; done)`];
}
