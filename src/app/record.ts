/** Every action leaves an entry in the timeline, also one that failed or was cancelled, or never got as far as its repository. */
import type { Deed } from "../audit/entry.ts";
import { knownRepository } from "../audit/known.ts";
import { recordForLater } from "../audit/timeline.ts";
import { HoldfastError, messageOf } from "../errors.ts";
import { type Context, openWorkplace, repositoryLocation, type Workplace } from "./context.ts";

export interface Action {
  readonly action: string;
  /**
   * `evidence` and `certification` are SHA-256 in hexadecimal: what the timeline names can not be removed without a trace.
   * What else an action names, as the recipients that a rewrap adds, is its own.
   */
  readonly subject: { database?: string; backup?: string; target?: string; drill?: string; evidence?: string; verdict?: string; certification?: string; [other: string]: string | undefined };
  readonly reason?: string | undefined;
}

/**
 * Opens the configured repository for an action. When that fails, the action has failed: its entry waits on this host
 * until a later run reaches the repository. Where none was ever opened at the location, there is no timeline to wait for.
 */
export async function openFor(context: Context, action: Action): Promise<Workplace> {
  const started = context.clock.now();
  try {
    return await openWorkplace(context);
  } catch (error) {
    await keepFailure(context, deedOf(context, action, started, error)).catch((failure: unknown) => { warnOfEntry(context, failure); });
    throw error;
  }
}

async function keepFailure({ config, clock, actor, version }: Context, deed: Deed): Promise<void> {
  const repositoryId = await knownRepository(config.stateDir, repositoryLocation(config));
  if (repositoryId !== undefined) await recordForLater({ stateDir: config.stateDir, repositoryId, clock, actor, version }, deed);
}

/**
 * Runs `work` and records how it ended. `work` may complete the subject as it learns it (the id of the new backup).
 * A timeline that cannot be reached keeps the entry on this host and warns; it does not undo what was done.
 */
export async function recorded<T>(context: Context, workplace: Workplace, action: Action, work: (subject: Action["subject"]) => Promise<T>): Promise<T> {
  const started = context.clock.now();
  const told = { ...action, subject: { ...action.subject } };
  let result: T;
  try {
    result = await work(told.subject);
  } catch (error) {
    await record(context, workplace, deedOf(context, told, started, error)).catch((failure: unknown) => { warnOfEntry(context, failure); });
    throw error;
  }
  await record(context, workplace, deedOf(context, told, started));
  return result;
}

/** An action from opening the repository to closing it, {@link recorded} however it ends. */
export async function inWorkplace<T>(context: Context, action: Action, work: (workplace: Workplace, subject: Action["subject"]) => Promise<T>): Promise<T> {
  const workplace = await openFor(context, action);
  try {
    return await recorded(context, workplace, action, (subject) => work(workplace, subject));
  } finally {
    await workplace.close();
  }
}

/** As {@link recorded} where only a failure is worth an entry: what comes before the actions that have their own. */
export async function recordedIfFailed<T>(context: Context, workplace: Workplace, action: Action, work: () => Promise<T>): Promise<T> {
  const started = context.clock.now();
  try {
    return await work();
  } catch (error) {
    await record(context, workplace, deedOf(context, action, started, error)).catch((failure: unknown) => { warnOfEntry(context, failure); });
    throw error;
  }
}

function deedOf({ clock }: Context, { action, subject, reason }: Action, started: Date, error?: unknown): Deed {
  const ending = { action, subject, reason: reason ?? null, seconds: (clock.now().getTime() - started.getTime()) / 1000 };
  if (error === undefined) return { ...ending, outcome: "ok" };
  const code = error instanceof HoldfastError ? error.code : "bug";
  return { ...ending, outcome: code === "cancelled" ? "cancelled" : "failed", code, message: messageOf(error) };
}

async function record(context: Context, workplace: Workplace, deed: Deed): Promise<void> {
  if ((await workplace.timeline.record(deed)) === "repository") return;
  context.reporter.emit({ type: "note", level: "warn", message: "the timeline in the repository could not be reached; the entry is kept on this host and added next time" });
}

function warnOfEntry(context: Context, failure: unknown): void {
  context.reporter.emit({ type: "note", level: "warn", message: `the timeline entry could not be written: ${messageOf(failure)}` });
}
