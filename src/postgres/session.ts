/**
 * A conversation with the server through psql, so that every query takes exactly the road that pg_dump takes: libpq's
 * own TLS, passfile, service and socket rules, and `docker exec` where the host has no client (docs/decisions/0002).
 *
 * Rules: results come back as JSON; errors carry the SQLSTATE and the primary message only, because DETAIL and CONTEXT
 * may quote row values.
 */
import { randomBytes } from "node:crypto";
import { createInterface } from "node:readline";

import { HoldfastError, type ErrorCode } from "../errors.ts";
import { type CommandLine, type RunningTool, runTool, ToolFailure, startTool } from "../process/run.ts";

/** How to reach one database: libpq's environment, and the psql to run. */
export interface SessionTarget {
  readonly psql: CommandLine;
  /** PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE, PGSSLMODE… */
  readonly env: Readonly<Record<string, string>>;
}

/** A statement that the server refused. `message` is the primary message, without row values. */
export class SqlError extends Error {
  override readonly name = "SqlError";
  readonly sqlState: string;

  constructor(sqlState: string, message: string) {
    super(message);
    this.sqlState = sqlState;
  }
}

export interface Session {
  /** Runs a query and returns its rows as objects. `sql` is one SELECT-like statement without a final semicolon. */
  rows<T>(sql: string): Promise<T[]>;
  /** Runs a query that yields exactly one row. */
  row<T>(sql: string): Promise<T>;
  /** Runs one statement that yields no rows, without a final semicolon. */
  execute(sql: string): Promise<void>;
  /** Ends the session; an open transaction is rolled back. Never rejects. */
  close(): Promise<void>;
  /** Ends the session at once; what it was asked rejects. */
  kill(): void;
}

/** A snapshot is held for as long as the dump takes: no limit of the role or the database may end it before. */
const settings = [
  ["client_min_messages", "error"],
  ["statement_timeout", "0"],
  ["lock_timeout", "0"],
  ["idle_in_transaction_session_timeout", "0"],
  ["row_security", "off"],
] as const;

interface Pending {
  readonly marker: string;
  readonly lines: string[];
  readonly resolve: (lines: string[]) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Opens a session.
 * @throws HoldfastError `database-unreachable` when the server cannot be reached or refuses the login
 */
export async function openSession(target: SessionTarget, options: { signal?: AbortSignal; applicationName?: string } = {}): Promise<Session> {
  const tool = startTool(target.psql, ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--no-password"], {
    env: { PGCONNECT_TIMEOUT: "10", PGAPPNAME: options.applicationName ?? "holdfast", ...target.env, PGCLIENTENCODING: "UTF8" },
    ...(options.signal && { signal: options.signal }),
  });
  const session = new PsqlSession(tool);
  try {
    await session.execute("SELECT 1");
    await session.rows(`SELECT ${settings.map(([name, value]) => `set_config('${name}', '${value}', false) AS ${name}`).join(", ")}`);
  } catch (error) {
    await session.close();
    throw error;
  }
  return session;
}

class PsqlSession implements Session {
  readonly #tool: RunningTool;
  #pending: Pending | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  #connected = false;

