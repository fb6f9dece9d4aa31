/** What running, resuming and aborting a rollback share: the lock, the journal, the incident's record, and the end. */
import type { Signer } from "../../catalog/signatures.ts";
import type { DatabaseConfig } from "../../config/config.ts";
import type { HealthSettings } from "../../config/rollback-settings.ts";
import { messageOf } from "../../errors.ts";
import type { Server } from "../../postgres/server.ts";
import { checkHealth } from "../../rollback/health/probe.ts";
import type { JournalEntry } from "../../rollback/journal/journal.ts";
import { openJournal } from "../../rollback/journal/open-journal.ts";
import { runSteps } from "../../rollback/journal/run-steps.ts";
import { stateOf } from "../../rollback/journal/state.ts";
import { undoSteps } from "../../rollback/journal/undo-steps.ts";
import type { BegunRollback, RollbackOutcome } from "../../rollback/plan/outcome.ts";
import type { RollbackPlan } from "../../rollback/plan/plan.ts";
import { publishOutcome } from "../../rollback/plan/records.ts";
import type { StepFacts } from "../../rollback/step.ts";
import type { Context, Workplace } from "../context.ts";
import { lockDatabase } from "../lock-database.ts";
import { configuredPlatform, requireRollbackSettings } from "./configured-platform.ts";
import type { IncidentPen } from "../incident/incident-pen.ts";
import { rollbackSteps } from "./rollback-steps.ts";
import { requireSamePlace } from "./same-place.ts";

export interface RollbackResult {
  readonly rollback: string;
  readonly database: string;
  readonly to: string;
  readonly strategy: string;
  readonly outcome: RollbackOutcome["outcome"];
  readonly message: string;
  readonly incident: string | null;
  /** What the steps left: the kept database, the safety backup… */
  readonly facts: Readonly<Record<string, StepFacts>>;
  readonly seconds: number;
}

/** A rollback that was begun, on its way in this process. */
export interface Carried {
  readonly database: DatabaseConfig;
  readonly begun: BegunRollback;
  readonly planSha256: string;
  readonly signer: Signer;
  readonly record: IncidentPen;
}

/** After a kill, whoever resumes waits for one lease and no longer. */
const leaseMs = 9_000;
const heartbeatMs = 3_000;

/** Runs `work` while no other rollback of the database can run; its context is cancelled when the lock is lost. */
export async function underRollbackLock<T>(context: Context, workplace: Workplace, database: DatabaseConfig, server: Server, work: (held: Context) => Promise<T>, waitMs = 0): Promise<T> {
  const lock = await lockDatabase(context, workplace.repository, database.name, "rollback", { action: "rollback", server, waitMs, leaseMs, heartbeatMs });
  if (lock.tookOver !== null) context.reporter.emit({ type: "note", level: "warn", message: lock.tookOver });
  try {
    return await work({ ...context, signal: AbortSignal.any([context.signal, lock.lost]) });
  } finally {
    await lock.release();
  }
}

export type Direction = "run" | "resume" | "abort" | "leave";

/** Runs what is left of a rollback, or takes back what was done, and writes down how it ended. */
export async function carryOut(context: Context, workplace: Workplace, carried: Carried, direction: Direction, why?: string): Promise<RollbackResult> {
  const { clock, reporter, signal, actor, config } = context;
  const { database, begun, signer, record } = carried;
  const settings = requireRollbackSettings(database);
  const platform = configuredPlatform(database, begun.plan.now.state.platform);
  const steps = rollbackSteps({ context, workplace, database, id: begun.id, plan: begun.plan, drainMs: begun.drainMs }, settings, platform);
  const journal = await openJournal({ stateDir: config.stateDir, repository: workplace.repository, database: database.name, id: begun.id, clock, actor, signer, reporter });
  if (direction === "resume" || direction === "abort") requireSamePlace(begun, platform, database, journal.entries);
  // A run that was killed between its last entry and its outcome has nothing left to do but to say so.
  if (stateOf(journal.entries).ended === undefined) {
    const before = journal.entries.length;
    const ran = (): Promise<void> => record.ran(journal.entries.slice(before), new Map(steps.map(({ id, title }) => [id, title])));
    const ending = endOf(direction, begun, why);
    try {
      if (direction === "abort") await undoSteps(steps, journal, { reporter, signal, clock, message: ending.message });
      else if (direction !== "leave") await runSteps(steps, journal, { reporter, signal, clock });
    } catch (error) {
      // What ended it is what has to be told; that another run has written there as well comes after.
      await journal.sync().catch((fork: unknown) => { reporter.emit({ type: "note", level: "warn", message: messageOf(fork) }); });
      await ran();
      await record.failed(error);
      throw error;
    }
    if (direction !== "abort") await journal.append({ kind: "ended", ...ending });
    await ran();
  }
  await journal.sync();
  return conclude(context, workplace, carried, journal.entries, settings.health);
}

/** Writes down how it ended, with what the journal says. */
async function conclude({ clock, signal, actor, version }: Context, { repository }: Workplace, { database, begun, planSha256, signer, record }: Carried, entries: readonly JournalEntry[], settings: HealthSettings | undefined): Promise<RollbackResult> {
  const { ended, facts } = stateOf(entries);
  if (ended === undefined) throw new Error("the journal did not end");
  const { message } = ended;
  const outcome = outcomes[ended.outcome];
  // A question for the record only must not undo what was done.
  const healthAfter = settings === undefined ? null : await checkHealth(settings, { release: begun.plan.to, clock, signal }).catch(() => null);
  const finished = clock.now();
  await publishOutcome(repository, {
    format: 1, kind: "holdfast-rollback-outcome", rollback: begun.id, database: database.name, to: begun.plan.to, outcome, message,
    startedAt: begun.startedAt, finishedAt: finished.toISOString(),
    by: { user: actor.user, host: actor.host, operator: actor.operator, holdfast: version },
    planSha256, journalEntries: entries.length, incident: begun.incident,
    facts: Object.fromEntries(facts), healthBefore: begun.plan.now.health, healthAfter, signer: signer.id,
  }, signer);
  await record.ended(outcome, message, healthAfter);
  return {
    rollback: begun.id, database: database.name, to: begun.plan.to, strategy: begun.plan.strategy, outcome, message, incident: begun.incident,
    facts: Object.fromEntries(facts), seconds: (finished.getTime() - Date.parse(begun.startedAt)) / 1000,
  };
}

/** The journal's words, and the record's. */
const outcomes = { done: "done", aborted: "aborted", failed: "left" } as const;

function endOf(direction: Direction, { plan }: BegunRollback, why: string | undefined): { outcome: keyof typeof outcomes; message: string } {
  if (direction === "abort") return { outcome: "aborted", message: `returned to what ran before${why === undefined ? "" : `: ${why}`}` };
  if (direction === "leave") return { outcome: "failed", message: `ended as it stands: ${why ?? "no reason was given"}` };
  return { outcome: "done", message: observedEnd(plan) };
}

/** Without a platform nobody has seen which release runs, and nobody may read that it was. */
function observedEnd({ database, to, strategy, now, acceptIncompatible }: RollbackPlan): string {
  if (now.state.platform !== "none") return `${database} is back at ${to}, observed`;
  const data = strategy === "images-only" ? `the database of ${database} was left as it is, ${acceptIncompatible === null ? `which ${to} can live with` : `as was accepted (${acceptIncompatible})`}` : `the database of ${database} is back at ${to}, observed`;
  return `${data}; that ${to} runs on it is for you to see to`;
}
