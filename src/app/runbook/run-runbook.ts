/** The story of a runbook's execution: judged, confirmed, written down before anything is touched, then step by step. */
import { recordId } from "../../catalog/layout.ts";
import type { DatabaseConfig } from "../../config/config.ts";
import { HoldfastError, messageOf } from "../../errors.ts";
import { renderChecklist } from "../../rollback/runbook/checklist.ts";
import type { Program } from "../../rollback/runbook/execute.ts";
import { resolveInputs } from "../../rollback/runbook/inputs.ts";
import { checkRunbook } from "../../rollback/runbook/lint.ts";
import { type BegunRunbook, readBegun, sha256Of, writeBegun } from "../../rollback/runbook/records.ts";
import { type Context, databaseNamed, requireSigner, type Workplace } from "../context.ts";
import { incidentPen, openIncidentOf } from "../incident/incident-pen.ts";
import { type Action, inWorkplace } from "../record.ts";
import { executeRunbook, type RunbookRun, type RunbookRunResult, underRunbookLock } from "./execute-runbook.ts";
import { type GoAhead, requireGoAhead } from "./go-ahead.ts";
import { findRunbook, requireSound } from "./show-runbooks.ts";

export interface RunbookOptions extends GoAhead {
  readonly database?: string | undefined;
  /** Id of a runbook, or its file. */
  readonly runbook: string;
  readonly inputs: ReadonlyMap<string, string>;
  /** How this holdfast was started: what `holdfast` in a runbook means. */
  readonly self: Program;
  readonly reason?: string | undefined;
}

export interface RunbookResumption extends Omit<GoAhead, "confirm"> {
  readonly database?: string | undefined;
  /** Of the execution: `runbook-ehr-20261121T020000Z-7f3a`. */
  readonly id: string;
  /** The secrets, which are not written down. */
  readonly inputs: ReadonlyMap<string, string>;
  readonly self: Program;
  readonly reason?: string | undefined;
}

/** Whether an id is that of a runbook's execution, and not of a rollback. */
export const isRunbookRun = (id: string): boolean => id.startsWith("runbook-");

/**
 * Executes a runbook.
 * @throws HoldfastError `not-found`, `configuration`, `usage` and `refused` before anything is touched; then `refused` where
 *   what must hold before a step does not, `rollback-failed`, `cancelled`: it can be resumed, as the hints say
 */
export async function runRunbook(context: Context, options: RunbookOptions): Promise<RunbookRunResult> {
  const database = databaseNamed(context.config, options.database);
  const found = await findRunbook(context, options.runbook);
  const runbook = requireSound(found);
  const given = runbook.inputs.has("database") && !options.inputs.has("database") ? new Map([...options.inputs, ["database", database.name]]) : options.inputs;
  const inputs = resolveInputs(runbook, given);
  await requireGoAhead(runbook, renderChecklist(runbook, { inputs }), options);
  const { clock, actor, version, ids } = context;
  const started = clock.now();
  const id = recordId("runbook", database.name, started, ids.suffix());
  return within(context, database, { action: "runbook run", subject: { database: database.name, runbook: runbook.id, run: id }, reason: options.reason }, async (held, workplace) => {
    const signer = await requireSigner(held.config, "runbook", clock.now());
    const title = `runbook ${runbook.id}: ${options.reason ?? runbook.title}`;
    const record = await openIncidentOf(held, workplace, database, { title, runbook: id, severity: runbook.severity }, signer);
    const begun: BegunRunbook = {
      format: 1, kind: "holdfast-runbook", id, database: database.name, startedAt: started.toISOString(),
      by: { user: actor.user, host: actor.host, operator: actor.operator, holdfast: version }, reason: options.reason ?? null,
      runbook: { id: runbook.id, path: found.path, sha256: sha256Of(found.source), source: found.source },
      inputs: Object.fromEntries([...inputs].filter(([name]) => runbook.inputs.get(name)?.secret !== true)), incident: record.incident, signer: signer.id,
    };
    const { stored } = await writeBegun(workplace.repository, held.config.stateDir, begun, signer);
    if (stored !== undefined) held.reporter.emit({ type: "note", level: "warn", message: `the execution is written down on this host only: ${messageOf(stored)}` });
    return executeRunbook(held, workplace, { database, begun, runbook, inputs, signer, record, goAhead: options, self: options.self }, "run");
  });
}

/** Goes on with an execution that stopped, with the text that it began with. @throws as {@link runRunbook} */
export function resumeRunbook(context: Context, options: RunbookResumption): Promise<RunbookRunResult> {
  return again(context, options, "resume");
}

/** Takes back what was done, last first. @throws HoldfastError `refused` where a step that was done cannot be taken back */
export function abortRunbook(context: Context, options: RunbookResumption): Promise<RunbookRunResult> {
  return again(context, options, "abort");
}

async function again(context: Context, options: RunbookResumption, direction: "resume" | "abort"): Promise<RunbookRunResult> {
  const database = databaseNamed(context.config, options.database);
  return within(context, database, { action: `runbook ${direction}`, subject: { database: database.name, run: options.id }, reason: options.reason }, async (held, workplace, subject) => {
    const begun = await readBegun(workplace.repository, held.config.stateDir, database.name, options.id);
    subject["runbook"] = begun.runbook.id;
    const { runbook } = checkRunbook(begun.runbook.source, new Date(begun.startedAt));
    if (runbook === undefined) throw new HoldfastError("configuration", `this holdfast does not understand the runbook of ${options.id}`, { hints: [`Go on with holdfast ${begun.by.holdfast}, which began it.`] });
    const inputs = resolveInputs(runbook, new Map([...Object.entries(begun.inputs), ...options.inputs]));
    const signer = await requireSigner(held.config, "runbook", held.clock.now());
    const record = incidentPen(held, workplace, begun.incident, signer);
    await record.resumed(`runbook ${direction}`);
    const run: RunbookRun = { database, begun, runbook, inputs, signer, record, goAhead: options, self: options.self };
    return executeRunbook(held, workplace, run, direction);
  });
}

async function within(context: Context, database: DatabaseConfig, action: Action, work: (held: Context, workplace: Workplace, subject: Action["subject"]) => Promise<RunbookRunResult>): Promise<RunbookRunResult> {
  return inWorkplace(context, action, (workplace, subject) => underRunbookLock(context, workplace, database, (held) => work(held, workplace, subject)));
}
