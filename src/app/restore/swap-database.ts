/** Handing over by rename: the copy takes its name, the live database steps aside and is kept, and both can change back. */
import { setTimeout as sleep } from "node:timers/promises";

import { HoldfastError, messageOf, throwIfCancelled } from "../../errors.ts";
import { countObjects, databaseExists, dropDatabase, keptDigits, keptMark, suffixed } from "../../postgres/databases.ts";
import { openAdminSession, type Server } from "../../postgres/server.ts";
import { identifier, literal, type Session, SqlError } from "../../postgres/session.ts";
import type { Context } from "../context.ts";

/** The time to the millisecond as part of a database name; sorts. */
const stamp = (now: Date): string => now.toISOString().replace(/\D/g, "");

const rename = (from: string, to: string): string => `ALTER DATABASE ${identifier(from)} RENAME TO ${identifier(to)}`;
const allow = (name: string, allowed: boolean): string => `ALTER DATABASE ${identifier(name)} WITH ALLOW_CONNECTIONS ${allowed}`;

/** Under which name `live` is kept when something else takes its place. */
export function keptName(context: Context, live: string): string {
  return suffixed(live, keptMark + stamp(context.clock.now()));
}

/** The database that was set aside last when something took the place of `live`, by a swap or by an undo. */
export async function newestKept(admin: Session, live: string): Promise<string | undefined> {
  const prefix = suffixed(live, keptMark + "0".repeat(keptDigits)).slice(0, -keptDigits);
  const rows = await admin.rows<{ name: string }>(`SELECT datname AS name FROM pg_database WHERE left(datname, ${-keptDigits}) = ${literal(prefix)} AND datname ~ '[0-9]{${keptDigits}}$' ORDER BY datname COLLATE "C" DESC LIMIT 1`);
  return rows[0]?.name;
}

/**
 * Gives the copy its name, which is free or belongs to an empty database. That one steps aside first: nobody can fill it
 * between the last look into it and its end.
 * @throws HoldfastError `refused` if the target was made, filled or used while the restore ran
 */
export async function giveName(context: Context, server: Server, beside: string, target: string): Promise<void> {
  const admin = await openAdminSession(server, undefined, target);
  const refused = (what: string, cause?: unknown): HoldfastError => new HoldfastError("refused", `database ${target} was ${what} while the restore ran`, { hints: ["Give the copy another name, or put it in the database's place with --swap."], cause });
  try {
    const empty = (await databaseExists(admin, target)) ? keptName(context, target) : undefined;
    if (empty !== undefined) {
      await admin.execute(rename(target, empty)).catch((error: unknown) => { throw refused("in use", error); });
      if ((await countObjects(server, empty)) > 0) {
        await admin.execute(rename(empty, target));
        throw refused("filled");
      }
    }
    // Nobody knows the copy yet but a pooler, which keeps connections for whoever comes next.
    await admin.rows(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ${literal(beside)} AND pid <> pg_backend_pid()`).catch(() => undefined);
    await admin.execute(rename(beside, target)).catch((error: unknown) => { throw error instanceof SqlError && error.sqlState !== duplicateDatabase ? new HoldfastError("restore-failed", `the copy could not be given the name ${target}: ${error.message}`, { cause: error }) : refused("made by somebody else", error); });
    if (empty !== undefined) await dropDatabase(admin, empty);
  } finally {
    await admin.close();
  }
}

export interface Exchange {
  readonly live: string;
  /** What takes its place. */
  readonly beside: string;
  /** The name under which the live one is kept, closed to connections. */
  readonly aside: string;
  /** Milliseconds that clients get to finish what they are at. */
  readonly drainMs: number;
}

/** A backend that is rolling back may take longer than the five seconds that PostgreSQL waits in a rename. */
const attempts = 3;

/**
 * Puts `beside` in the place of `live`. Both names change in one transaction, which holds the lock that every new
 * connection needs: whoever connects meanwhile waits, and a run that is killed anywhere leaves `live` as it was, or changed
 * whole; it is never closed. Without a live database `beside` just takes the name.
 */
export async function exchange(context: Context, server: Server, names: Exchange): Promise<void> {
  const { live, beside, aside } = names;
  const admin = await openAdminSession(server, undefined, live);
  const ender = await openAdminSession(server, undefined, live);
  try {
    const exists = await databaseExists(admin, live);
    if (exists) await drain(context, ender, live, names.drainMs);
    throwIfCancelled(context.signal);
    const statements = [...(exists ? [rename(live, aside), allow(aside, false)] : []), rename(beside, live), allow(live, true)];
    for (let attempt = 1; ; attempt += 1) {
      try {
        await renameAmidClients(admin, ender, statements, [live, beside]);
        return;
      } catch (error) {
        if (!(error instanceof SqlError)) throw error;
        const { prepared } = await ender.row<{ prepared: number }>(`SELECT count(*) AS prepared FROM pg_prepared_xacts WHERE database = ${literal(live)}`);
        if (error.sqlState !== objectInUse || prepared > 0 || attempt === attempts) throw await renameFailure(error, ender, live, prepared);
      }
    }
  } finally {
    await Promise.all([admin.close(), ender.close()]);
  }
}

const duplicateDatabase = "42P04";
const objectInUse = "55006";
const insufficientPrivilege = "42501";

/** A DO block is one statement and so one transaction. While it waits for the clients to go, they are ended from beside it. */
async function renameAmidClients(admin: Session, ender: Session, statements: readonly string[], databases: readonly string[]): Promise<void> {
  const names = databases.map(literal).join(", ");
  const body = `BEGIN ${statements.map((sql) => `EXECUTE ${literal(sql)};`).join(" ")} END`;
  const state = { over: false };
  const renaming = admin.execute(`DO ${literal(body)}`).finally(() => { state.over = true; });
  renaming.catch(() => undefined);
  let denied: unknown;
  while (!state.over) {
    await ender.rows(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname IN (${names}) AND pid <> pg_backend_pid()`).catch((error: unknown) => { denied = error; });
    await Promise.race([renaming.catch(() => undefined), sleep(50)]);
  }
  await renaming.catch((error: unknown) => { throw error instanceof SqlError && denied instanceof SqlError && denied.sqlState === insufficientPrivilege ? denied : error; });
}

