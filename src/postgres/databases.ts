/** Databases of a server as whole things: made, looked at, renamed, dropped. All through an admin session. */
import { createHash } from "node:crypto";

import { HoldfastError } from "../errors.ts";
import { identifier, literal, openSession, type Session, SqlError } from "./session.ts";
import type { Server } from "./server.ts";
import type { Truth } from "./truth/truth.ts";

const longestName = 63;

/**
 * `name` with a suffix, in what PostgreSQL keeps of a name: 63 bytes, whole characters. Of a name that must be cut a digest
 * stays: two long names that begin alike do not get the same suffixed one.
 */
export function suffixed(name: string, suffix: string): string {
  if (Buffer.byteLength(name + suffix) <= longestName) return name + suffix;
  const tail = `~${createHash("sha256").update(name).digest("hex").slice(0, 8)}${suffix}`;
  let head = name;
  while (Buffer.byteLength(head + tail) > longestName) head = head.replace(/.$/su, "");
  return head + tail;
}

export async function databaseExists(admin: Session, name: string): Promise<boolean> {
  const rows = await admin.rows(`SELECT 1 FROM pg_database WHERE datname = ${literal(name)}`);
  return rows.length > 0;
}

/** What somebody made in a database (schemas, relations, functions, types, large objects…): 0 means that nothing would be overwritten. */
export async function countObjects(server: Server, name: string, signal?: AbortSignal): Promise<number> {
  const session = await openSession(server.target(name), signal ? { signal } : {});
  try {
    const { objects } = await session.row<{ objects: number }>(`
      SELECT (SELECT count(*) FROM pg_class c WHERE ${userMade("c", "pg_class", "c.relnamespace")})
           + (SELECT count(*) FROM pg_proc p WHERE ${userMade("p", "pg_proc", "p.pronamespace")})
           + (SELECT count(*) FROM pg_type t WHERE t.typrelid = 0 AND t.typelem = 0 AND ${userMade("t", "pg_type", "t.typnamespace")})
           + (SELECT count(*) FROM pg_namespace n WHERE n.oid >= 16384 AND n.nspname !~ '^pg_(temp|toast)' AND ${notExtended("pg_namespace", "n")})
           + (SELECT count(*) FROM pg_event_trigger e WHERE ${notExtended("pg_event_trigger", "e")})
           + (SELECT count(*) FROM pg_publication) + (SELECT count(*) FROM pg_foreign_server) + (SELECT count(*) FROM pg_default_acl)
           + (SELECT count(*) FROM pg_largeobject_metadata) AS objects`);
    return objects;
  } finally {
    await session.close();
  }
}

function userMade(alias: string, catalog: string, namespace: string): string {
  return `${namespace} NOT IN (SELECT oid FROM pg_namespace WHERE nspname IN ('pg_catalog', 'information_schema', 'pg_toast') OR nspname LIKE 'pg\\_temp\\_%' OR nspname LIKE 'pg\\_toast\\_%')
    AND ${notExtended(catalog, alias)}`;
}

function notExtended(catalog: string, alias: string): string {
  return `NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = '${catalog}'::regclass AND d.objid = ${alias}.oid AND d.deptype = 'e')`;
}

/**
 * Makes an empty database like the one that was backed up: same encoding and locale, from template0.
 * @throws HoldfastError `restore-failed`, or `refused` when the server does not have the locale
 */
export async function createDatabaseLike(admin: Session, name: string, like: Truth["database"], serverVersionNum: number): Promise<void> {
  const options = [
    "TEMPLATE template0",
    `ENCODING ${literal(like.encoding)}`,
    `LC_COLLATE ${literal(like.collate)}`,
    `LC_CTYPE ${literal(like.ctype)}`,
    // Named also where it is the usual one: a server whose templates use ICU would take that.
    ...(serverVersionNum >= 150_000 && like.provider === "libc" ? ["LOCALE_PROVIDER libc"] : []),
    ...(serverVersionNum >= 150_000 && like.provider === "icu" ? ["LOCALE_PROVIDER icu", ...(like.icuLocale ? [`ICU_LOCALE ${literal(like.icuLocale)}`] : [])] : []),
    ...(serverVersionNum >= 170_000 && like.provider === "builtin" ? ["LOCALE_PROVIDER builtin", ...(like.icuLocale ? [`BUILTIN_LOCALE ${literal(like.icuLocale)}`] : [])] : []),
  ];
  try {
    await admin.execute(`CREATE DATABASE ${identifier(name)} ${options.join(" ")}`);
  } catch (error) {
    if (!(error instanceof SqlError)) throw error;
    const locale = error.message.includes("locale");
    const code = locale || error.sqlState === "42501" ? "refused" : "restore-failed";
    throw new HoldfastError(code, `cannot create database ${name}: ${error.message}`, {
      hints: locale
        ? [`The backup needs the locale ${like.collate}; install it on the server (\`locale-gen\`) and restart it.`]
        : error.sqlState === "42501"
          ? ["The user needs CREATEDB to restore into a new database."]
          : ["Run `holdfast doctor` to see what the server allows."],
      cause: error,
    });
  }
}

/** Drops a database with whoever is connected to it. */
export async function dropDatabase(admin: Session, name: string): Promise<void> {
  await admin.execute(`DROP DATABASE IF EXISTS ${identifier(name)} WITH (FORCE)`);
}

/** What stands between a database's name and the time, in the name of a copy that is being made. */
export const besideMark = "_holdfast_new_";

/** Copies that nobody is connected to: what interrupted restores left, unless one is just between two of its steps. */
export async function abandonedCopies(admin: Session): Promise<string[]> {
  const rows = await admin.rows<{ name: string }>(`
    SELECT datname AS name FROM pg_database d WHERE datname ~ ${literal(`${besideMark}[0-9a-z]+$`)}
       AND NOT EXISTS (SELECT 1 FROM pg_stat_activity a WHERE a.datid = d.oid) ORDER BY 1`);
  return rows.map(({ name }) => name);
}

/** What stands between a database's name and the time, in the name under which it is kept when it was replaced. */
export const keptMark = "_holdfast_old_";

/** Digits of the time in the name of a kept database: to the millisecond. */
export const keptDigits = 17;

/** Databases that were set aside and are kept for undo. */
export async function keptDatabases(admin: Session): Promise<{ name: string; bytes: number }[]> {
  return admin.rows(`SELECT datname AS name, pg_database_size(oid) AS bytes FROM pg_database WHERE datname ~ ${literal(`${keptMark}[0-9]{${keptDigits}}$`)} ORDER BY 1`);
}

/** Where the server keeps its data, if it lets us look. */
export async function dataDirectory(admin: Session): Promise<string | undefined> {
  const rows = await admin.rows<{ setting: string }>("SELECT setting FROM pg_settings WHERE name = 'data_directory'");
  return rows[0]?.setting;
}
