/**
 * Somebody else's query, asked as his application would ask it, and safely: psql never reads it (it would take `\!` and
 * `:name` for its own), the server takes one statement only, in a read-only transaction, and stops it in time.
 */
import { randomBytes } from "node:crypto";

import { literal, type Session, SqlError } from "./session.ts";

export interface Answer {
  /** 2 stands for any number above 1: no more are fetched. */
  readonly rows: 0 | 1 | 2;
  /** Of the first row; 0 without rows. */
  readonly columns: number;
  /** The first row's value, where it has one column only. */
  readonly value: { readonly kind: "null" | "boolean" | "number" | "text"; readonly text: string } | undefined;
}

export interface AskOptions {
  /** Milliseconds that the server may take. */
  readonly timeoutMs: number;
  /** Where unqualified names are looked for, as SET takes it; the database's own default if absent. */
  readonly searchPath?: string | undefined;
}

/**
 * Asks `sql`, one statement that yields rows, in a transaction of its own that is rolled back. The session must be in none.
 * @throws SqlError whose message may quote `sql`: only its SQLSTATE is fit to be shown
 */
export async function ask(session: Session, sql: string, { timeoutMs, searchPath }: AskOptions): Promise<Answer> {
  const path = searchPath ?? (await defaultSearchPath(session));
  await session.execute("BEGIN READ ONLY");
  try {
    await session.execute(`SET LOCAL statement_timeout = ${timeoutMs}`);
    const setting = `holdfast.answer_${randomBytes(6).toString("hex")}`;
    await session.execute(fetching(sql, path, setting));
    const { answer } = await session.row<{ answer: string }>(`SELECT current_setting('${setting}') AS answer`);
    return read(JSON.parse(answer) as Fetched);
  } finally {
    await session.execute("ROLLBACK").catch((error: unknown) => { if (error instanceof SqlError) throw error; });
  }
}

interface Fetched {
  readonly rows: 0 | 1 | 2;
  readonly columns: number;
  readonly type: string | null;
  readonly text: string | null;
}

function read({ rows, columns, type, text }: Fetched): Answer {
  if (columns !== 1 || type === null) return { rows, columns, value: undefined };
  const kind = type === "null" || type === "boolean" || type === "number" ? type : "text";
  return { rows, columns, value: { kind, text: text ?? "" } };
}

/**
 * A cursor takes no second statement and nothing that yields no rows; a setting carries the answer out, since DO returns
 * none. The application's search path is in force for its query alone.
 */
function fetching(sql: string, path: string, setting: string): string {
  const tag = `$h${randomBytes(8).toString("hex")}$`;
  return `DO ${tag}
DECLARE
  answers refcursor; first record; other record; seen int := 0; fetched json;
BEGIN
  PERFORM set_config('search_path', ${literal(path)}, true);
  OPEN answers NO SCROLL FOR EXECUTE ${literal(sql)};
  FETCH answers INTO first;
  IF FOUND THEN
    seen := 1;
    FETCH answers INTO other;
    IF FOUND THEN seen := 2; END IF;
  END IF;
  PERFORM pg_catalog.set_config('search_path', '', true);
  IF seen > 0 THEN
    SELECT json_build_object('rows', seen, 'columns', count(*), 'type', min(json_typeof(e.value)), 'text', CASE WHEN count(*) = 1 THEN min(e.value #>> '{}') END)
      INTO fetched FROM json_each(to_json(first)) e;
  ELSE
    fetched := json_build_object('rows', 0, 'columns', 0, 'type', NULL, 'text', NULL);
  END IF;
  PERFORM set_config('${setting}', fetched::text, true);
END ${tag}`;
}

/** What a session of an application finds that sets nothing itself; ours begins with an empty path, so RESET would not tell. */
export async function defaultSearchPath(session: Session): Promise<string> {
  const { path } = await session.row<{ path: string }>(`
    SELECT coalesce(
      (SELECT substr(setting, length('search_path=') + 1)
         FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) setting
        WHERE s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()) AND s.setrole = 0 AND setting LIKE 'search\\_path=%'),
      (SELECT boot_val FROM pg_settings WHERE name = 'search_path')) AS path`);
  return path;
}
