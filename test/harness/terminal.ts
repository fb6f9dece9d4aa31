/** The command line at a pseudo-terminal, as a person has it before him: what it shows, what is typed, and a connection that is lost. */
import { execa } from "execa";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished } from "vitest";

import { shellWord } from "../../src/process/shell-word.ts";
import type { Workbench } from "./cli.ts";

export interface Terminal {
  /** The lines as they stand there now, those that have scrolled away too. */
  screen(): string;
  /** Waits until the screen shows it. */
  shows(wanted: string | RegExp): Promise<void>;
  /** Types a line, or sends the keys as they are (`\u0003` is Ctrl-C, `\u0004` Ctrl-D). */
  type(line: string): void;
  press(keys: string): void;
  /** The terminal goes away as when an SSH connection is lost: its sessions' processes get SIGHUP from the kernel. */
  hangUp(): void;
  /** The exit code of holdfast, once it has ended; undefined where a signal ended it. */
  ended(): Promise<number | undefined>;
}

const starter = join(import.meta.dirname, "..", "..", "bin", "dev.js");
const columns = 110;

/** @returns why there is no pseudo-terminal to be had; undefined if there is */
export async function terminalMissing(): Promise<string | undefined> {
  const { exitCode } = await execa("script", ["--version"], { reject: false, stdin: "ignore" });
  return exitCode === 0 ? undefined : "there is no script of util-linux on this machine";
}

/** Runs holdfast in the foreground of a shell at a pseudo-terminal, which `script` of util-linux holds. */
export function atTerminal({ folder, env }: Pick<Workbench, "folder" | "env">, ...args: string[]): Terminal {
  const codes = join(folder, `code-${process.hrtime.bigint()}`);
  // A shell that is hung up cannot tell how its command ended, so that is written down when the process goes.
  const noteEnd = `data:text/javascript,${encodeURIComponent(`import { writeFileSync } from "node:fs"; process.on("exit", (code) => writeFileSync(${JSON.stringify(codes)}, String(code)));`)}`;
  const command = [process.execPath, "--import", noteEnd, starter, ...args].map(shellWord).join(" ");
  const held = execa("script", ["--quiet", "--flush", "--return", "--command", `stty rows 50 cols ${columns}; ${command}; exit $?`, "/dev/null"], {
    env: { PATH: process.env["PATH"], HOME: folder, SHELL: "/bin/sh", TERM: "xterm-256color", ...env }, extendEnv: false, cwd: folder, reject: false, stdin: "pipe", buffer: false,
  });
  let sent = "";
  held.stdout.setEncoding("utf8").on("data", (text: string) => { sent += text; });
  onTestFinished(() => { held.kill("SIGKILL"); });
  const screen = (): string => drawn(sent, columns);
  return {
    screen,
    shows: (wanted) => expect.poll(screen, { timeout: 60_000, interval: 50 }).toMatch(wanted),
    type: (line) => { held.stdin.write(`${line}\r`); },
    press: (keys) => { held.stdin.write(keys); },
    hangUp: () => { held.kill("SIGKILL"); },
    ended: async () => {
      const read = (): Promise<string> => readFile(codes, "utf8").catch(() => "");
      const { exitCode, signal } = await held;
      if (signal === undefined) return exitCode;
      await expect.poll(read, { timeout: 60_000, interval: 50 }).not.toBe("");
      return Number(await read());
    },
  };
}

const escape = String.fromCharCode(27);
/** A sequence with its parameters, another escape, or a character. */
const pieces = new RegExp(`${escape}\\[([0-9;?]*)([A-Za-z])|${escape}.|[^]`, "gu");

/** What a terminal shows of what it was sent: cursor movements and erasing are followed, colours left out. */
export function drawn(sent: string, width: number): string {
  const lines = new Map<number, string[]>();
  let [row, column] = [0, 0];
  const line = (): string[] => {
    const found = lines.get(row) ?? [];
    lines.set(row, found);
    return found;
  };
  const control = (parameters: string, final: string): void => {
    const count = Math.max(Number.parseInt(parameters, 10) || 1, 1);
    if (final === "A") row = Math.max(0, row - count);
    else if (final === "B") row += count;
    else if (final === "C") column += count;
    else if (final === "D") column = Math.max(0, column - count);
    else if (final === "G") column = count - 1;
    else if (final === "K") {
      line().splice(parameters === "2" ? 0 : column);
    } else if (final === "J") {
      line().splice(column);
      for (const at of lines.keys()) if (at > row) lines.delete(at);
    }
  };
  for (const [piece, parameters, final] of sent.matchAll(pieces)) {
    if (final !== undefined) control(parameters ?? "", final);
    else if (piece === "\n") row += 1;
    else if (piece === "\r") column = 0;
    else if (piece === "\b") column = Math.max(0, column - 1);
    else if (piece >= " ") {
      if (column >= width) [row, column] = [row + 1, 0];
      for (let gap = line().length; gap < column; gap += 1) line()[gap] = " ";
      line()[column] = piece;
      column += 1;
    }
  }
  const last = Math.max(0, ...[...lines].filter(([, cells]) => cells.length > 0).map(([at]) => at));
  return Array.from({ length: last + 1 }, (_, at) => (lines.get(at) ?? []).join("").trimEnd()).join("\n");
}
