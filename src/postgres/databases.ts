/** Databases of a server as whole things: made, looked at, renamed, dropped. All through an admin session. */
import { HoldfastError } from "../errors.ts";
import { identifier, literal, openSession, type Session, SqlError } from "./session.ts";
import type { Server } from "./server.ts";
import type { Truth } from "./truth/truth.ts";

const longestName = 63;

/** `name` with a suffix, cut to what PostgreSQL keeps of a name: 63 bytes, whole characters. */
export function suffixed(name: string, suffix: string): string {
  let head = name;
  while (Buffer.byteLength(head + suffix) > longestName) head = head.replace(/.$/su, "");
  return head + suffix;
}

export async function databaseExists(admin: Session, name: string): Promise<boolean> {
  const rows = await admin.rows(`SELECT 1 FROM pg_database WHERE datname = ${literal(name)}`);
  return rows.length > 0;
}

/** Relations, functions and types that somebody made in a database: 0 means that nothing would be overwritten. */
export async function countObjects(server: Server, name: string, signal?: AbortSignal): Promise<number> {
  const session = await openSession(server.target(name), signal ? { signal } : {});
  try {
    const { objects } = await session.row<{ objects: number }>(`
      SELECT (SELECT count(*) FROM pg_class c WHERE ${userMade("c", "pg_class", "c.relnamespace")})
           + (SELECT count(*) FROM pg_proc p WHERE ${userMade("p", "pg_proc", "p.pronamespace")})
           + (SELECT count(*) FROM pg_type t WHERE t.typrelid = 0 AND t.typelem = 0 AND ${userMade("t", "pg_type", "t.typnamespace")})
           + (SELECT count(*) FROM pg_largeobject_metadata) AS objects`);
    return objects;
  } finally {
    await session.close();
  }
}

function userMade(alias: string, catalog: string, namespace: string): string {
  return `${namespace} NOT IN (SELECT oid FROM pg_namespace WHERE nspname IN ('pg_catalog', 'information_schema', 'pg_toast') OR nspname LIKE 'pg\\_temp\\_%' OR nspname LIKE 'pg\\_toast\\_%')
    AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = '${catalog}'::regclass AND d.objid = ${alias}.oid AND d.deptype = 'e')`;
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

export async function dropDatabase(admin: Session, name: string): Promise<void> {
  await admin.execute(`DROP DATABASE IF EXISTS ${identifier(name)} WITH (FORCE)`);
}

/** Free bytes where the server keeps its data, if it is on this machine and lets us look. */
export async function dataDirectory(admin: Session): Promise<string | undefined> {
  const rows = await admin.rows<{ setting: string }>("SELECT setting FROM pg_settings WHERE name = 'data_directory'");
  return rows[0]?.setting;
}
