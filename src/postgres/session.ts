/**
 * A conversation with the server through psql, so that every query takes exactly the road that pg_dump takes: libpq's
 * own TLS, passfile, service and socket rules, and `docker exec` where the host has no client (docs/decisions/0002).
 *
 * Rules: results come back as JSON; errors carry the SQLSTATE and the primary message only, because DETAIL and CONTEXT
 * may quote row values.
 */
import { randomBytes } from "node:crypto";
import type { Readable } from "node:stream";

import { HoldfastError, type ErrorCode } from "../errors.ts";
import { withoutQuotedValues } from "../process/row-values.ts";
import { shareBackends } from "./pooler.ts";
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
  /** True if a pooler stands between, one that leaves us our backend for as long as the session lasts. */
  readonly pooled: boolean;
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

/**
 * In force from the first statement on. A snapshot is held for as long as the dump takes: no limit of the role or the
 * database may end it before; but as for pg_dump, a table that somebody keeps locked must not hold the run for ever. The empty search path keeps functions that somebody put into a schema of his out of our
 * queries, which often run as superuser.
 */
const settings = {
  search_path: "",
  client_min_messages: "error",
  statement_timeout: "0",
  lock_timeout: "5min",
  idle_in_transaction_session_timeout: "0",
  row_security: "off",
  standard_conforming_strings: "on",
} as const;
/** Known to some versions only, so they are set where they exist. */
const laterTimeouts = ["idle_session_timeout", "transaction_timeout"];
/** A setting of ours that only a server which reads the startup options has: a pooler refuses them or leaves them out. */
const directMark = "holdfast.direct";

interface Pending {
  readonly marker: string;
  readonly lines: string[];
  readonly resolve: (lines: string[]) => void;
  readonly reject: (error: Error) => void;
}

export interface SessionOptions {
  readonly signal?: AbortSignal;
  readonly applicationName?: string;
}

/**
 * Opens a session.
 * @throws HoldfastError `database-unreachable` when the server cannot be reached or refuses the login, `configuration`
 * when a pooler hands each transaction to another backend
 */
export async function openSession(target: SessionTarget, options: SessionOptions = {}): Promise<Session> {
  const session = await openDirectly(target, options);
  return session ?? openThroughPooler(target, options);
}

/** A session with its settings in place, or undefined if what answers is not the server itself. */
async function openDirectly(target: SessionTarget, options: SessionOptions): Promise<Session | undefined> {
  const startup = [...Object.entries(settings), [directMark, "on"] as const].map(([name, value]) => `-c ${name}=${value}`).join(" ");
  const session = startPsql({ ...target, env: { ...target.env, PGOPTIONS: `${target.env["PGOPTIONS"] ?? ""} ${startup}`.trim() } }, options, false);
  try {
    const mark = `coalesce(current_setting('${directMark}', true), '') = 'on'`;
    const names = laterTimeouts.map((name) => `'${name}'`).join(", ");
    const { direct } = await session.row<{ direct: boolean }>(`SELECT ${mark} AS direct, (SELECT count(set_config(name, '0', false)) FROM pg_settings WHERE ${mark} AND name IN (${names})) AS set`);
    if (direct) return session;
    await session.close();
    return undefined;
  } catch (error) {
    await session.close();
    if (error instanceof HoldfastError && /startup parameter|command-line options/i.test(error.message)) return undefined;
    throw error;
  }
}

/** Nothing may be set before it is clear whose backend this is: in transaction mode it would be set for others as well. */
async function openThroughPooler(target: SessionTarget, options: SessionOptions): Promise<Session> {
  const [session, other] = [startPsql(target, options, true), startPsql(target, options, true)];
  try {
    if (await shareBackends(session, other)) throw poolerError();
    const values = Object.entries(settings).map(([name, value]) => `('${name}', '${value}')`);
    const later = laterTimeouts.map((name) => `('${name}', '0')`);
    await session.rows(`SELECT set_config(name, value, false) AS set FROM (VALUES ${[...values, ...later].join(", ")}) v (name, value) JOIN pg_settings USING (name)`);
    return session;
  } catch (error) {
    await session.close();
    throw error;
  } finally {
    // It may still be waiting for a backend.
    other.kill();
    await other.close();
  }
}

function poolerError(): HoldfastError {
  return new HoldfastError("configuration", "the database URL leads to a connection pooler in transaction mode, through which no snapshot can be held: nothing can be backed up or restored", {
    hints: ["Give holdfast the direct URL of the server (Prisma's directUrl), or the pooler's own port in session mode."],
  });
}

function startPsql(target: SessionTarget, { signal, applicationName = "holdfast" }: SessionOptions, pooled: boolean): PsqlSession {
  const tool = startTool(target.psql, ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--no-password"], {
    env: { PGCONNECT_TIMEOUT: "10", PGAPPNAME: applicationName, ...target.env, PGCLIENTENCODING: "UTF8" },
    ...(signal && { signal }),
  });
  return new PsqlSession(tool, pooled);
}

class PsqlSession implements Session {
  readonly #tool: RunningTool;
  #pending: Pending | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  #connected = false;
  readonly pooled: boolean;

  constructor(tool: RunningTool, pooled: boolean) {
    this.#tool = tool;
    this.pooled = pooled;
    // A psql that died closes its stdin; the loss is reported by `done`, not by EPIPE here.
    tool.stdin.on("error", () => undefined);
    readLines(tool.stdout, (line) => { this.#read(line); });
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
          // Asked after its end, it says why it ended: a cancellation stays one.
          else this.#tool.done.then(() => { this.#lost(new HoldfastError("database-unreachable", "the database session has ended")); }, (error: unknown) => { this.#lost(this.#explain(error)); });
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
      pending.reject(new SqlError(sqlState, publicMessage(sqlState, message.join(" "))));
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
      return new HoldfastError("configuration", error.message, {
        hints: ["Install the PostgreSQL client tools, or name their folder with HOLDFAST_PG_BIN."],
        cause: error,
      });
    }
    const said = error.lastLines === "" ? error.message : error.lastLines.replace(/^psql: (?:error: )?/, "");
    const code: ErrorCode = "database-unreachable";
    return this.#connected
      ? new HoldfastError(code, `the connection to the database was lost: ${said}`, { cause: error })
      : new HoldfastError(code, `cannot connect to the database: ${said}`, { hints: connectionHints(said), cause: error });
  }
}

/**
 * Calls `onLine` with each line. Only a line feed ends one: what readline takes for line ends besides (U+2028, a bare
 * carriage return) may stand in a name, and a line may be as long as a result with all its rows.
 */
function readLines(stream: Readable, onLine: (line: string) => void): void {
  let started: string[] = [];
  stream.setEncoding("utf8").on("data", (text: string) => {
    const [first = "", ...more] = text.split("\n");
    started.push(first);
    for (const next of more) {
      const line = started.join("");
      started = [next];
      onLine(line);
    }
  });
}

/** The first line of a primary message without the values in it; of an exception that a function of the database's own raised, nothing. */
function publicMessage(sqlState: string, message: string): string {
  return sqlState === "P0001" ? "the database's own code raised an exception" : withoutQuotedValues(message);
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
