/** Executions of runbooks, each in a process of its own that can be killed. */
import { execa } from "execa";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

import type { RunbookRunResult } from "../../src/app/runbook/execute-runbook.ts";
import type { JournalEntry } from "../../src/rollback/journal/journal.ts";
import { readRunbookFile } from "../../src/rollback/runbook/library.ts";
import type { Runbook } from "../../src/rollback/runbook/runbook.ts";
import { compileCache } from "./compile-cache.ts";

export const shippedFolder = join(import.meta.dirname, "..", "..", "runbooks");

export interface Executed {
  /** Undefined if it was killed. */
  readonly code: number | undefined;
  readonly result: RunbookRunResult;
  readonly error: { readonly code: string; readonly message: string; readonly hints: readonly string[]; readonly details?: Readonly<Record<string, unknown>> } | undefined;
  /** Everything that was told, events and notes. */
  readonly told: string;
}

interface Bench {
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
}

export interface ExecutionRequest {
  readonly direction?: "run" | "resume" | "abort";
  /** Id of a shipped runbook, or a file. */
  readonly runbook?: string;
  readonly id?: string;
  readonly inputs?: Readonly<Record<string, string>>;
  /** `all`: every step of the shipped runbook that wants to be confirmed. */
  readonly yesSteps?: readonly string[] | "all";
  readonly confirm?: string;
  readonly killAt?: string;
}

export async function shippedRunbook(id: string): Promise<Runbook> {
  const { runbook } = await readRunbookFile(join(shippedFolder, `${id}.md`), "shipped", new Date());
  if (runbook === undefined) throw new Error(`${id} is no runbook`);
  return runbook;
}

const wantsConfirmation = ({ steps }: Runbook): string[] => steps.filter(({ confirm, manual }) => confirm || manual !== undefined).map(({ id }) => id);

/** Executes a runbook as its command does, everything confirmed unless said otherwise. */
export async function executeRunbook({ folder, env }: Bench, { direction = "run", runbook, id, inputs = {}, yesSteps = "all", confirm = runbook, killAt }: ExecutionRequest): Promise<Executed> {
  const agreed = yesSteps === "all" ? (runbook === undefined ? [] : wantsConfirmation(await shippedRunbook(runbook))) : yesSteps;
  const request = JSON.stringify({ direction, runbook, id, inputs, yesSteps: agreed, confirm });
  const { exitCode, stdout, stderr } = await execa(process.execPath, [join(import.meta.dirname, "../fixtures/execute-runbook.ts"), request], {
    env: { ...compileCache, PATH: process.env["PATH"], HOME: folder, ...(process.env["KUBECONFIG"] !== undefined && { KUBECONFIG: process.env["KUBECONFIG"] }), ...env, ...(killAt !== undefined && { KILL_AT: killAt }) }, extendEnv: false, cwd: folder, reject: false, stdin: "ignore",
  });
  const answer = (stdout === "" ? {} : JSON.parse(stdout)) as RunbookRunResult & { readonly error?: Executed["error"] };
  return { code: exitCode, result: answer, error: answer.error, told: stderr };
}

/** As {@link executeRunbook}; fails the test unless it ends with 0. */
export async function executeWell(bench: Bench, request: ExecutionRequest): Promise<RunbookRunResult> {
  const executed = await executeRunbook(bench, request);
  if (executed.code !== 0) throw new Error(`${request.runbook ?? request.id ?? ""} ended with ${executed.code ?? "a signal"}\n${JSON.stringify(executed.error, null, 2)}\n${executed.told}`);
  return executed.result;
}

/** The journal of the only execution on this bench, from its disk. */
export async function journalOf({ env }: Bench): Promise<{ readonly id: string; readonly entries: readonly JournalEntry[]; readonly checklist: string }> {
  const folder = join(env["HOLDFAST_STATE_DIR"] ?? "", "rollbacks");
  const ids = (await readdir(folder)).filter((name) => name.startsWith("runbook-"));
  const [id = ""] = ids;
  if (ids.length !== 1) throw new Error(`${ids.length} executions: ${ids.join(", ")}`);
  const lines = (await readFile(join(folder, id, "journal.jsonl"), "utf8")).trim().split("\n");
  const entries = lines.map((line) => JSON.parse((JSON.parse(line) as { record: string }).record) as JournalEntry);
  return { id, entries, checklist: await readFile(join(folder, id, "checklist.md"), "utf8").catch(() => "") };
}

/** How often each step was really done, not found done. */
export function performedSteps(entries: readonly JournalEntry[]): Record<string, number> {
  const times: Record<string, number> = {};
  for (const entry of entries) if (entry.kind === "step-begun") times[entry.step] = (times[entry.step] ?? 0) + 1;
  return times;
}
