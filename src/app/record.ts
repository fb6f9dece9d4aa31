/** Every action leaves an entry in the timeline, also one that failed or was cancelled. */
import { HoldfastError, messageOf } from "../errors.ts";
import type { Context, Workplace } from "./context.ts";

export interface Action {
  readonly action: string;
  readonly subject: { database?: string; backup?: string; target?: string };
  readonly reason?: string | undefined;
}

/**
 * Runs `work` and records how it ended. `work` may complete the subject as it learns it (the id of the new backup).
 * A timeline that cannot be reached keeps the entry on this host and warns; it does not undo what was done.
 */
export async function recorded<T>(context: Context, workplace: Workplace, action: Action, work: (subject: Action["subject"]) => Promise<T>): Promise<T> {
  const started = context.clock.now();
  const subject = { ...action.subject };
  const record = async (outcome: { outcome: "ok" | "failed" | "cancelled"; code?: string; message?: string }): Promise<void> => {
    const kept = await workplace.timeline.record({
      action: action.action,
      subject,
      reason: action.reason ?? null,
      seconds: (context.clock.now().getTime() - started.getTime()) / 1000,
      outcome: outcome.outcome,
      code: outcome.code ?? null,
      message: outcome.message ?? null,
    });
    if (kept === "pending") context.reporter.emit({ type: "note", level: "warn", message: "the timeline in the repository could not be reached; the entry is kept on this host and added next time" });
  };
  try {
    const result = await work(subject);
    await record({ outcome: "ok" });
    return result;
  } catch (error) {
    const code = error instanceof HoldfastError ? error.code : "bug";
    await record({ outcome: code === "cancelled" ? "cancelled" : "failed", code, message: messageOf(error) }).catch((failure: unknown) => {
      context.reporter.emit({ type: "note", level: "warn", message: `the timeline entry could not be written: ${messageOf(failure)}` });
    });
    throw error;
  }
}