  constructor(tool: RunningTool) {
    this.#tool = tool;
    // A psql that died closes its stdin; the loss is reported by `done`, not by EPIPE here.
    tool.stdin.on("error", () => undefined);
    createInterface({ input: tool.stdout }).on("line", (line) => { this.#read(line); });
    tool.done.then(
      () => { this.#lost(new HoldfastError("database-unreachable", "the database session ended early")); },
      (error: unknown) => { this.#lost(this.#explain(error)); },
    );
  }

  async rows<T>(sql: string): Promise<T[]> {
    const lines = await this.#ask(`SELECT coalesce(json_agg(to_json(q)), '[]'::json) FROM (\n${sql}\n) AS q`);
    return JSON.parse(lines.join("\n")) as T[];
  }

  async row<T>(sql: string): Promise<T> {
    const [row, ...more] = await this.rows<T>(sql);
    if (row === undefined || more.length > 0) throw new Error(`expected one row of: ${sql}`);
    return row;
  }

  async execute(sql: string): Promise<void> {
    await this.#ask(sql);
  }

  async close(): Promise<void> {
    this.#tool.stdin.end();
    await this.#tool.done.catch(() => undefined);
  }

  kill(): void {
    this.#tool.kill("SIGKILL");
  }

  /** psql answers one statement at a time; the marker's line ends its output and carries its outcome. */
  #ask(sql: string): Promise<string[]> {
    const turn = this.#queue.then(
      () =>
        new Promise<string[]>((resolve, reject) => {
          const marker = `holdfast-${randomBytes(12).toString("hex")}`;
          this.#pending = { marker, lines: [], resolve, reject };
          if (this.#tool.stdin.writable) this.#tool.stdin.write(`${sql}\n;\n\\echo ${marker} :ERROR :SQLSTATE :LAST_ERROR_MESSAGE\n\\echo ${marker}\n`);
          else void this.#tool.done.catch(() => undefined).then(() => { this.#lost(new HoldfastError("database-unreachable", "the database session has ended")); });
        }),
    );
    this.#queue = turn.catch(() => undefined);
    return turn;
  }

  #read(line: string): void {
    const pending = this.#pending;
    if (pending === undefined) return;
    if (line !== pending.marker) {
      pending.lines.push(line);
      return;
    }
    this.#pending = undefined;
    const at = pending.lines.findIndex((text) => text.startsWith(`${pending.marker} `));
    const [, failed, sqlState = "", ...message] = (pending.lines[at] ?? "").split(" ");
    if (failed === "true") {
      const text = [message.join(" "), ...pending.lines.slice(at + 1)].join("\n");
      pending.reject(new SqlError(sqlState, text));
    } else {
      this.#connected = true;
      pending.resolve(pending.lines.slice(0, at));
    }
  }

  #lost(error: Error): void {
    this.#pending?.reject(error);
    this.#pending = undefined;
  }

  #explain(error: unknown): Error {
    if (!(error instanceof ToolFailure)) return error instanceof Error ? error : new Error(String(error));
    if (error.missing) {
      return new HoldfastError("configuration", `psql could not be run: ${error.tool}`, {
        hints: ["Install the PostgreSQL client tools, or name their folder with HOLDFAST_PG_BIN."],
        cause: error,
      });
    }
    const said = error.lastLines.replace(/^psql: (?:error: )?/, "");
    const code: ErrorCode = "database-unreachable";
    return this.#connected
      ? new HoldfastError(code, `the connection to the database was lost: ${said}`, { cause: error })
      : new HoldfastError(code, `cannot connect to the database: ${said}`, { hints: connectionHints(said), cause: error });
  }
}

function connectionHints(said: string): string[] {
  if (/password authentication failed|no password supplied/.test(said)) return ["Check the user and the password of the database URL."];
  if (/database ".*" does not exist/.test(said)) return ["Check the database's name in the URL, or create the database first."];
  if (said.includes("not currently accepting connections")) return ["Somebody closed the database: ALTER DATABASE name WITH ALLOW_CONNECTIONS true opens it; databases that a swap set aside are closed on purpose."];
  if (/role ".*" does not exist/.test(said)) return ["Check the user name of the database URL."];
  if (/Connection refused|No such file or directory|timeout expired/.test(said)) return ["Check that the server runs and that the URL's host and port are its own."];
  if (said.includes("could not translate host name")) return ["Check the host name of the database URL."];
  if (/SSL|certificate/.test(said)) return ["Check sslmode and sslrootcert of the database URL against what the server offers."];
  return ["Run `holdfast doctor` to see which step of the connection fails."];
}

/** Runs a script as psql does, its own commands and variables included, and stops at the first error. */
export async function runScript(target: SessionTarget, script: string, signal?: AbortSignal): Promise<void> {
  const args = ["--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1", "--file=-"];
  try {
    await runTool(target.psql, args, { env: { PGCONNECT_TIMEOUT: "10", PGAPPNAME: "holdfast", ...target.env, PGCLIENTENCODING: "UTF8" }, input: script, ...(signal && { signal }) });
  } catch (error) {
    if (!(error instanceof ToolFailure)) throw error;
    throw new HoldfastError("restore-failed", error.message, { cause: error });
  }
}

/** `name` as a quoted SQL identifier. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** `text` as a quoted SQL string literal, safe whatever standard_conforming_strings says. */
export function literal(text: string): string {
  const quoted = text.replaceAll("'", "''");
  return quoted.includes("\\") ? ` E'${quoted.replaceAll("\\", "\\\\")}'` : `'${quoted}'`;
}
