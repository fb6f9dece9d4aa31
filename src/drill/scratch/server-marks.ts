/**
 * What a drill makes on a server that it shares with others, and how it is found again. A restore overwrites the comment of
 * the database, so the note stands on a role of the same name that cannot log in: the marker. It is there before the
 * database is and goes after it. Every role that is made for the drill is granted to the marker in the transaction that
 * makes it, so that a role somebody else has made in the meantime is never taken for one of the drill's.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";

import { HoldfastError, messageOf } from "../../errors.ts";
import { dropDatabase } from "../../postgres/databases.ts";
import { majorOf, type Server } from "../../postgres/server.ts";
import { identifier, literal, openSession, type Session } from "../../postgres/session.ts";
import { type Note, readNoteText } from "./owner.ts";

/** The marker's comment: the note, and the roles that were there before, none of which is ever dropped. */
const commentSchema = z.looseObject({ roles: z.array(z.string()) });

export const markPattern = "^holdfast_drill_[0-9]+_[0-9a-z]+_[0-9a-f]{8}";

/** Makes the marker: whole, or not at all. */
export async function makeMarker(admin: Session, marker: string, note: Note, { facts }: Server): Promise<void> {
  const roles = await admin.rows<{ role: string }>("SELECT rolname AS role FROM pg_roles ORDER BY 1");
  await admin.execute("BEGIN");
  await admin.execute(`CREATE ROLE ${identifier(marker)} NOLOGIN`);
  await admin.execute(`COMMENT ON ROLE ${identifier(marker)} IS ${literal(JSON.stringify({ ...note, roles: roles.map(({ role }) => role) }))}`);
  // Through the marker, who is no superuser may drop what the restore gives to the roles that it makes.
  if (!facts.superuser) await admin.execute(`GRANT ${identifier(marker)} TO CURRENT_USER${majorOf(facts.versionNum) >= 16 ? " WITH INHERIT TRUE" : ""}`);
  await admin.execute("COMMIT");
}

export interface Marked {
  readonly marker: string;
  readonly note: Note | undefined;
  /** Whether somebody is connected to a database of that name. */
  readonly inUse: boolean;
}

/** Every marker, and every database that has lost its own. */
export async function findMarked(admin: Session): Promise<Marked[]> {
  const rows = await admin.rows<{ marker: string; comment: string | null; inUse: boolean }>(`
    SELECT n.marker, (SELECT shobj_description(r.oid, 'pg_authid') FROM pg_roles r WHERE r.rolname = n.marker) AS comment,
           EXISTS (SELECT 1 FROM pg_stat_activity a WHERE starts_with(a.datname, n.marker)) AS "inUse"
      FROM (SELECT substring(rolname FROM ${literal(markPattern)}) AS marker FROM pg_roles WHERE rolname ~ ${literal(`${markPattern}$`)}
            UNION SELECT substring(datname FROM ${literal(markPattern)}) FROM pg_database WHERE datname ~ ${literal(markPattern)}) n ORDER BY 1`);
  return rows.map(({ marker, comment, inUse }) => ({ marker, note: readNoteText(comment ?? ""), inUse }));
}

const patienceMs = 10_000;

/**
 * Removes sessions, databases and roles of a drill, and the marker when all else is gone.
 * @returns what is still there, looked for afterwards
 */
export async function removeMarked(admin: Session, server: Server, marker: string): Promise<string[]> {
  const failures = new Map<string, string>();
  const attempt = async (what: string, work: () => Promise<unknown>): Promise<void> => {
    await work().catch((error: unknown) => {
      // Of a server that is gone nothing can be said.
      if (error instanceof HoldfastError) throw error;
      failures.set(what, messageOf(error));
    });
  };
  await attempt("sessions", () => endSessions(admin, marker));
  for (const database of await databasesOf(admin, marker)) {
    await attempt(`database ${database}`, () => dropSubscriptions(admin, server, database));
    await attempt(`database ${database}`, () => dropDatabase(admin, database));
  }
  const roles = await rolesOf(admin, marker);
  // One statement for all: they may have granted one another their membership.
  if (roles.length > 0) await admin.execute(`DROP ROLE ${roles.map(identifier).join(", ")}`).catch(() => undefined);
  for (const role of await rolesOf(admin, marker)) await attempt(`role ${role}`, () => admin.execute(`DROP ROLE ${identifier(role)}`));

  const left = [...(await databasesOf(admin, marker)).map((name) => `database ${name}`), ...(await rolesOf(admin, marker)).map((name) => `role ${name}`)];
  // As long as something is there, the marker says whose it is.
  if (left.length === 0) await attempt(`role ${marker}`, () => admin.execute(`DROP ROLE IF EXISTS ${identifier(marker)}`));
  const markers = await admin.rows(`SELECT 1 FROM pg_roles WHERE rolname = ${literal(marker)}`);
  if (markers.length > 0) left.push(`role ${marker}`);
  const sessions = await admin.rows(sessionsOf(marker));
  if (sessions.length > 0) left.push(`${sessions.length} sessions`);
  return left.map((what) => (failures.has(what) ? `${what} (${failures.get(what) ?? ""})` : what));
}

const sessionsOf = (marker: string): string => `SELECT pid FROM pg_stat_activity WHERE application_name = ${literal(marker)} AND pid <> pg_backend_pid()`;

/** A CREATE DATABASE whose client was killed runs on, and would make the database after it was looked for. */
async function endSessions(admin: Session, marker: string): Promise<void> {
  const pollMs = 20;
  for (let waited = 0; waited < patienceMs; waited += pollMs) {
    const rows = await admin.rows(`SELECT pg_terminate_backend(pid) AS ended FROM (${sessionsOf(marker)}) s`);
    if (rows.length === 0) return;
    await sleep(pollMs);
  }
}

/** The restore may give its database another name for a while, one that begins with the marker's. */
async function databasesOf(admin: Session, marker: string): Promise<string[]> {
  const rows = await admin.rows<{ name: string }>(`SELECT datname AS name FROM pg_database WHERE starts_with(datname, ${literal(marker)}) ORDER BY 1`);
  return rows.map(({ name }) => name);
}

async function rolesOf(admin: Session, marker: string): Promise<string[]> {
  const rows = await admin.rows<{ role: string; comment: string | null }>(`
    SELECT r.rolname AS role, shobj_description(m.member, 'pg_authid') AS comment FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid JOIN pg_roles k ON k.oid = m.member
     WHERE k.rolname = ${literal(marker)} GROUP BY 1, 2 ORDER BY 1`);
  return rows.flatMap(({ role, comment }) => {
    const before = rolesBefore(comment);
    return before !== undefined && !before.includes(role) ? [role] : [];
  });
}

function rolesBefore(comment: string | null): readonly string[] | undefined {
  try {
    return commentSchema.safeParse(JSON.parse(comment ?? "")).data?.roles;
  } catch {
    return undefined;
  }
}

/** A restored subscription holds its database; it never had a slot on its publisher, which therefore is not asked. */
async function dropSubscriptions(admin: Session, server: Server, database: string): Promise<void> {
  const there = await admin.rows<{ name: string }>(`SELECT s.subname AS name FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid WHERE d.datname = ${literal(database)}`).catch(() => []);
  if (there.length === 0) return;
  const session = await openSession(server.target(database));
  try {
    for (const { name } of there) {
      for (const statement of ["ALTER SUBSCRIPTION % DISABLE", "ALTER SUBSCRIPTION % SET (slot_name = NONE)", "DROP SUBSCRIPTION %"]) await session.execute(statement.replace("%", () => identifier(name)));
    }
  } finally {
    await session.close();
  }
}
