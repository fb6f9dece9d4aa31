/** The machine's processes, to find and end what a killed run has left: from /proc where there is one, else from ps. */
import { readdir, readFile, readlink } from "node:fs/promises";

import { systemCodeOf } from "../errors.ts";
import { runTool } from "./run.ts";

export interface ProcessEntry {
  readonly pid: number;
  readonly parent: number;
  /** Name of the program, without its folder. */
  readonly program: string;
  /** Its arguments with blanks between, the program first; what a server writes over them is what stands here. */
  readonly command: string;
  /** Its working folder; undefined where it cannot be seen. */
  readonly folder: string | undefined;
  /** Its environment at its start; empty where it cannot be seen. Holds secrets: for looking, never for showing. */
  readonly environment: ReadonlyMap<string, string>;
}

/** Every process that lives; one that has ended and waits for its parent does not. */
export async function processTable(): Promise<ProcessEntry[]> {
  const numbers = await readdir("/proc").then((names) => names.filter((name) => /^\d+$/.test(name)), () => []);
  if (numbers.length === 0) return tableOfPs();
  const entries = await Promise.all(numbers.map((number) => entryOf(Number(number))));
  return entries.filter((entry) => entry !== undefined);
}

async function entryOf(pid: number): Promise<ProcessEntry | undefined> {
  const stat = await statOf(pid);
  if (stat === undefined) return undefined;
  const [command, folder, environment] = await Promise.all([
    readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => ""),
    readlink(`/proc/${pid}/cwd`).catch(() => undefined),
    readFile(`/proc/${pid}/environ`, "utf8").catch(() => ""),
  ]);
  const pairs = environment.split("\0").map((pair): [string, string] => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)]);
  return { pid, parent: stat.parent, program: stat.program, command: command.replaceAll("\0", " ").trim(), folder, environment: new Map(pairs) };
}

/** Of a process that lives. */
async function statOf(pid: number): Promise<{ program: string; parent: number; ticks: number } | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  // A program's name may hold blanks and parentheses.
  const [state, parent, ...more] = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const ticks = more[17];
  if (state === undefined || parent === undefined || ticks === undefined || /^[ZX]/.test(state)) return undefined;
  return { program: text.slice(text.indexOf("(") + 1, text.lastIndexOf(")")), parent: Number(parent), ticks: Number(ticks) };
}

async function tableOfPs(): Promise<ProcessEntry[]> {
  const { stdout } = await runTool(["ps"], ["-axo", "pid=,ppid=,stat=,command="]);
  return stdout.split("\n").flatMap((line): ProcessEntry[] => {
    const [, pid, parent, state, command = ""] = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(line) ?? [];
    if (pid === undefined || state === undefined || state.startsWith("Z")) return [];
    return [{ pid: Number(pid), parent: Number(parent), program: (command.split(" ")[0] ?? "").split("/").at(-1) ?? "", command, folder: undefined, environment: new Map() }];
  });
}

/**
 * When a process started, in digits and small letters, as far as this machine counts; two processes that got the same
 * number one after the other differ in it. Undefined if there is no such process; `unknown` if it may not be looked at.
 */
export async function processStart(pid: number): Promise<string | undefined> {
  const stat = await statOf(pid);
  if (stat !== undefined) return stat.ticks.toString(36);
  if (await readFile("/proc/self/stat").then(() => true, () => false)) return mayBeHidden(pid) ? "unknown" : undefined;
  const { stdout } = await runTool(["ps"], ["-o", "stat=,lstart=", "-p", String(pid)]).catch(() => ({ stdout: "" }));
  const [, state = "Z", started = ""] = /^\s*(\S+)\s+(.*\S)\s*$/.exec(stdout) ?? [];
  return state.startsWith("Z") ? undefined : Math.floor(Date.parse(started) / 1000).toString(36);
}

/** Some systems show a user only the processes of his own, but still say that others may not be signalled. */
function mayBeHidden(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return systemCodeOf(error) === "EPERM";
  }
}

/** Within which the numbers of processes mean something: a container has its own. Empty where systems have but one. */
export function processSpace(): Promise<string> {
  return readlink("/proc/self/ns/pid").catch(() => "");
}