async function renameFailure(error: SqlError, admin: Session, live: string, prepared: number): Promise<HoldfastError> {
  const { clients } = await admin.row<{ clients: number }>(`SELECT count(*) AS clients FROM pg_stat_activity WHERE datname = ${literal(live)}`);
  const why = prepared > 0 ? `${prepared} prepared transactions hold it` : error.sqlState === objectInUse ? `${clients} connections did not end` : error.message;
  return new HoldfastError("restore-failed", `the databases could not be renamed: ${why}; ${live} is unchanged and open`, {
    hints: [
      prepared > 0
        ? "Commit or roll them back (pg_prepared_xacts names them), then swap again."
        : error.sqlState === insufficientPrivilege
          ? "A rename needs CREATEDB and ownership of both databases; ending other users' connections needs pg_signal_backend, and those of a superuser a superuser."
          : "Stop what is connected to it, then swap again.",
    ],
    cause: error,
  });
}

/** Lets transactions that are under way come to their end, for as long as `drainMs`. Connections at rest lose nothing by being ended. */
async function drain(context: Context, admin: Session, name: string, drainMs: number): Promise<void> {
  const pollMs = 100;
  for (let waited = 0; waited < drainMs; waited += pollMs) {
    throwIfCancelled(context.signal);
    const { busy } = await admin.row<{ busy: number }>(`SELECT count(*) AS busy FROM pg_stat_activity WHERE datname = ${literal(name)} AND backend_type = 'client backend' AND state IS DISTINCT FROM 'idle'`);
    if (busy === 0) return;
    await sleep(pollMs);
  }
  context.reporter.emit({ type: "note", level: "info", message: `connections to ${name} that are still at work are ended now` });
}

/** Says of a copy that was proved and could not be handed over where it is: hours of work are not thrown away. */
export function withCopyKept(error: unknown, beside: string): unknown {
  if (!(error instanceof HoldfastError)) return error;
  return new HoldfastError(error.code, messageOf(error), {
    hints: [...error.hints, `The copy, proved equal, stays as ${identifier(beside)}: rename it by ALTER DATABASE, or drop it.`],
    cause: error,
    ...(error.details && { details: error.details }),
  });
}
