/** Handing over by rename: the copy takes its name, the live database steps aside and is kept, and both can change back. */
import { setTimeout as sleep } from "node:timers/promises";

import { HoldfastError, throwIfCancelled } from "../errors.ts";
import { runStep } from "../ports.ts";
import { countObjects, databaseExists, dropDatabase, suffixed } from "../postgres/databases.ts";
import { openAdminSession } from "../postgres/server.ts";
import { identifier, literal, type Session, SqlError } from "../postgres/session.ts";
import { type Context, databaseNamed, reachDatabase } from "./context.ts";
import { openFor, recorded } from "./record.ts";
import type { RestoreWork } from "./restore-backup.ts";

const keptMark = "_holdfast_old_";
const undoneMark = "_holdfast_undone_";

/** Gives the copy its name, which is free or belongs to an empty database. */
export async function giveName({ admin, target, server, context }: RestoreWork, beside: string): Promise<undefined> {
  // Since the preflight somebody may have filled it: an empty database is dropped, any other is not.
  if (await databaseExists(admin, target)) {
    if ((await countObjects(server, target, context.signal)) > 0) throw new HoldfastError("refused", `database ${target} was filled while the restore ran`, { hints: ["Restore again under another name."] });
    await dropDatabase(admin, target);
  }
  await admin.execute(`ALTER DATABASE ${identifier(beside)} RENAME TO ${identifier(target)}`);
  return undefined;
}

/** The time as part of a database name; sorts. */
const stamp = (now: Date): string => now.toISOString().replace(/[-:TZ]|\.\d+/g, "");

/**
 * Puts `beside` in the place of `live`. Both renames are one transaction; clients are kept out from before until after.
 * @returns the name under which the former live database is kept, closed to connections
 */
export async function swapDatabases(context: Context, admin: Session, swap: { live: string; beside: string; drainMs: number }): Promise<string> {
  const kept = suffixed(swap.live, keptMark + stamp(context.clock.now()));
  await exchange(context, admin, { ...swap, aside: kept });
  return kept;
}

async function exchange(context: Context, admin: Session, names: { live: string; beside: string; aside: string; drainMs: number }): Promise<void> {
  const { live, beside, aside } = names;
  await allowConnections(admin, live, false);
  try {
    await drain(context, admin, live, names.drainMs);
    await drain(context, admin, beside, 0);
    // A DO block is one statement and so one transaction: either both names change or none.
    await admin.execute(`DO $rename$ BEGIN
      EXECUTE ${literal(`ALTER DATABASE ${identifier(live)} RENAME TO ${identifier(aside)}`)};
      EXECUTE ${literal(`ALTER DATABASE ${identifier(beside)} RENAME TO ${identifier(live)}`)};
    END $rename$`);
  } catch (error) {
    await allowConnections(admin, live, true).catch(() => undefined);
    if (error instanceof SqlError) {
      throw new HoldfastError("restore-failed", `the databases could not be renamed: ${error.message}; ${live} is unchanged and open again`, {
        hints: ["Stop what reconnects to it, then restore again with --swap."],
        cause: error,
      });
    }
    throw error;
  }
  await allowConnections(admin, live, true);
}

function allowConnections(admin: Session, name: string, allow: boolean): Promise<void> {
  return admin.execute(`ALTER DATABASE ${identifier(name)} WITH ALLOW_CONNECTIONS ${allow}`);
}

/** Waits until nobody is connected; after `drainMs` ends the connections that are left. */
async function drain(context: Context, admin: Session, name: string, drainMs: number): Promise<void> {
  const pollMs = 200;
  const patience = 10_000;
  for (let waited = 0; ; waited += pollMs) {
    throwIfCancelled(context.signal);
    const { clients } = await admin.row<{ clients: number }>(`SELECT count(*) AS clients FROM pg_stat_activity WHERE datname = ${literal(name)}`);
    if (clients === 0) return;
    if (waited >= drainMs) await admin.rows(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ${literal(name)}`);
    if (waited >= drainMs + patience) {
      throw new HoldfastError("restore-failed", `${clients} connections to ${name} could not be ended`, { hints: ["Ending other users' connections needs pg_signal_backend or their role."] });
    }
    await sleep(pollMs);
  }
}

export interface UndoOptions {
  readonly database?: string | undefined;
  /** The live database to replace; the configured one by default. */
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
  /** Under which name the database that was live until now is kept. */
  readonly kept: string;
}

/**
 * Brings back the database that the last swap set aside. What was written since then stays in the one set aside now.
 * @throws HoldfastError `not-found` when no swap is left to undo, `refused` without the confirmation
 */
export async function undoSwap(context: Context, options: UndoOptions): Promise<UndoResult> {
  const database = databaseNamed(context.config, options.database);
  const workplace = await openFor(context, { action: "restore undo", subject: { database: database.name, ...(options.target !== undefined && { target: options.target }) }, reason: options.reason });
  try {
    const server = await reachDatabase(context, database);
    const target = options.target ?? server.facts.database;
    const admin = await openAdminSession(server, context.signal);
    try {
      const restored = await newestKept(admin, target);
      if (restored === undefined) {
        throw new HoldfastError("not-found", `no database was set aside by a swap of ${target}`, { hints: [`Such a database is called ${target}${keptMark}…; \`psql -l\` lists them.`] });
      }
      if (options.confirm !== target) {
        throw new HoldfastError("refused", `undo brings back ${restored} in the place of ${target}, and what was written to ${target} since the swap goes aside`, {
          hints: [`Confirm with --confirm ${JSON.stringify(target)}.`],
        });
      }
      const kept = suffixed(target, undoneMark + stamp(context.clock.now()));
      context.reporter.emit({ type: "plan", steps: [{ id: "undo", title: `bring back ${restored} as ${target}` }] });
      await recorded(context, workplace, { action: "restore undo", subject: { database: database.name, target }, reason: options.reason }, () =>
        runStep(context.reporter, "undo", () => exchange(context, admin, { live: target, beside: restored, aside: kept, drainMs: options.drainMs }), () => `${kept} is kept`),
      );
      return { target, restored, kept };
    } finally {
      await admin.close();
    }
  } finally {
    await workplace.close();
  }
}

/** The database that the last swap of `live` set aside. */
async function newestKept(admin: Session, live: string): Promise<string | undefined> {
  const prefix = suffixed(live, `${keptMark}00000000000000`).slice(0, -14);
  const rows = await admin.rows<{ name: string }>(`SELECT datname AS name FROM pg_database WHERE starts_with(datname, ${literal(prefix)}) ORDER BY datname DESC LIMIT 1`);
  return rows[0]?.name;
}
