/** What running, resuming and aborting a runbook share: the lock, the journal, the steps, and the record as a checklist. */
import { writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

import type { Signer } from "../../catalog/signatures.ts";
import type { DatabaseConfig } from "../../config/config.ts";
import { HoldfastError } from "../../errors.ts";
import type { Lock } from "../../lock/lease.ts";
import type { JournalEntry } from "../../rollback/journal/journal.ts";
import { type DurableJournal, openJournal } from "../../rollback/journal/open-journal.ts";
import { runSteps } from "../../rollback/journal/run-steps.ts";
import { stateOf, stepIn } from "../../rollback/journal/state.ts";
import { undoSteps } from "../../rollback/journal/undo-steps.ts";
import { renderChecklist } from "../../rollback/runbook/checklist.ts";
import type { Program } from "../../rollback/runbook/execute.ts";
import type { BegunRunbook } from "../../rollback/runbook/records.ts";
import type { Runbook } from "../../rollback/runbook/runbook.ts";
import { stepsOfRunbook } from "../../rollback/runbook/steps.ts";
import type { Context, Workplace } from "../context.ts";
import { lockDatabase } from "../lock-database.ts";
import type { IncidentPen } from "../incident/incident-pen.ts";
import { askAboutSteps, type GoAhead } from "./go-ahead.ts";
import { configuredPrograms } from "./programs.ts";

export interface RunbookRun {
  readonly database: DatabaseConfig;
  readonly begun: BegunRunbook;
  readonly runbook: Runbook;
  readonly inputs: ReadonlyMap<string, string>;
  readonly signer: Signer;
  readonly record: IncidentPen;
  readonly goAhead: Omit<GoAhead, "confirm">;
  readonly self: Program;
}

export interface RunbookStepResult {
  readonly id: string;
  readonly title: string;
  readonly state: "done" | "taken-back" | "not-done";
  /** When it was done or taken back, and by whom. */
  readonly at: string | null;
  readonly by: string | null;
}

export interface RunbookRunResult {
  /** Id of the execution. */
  readonly run: string;
  readonly runbook: string;
  readonly title: string;
  readonly database: string;
  readonly outcome: "done" | "aborted";
  readonly message: string;
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly seconds: number;
  readonly steps: readonly RunbookStepResult[];
  /** Markdown: the runbook with who did what, and when. */
  readonly checklist: string;
  /** File on this host with that checklist. */
  readonly record: string;
  readonly incident: string | null;
}

/** After a kill, whoever resumes waits for one lease and no longer. */
const lease = { leaseMs: 9_000, heartbeatMs: 3_000 };
const patienceMs = 12_000;

/**
 * Runs `work` while no other runbook of the database can run. A repository that takes no lock, as the object-locked copy that
 * is restored from, is warned of: it may be all that is left.
 */
export async function underRunbookLock<T>(context: Context, { repository }: Workplace, { name }: DatabaseConfig, work: (held: Context) => Promise<T>): Promise<T> {
  const warn = (message: string): void => { context.reporter.emit({ type: "note", level: "warn", message }); };
  const lock = await lockDatabase(context, repository, name, "runbook", { action: "runbook", waitMs: patienceMs, ...lease }).catch((error: unknown): Lock | undefined => {
    if (!(error instanceof HoldfastError) || error.code !== "store-failed") throw error;
    warn(`nothing keeps a second execution away: ${error.message}`);
    return undefined;
  });
  if (lock === undefined) return work(context);
  if (lock.tookOver !== null) warn(lock.tookOver);
  try {
    return await work({ ...context, signal: AbortSignal.any([context.signal, lock.lost]) });
  } finally {
    await lock.release();
  }
}

export async function executeRunbook(context: Context, { repository }: Workplace, run: RunbookRun, direction: "run" | "resume" | "abort"): Promise<RunbookRunResult> {
  const { clock, reporter, signal, actor, config: { stateDir } } = context;
  const { database, begun, runbook, inputs, signer, record, goAhead, self } = run;
  const tell = (message: string): void => { reporter.emit({ type: "note", level: "info", message }); };
  const steps = stepsOfRunbook(runbook, { programs: configuredPrograms(context, database, self), inputs, tell });
  const journal = await openJournal({ stateDir, repository, database: database.name, id: begun.id, clock, actor, signer, reporter });
  const options = { reporter, signal, clock };
  const shown = (id: string): string => renderChecklist({ ...runbook, introduction: "", preconditions: [], inputs: new Map() }, { inputs: withoutSecrets(runbook, inputs), only: id });
  // Killed between its last entry and its answer, it has nothing left to do but to answer.
  const over = stateOf(journal.entries).ended;
  if (over !== undefined && (over.outcome === "aborted") !== (direction === "abort")) {
    throw new HoldfastError("refused", `${begun.id} ended at ${over.at} (${over.outcome}): nothing of it is done or taken back any more`, { hints: ["Execute the runbook anew, or take back by hand what its steps say."] });
  }
  if (over === undefined) {
    const before = journal.entries.length;
    const ran = (): Promise<void> => record.ran(journal.entries.slice(before), new Map(steps.map(({ id, title }) => [id, title])));
    try {
      if (direction === "abort") await undoSteps(steps, journal, options);
      else {
        await runSteps(steps, journal, { ...options, ask: askAboutSteps(goAhead, shown) });
        await journal.append({ kind: "ended", outcome: "done", message: `all ${steps.length} steps are done` });
      }
      await ran();
    } catch (error) {
      await journal.sync();
      await ran();
      await record.failed(error);
      throw withRecord(error, await writeRecord(journal, run));
    }
  }
  await journal.sync();
  const result = resultOf(journal, run, await writeRecord(journal, run));
  if (over === undefined) await record.ended(result.outcome, result.message, null);
  return result;
}

function withoutSecrets({ inputs: definitions }: Runbook, inputs: ReadonlyMap<string, string>): Map<string, string> {
  return new Map([...inputs].map(([name, value]) => [name, definitions.get(name)?.secret === true ? `<${name}>` : value]));
}

/** The checklist beside the journal: what a person goes on from if this program cannot. */
async function writeRecord(journal: DurableJournal, { runbook, inputs }: RunbookRun): Promise<string> {
  const path = join(dirname(journal.path), "checklist.md");
  await writeFile(path, `${renderChecklist(runbook, { inputs, entries: journal.entries })}\n`, { mode: 0o600 }).catch(() => undefined);
  return path;
}

function withRecord(error: unknown, record: string): unknown {
  if (!(error instanceof HoldfastError)) return error;
  return new HoldfastError(error.code, error.message, { hints: [...error.hints, `What was done, by whom and when is in ${record}.`], details: { ...error.details, record }, cause: error });
}

function resultOf({ entries }: DurableJournal, { begun, runbook, inputs, database }: RunbookRun, record: string): RunbookRunResult {
  const state = stateOf(entries);
  if (state.ended === undefined || state.ended.outcome === "failed") throw new Error(`the journal of ${begun.id} did not end well`);
  const { at: finishedAt, outcome, message } = state.ended;
  return {
    run: begun.id, runbook: runbook.id, title: runbook.title, database: database.name, outcome, message, startedAt: begun.startedAt, finishedAt,
    seconds: (Date.parse(finishedAt) - Date.parse(begun.startedAt)) / 1000,
    steps: runbook.steps.map(({ id, title }) => {
      const { done, undo } = stepIn(state, id);
      const stands = undo === "done" ? "taken-back" : done ? "done" : "not-done";
      const last = stands === "not-done" ? undefined : lastOf(entries, id);
      return { id, title, state: stands, at: last?.at ?? null, by: last ? `${last.by.operator ?? last.by.user}@${last.by.host}` : null };
    }),
    checklist: renderChecklist(runbook, { inputs, entries }),
    record,
    incident: begun.incident,
  };
}

const lastOf = (entries: readonly JournalEntry[], step: string): JournalEntry | undefined => entries.findLast((entry) => (entry.kind === "step-done" || entry.kind === "undo-done") && entry.step === step);
