/** The story of an undo: the database that a swap set aside comes back, and the one in its place is kept in turn. */
import { HoldfastError } from "../../errors.ts";
import { runStep } from "../../ports.ts";
import { databaseExists } from "../../postgres/databases.ts";
import { openAdminSession } from "../../postgres/server.ts";
import { shellWord } from "../../process/shell-word.ts";
import { type Context, databaseNamed, reachTarget, shownTarget } from "../context.ts";
import { openFor, recorded } from "../record.ts";
import { exchange, keptName, newestKept } from "./swap-database.ts";

export interface UndoOptions {
  readonly database?: string | undefined;
  /** The live database to replace, by name or URL; the configured one by default. */
  readonly target?: string | undefined;
  readonly confirm?: string | undefined;
  readonly drainMs: number;
  readonly reason?: string | undefined;
}

export interface UndoResult {
  /** The database that is live again. */
  readonly target: string;
  /** Under which name it was kept. */
  readonly restored: string;
  /** Under which name the database that was live until now is kept; undefined if there was none. */
  readonly kept: string | undefined;
}

/**
 * Brings back the database that was set aside last. What was written since then stays in the one set aside now, so a
 * second undo changes both back again.
 * @throws HoldfastError `not-found` when none is set aside, `refused` without the confirmation
 */
export async function undoSwap(context: Context, options: UndoOptions): Promise<UndoResult> {
  const database = databaseNamed(context.config, options.database);
  const workplace = await openFor(context, { action: "restore undo", subject: { database: database.name, ...(options.target !== undefined && { target: shownTarget(options.target) }) }, reason: options.reason });
  try {
    const { server, name: target } = await reachTarget(context, database, options.target);
    const admin = await openAdminSession(server, context.signal, target);
    const [restored, exists] = await Promise.all([newestKept(admin, target), databaseExists(admin, target)]).finally(() => admin.close());
    if (restored === undefined) {
      throw new HoldfastError("not-found", `no database was set aside by a swap of ${target}`, {
        hints: ["`psql -l` lists the server's databases. One that was renamed by hand comes back by hand: ALTER DATABASE … RENAME TO …, WITH ALLOW_CONNECTIONS true."],
      });
    }
    if (options.confirm !== target) {
      throw new HoldfastError("refused", `undo brings back ${restored} in the place of ${target}, and what was written to ${target} since the swap goes aside`, {
        hints: [`Confirm with --confirm ${shellWord(target)}.`],
      });
    }
    const aside = keptName(context, target);
    context.reporter.emit({ type: "plan", steps: [{ id: "undo", title: `bring back ${restored} as ${target}` }] });
    await recorded(context, workplace, { action: "restore undo", subject: { database: database.name, target }, reason: options.reason }, () =>
      runStep(context.reporter, "undo", () => exchange(context, server, { live: target, beside: restored, aside, drainMs: options.drainMs }), () => (exists ? `${aside} is kept` : target)),
    );
    return { target, restored, kept: exists ? aside : undefined };
  } finally {
    await workplace.close();
  }
}
