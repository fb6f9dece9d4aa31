/** pg_dump and pg_dumpall as running tools whose output is a part's plain bytes. */
import { HoldfastError } from "../errors.ts";
import { type RunningTool, startTool, ToolFailure } from "../process/run.ts";
import { literal, type Session, SqlError } from "./session.ts";
import { openAdminSession, type Server } from "./server.ts";

/** What to leave out or restrict the dump to; patterns as pg_dump takes them. */
export interface DumpFilter {
  readonly includeTables: readonly string[];
  readonly includeSchemas: readonly string[];
  readonly excludeTables: readonly string[];
  readonly excludeSchemas: readonly string[];
  readonly excludeTableData: readonly string[];
}

export const everything: DumpFilter = { includeTables: [], includeSchemas: [], excludeTables: [], excludeSchemas: [], excludeTableData: [] };

export function isPartial(filter: DumpFilter): boolean {
  return Object.values(filter).some((patterns: readonly string[]) => patterns.length > 0);
}

function filterArguments(filter: DumpFilter): string[] {
  return [
    ...filter.includeTables.map((pattern) => `--table=${pattern}`),
    ...filter.includeSchemas.map((pattern) => `--schema=${pattern}`),
    ...filter.excludeTables.map((pattern) => `--exclude-table=${pattern}`),
    ...filter.excludeSchemas.map((pattern) => `--exclude-schema=${pattern}`),
    ...filter.excludeTableData.map((pattern) => `--exclude-table-data=${pattern}`),
  ];
}

export interface DumpOptions {
  readonly snapshot: string;
  readonly schemaOnly?: boolean;
  readonly filter: DumpFilter;
  /** Marks the backend, so that it can be found and ended. */
  readonly applicationName: string;
  readonly signal?: AbortSignal;
}

/** A table that somebody keeps locked must not hold the nightly run for ever. */
const lockWait = "5min";

/** Starts pg_dump in custom format, uncompressed: zstd does that better, outside the server's one process. */
export function startDump(server: Server, options: DumpOptions): RunningTool {
  return startTool(
    server.client.command("pg_dump"),
    [
      "--format=custom",
      "--compress=0",
      "--no-password",
      `--snapshot=${options.snapshot}`,
      `--lock-wait-timeout=${lockWait}`,
      ...(options.schemaOnly === true ? ["--schema-only"] : []),
      ...filterArguments(options.filter),
    ],
    toolOptions(server, options),
  );
}

/** Starts pg_dumpall for what belongs to the server, not to a database: roles, memberships, tablespaces. */
export function startGlobalsDump(server: Server, options: { rolePasswords: boolean; applicationName: string; signal?: AbortSignal }): RunningTool {
  return startTool(
    server.client.command("pg_dumpall"),
    ["--globals-only", "--no-password", `--database=${databaseArgument(server.facts.database)}`, ...(options.rolePasswords ? [] : ["--no-role-passwords"])],
    toolOptions(server, options),
  );
}

function toolOptions(server: Server, options: { applicationName: string; signal?: AbortSignal }) {
  return {
    env: { PGCONNECT_TIMEOUT: "10", ...server.connection.env, PGAPPNAME: options.applicationName },
    ...(options.signal && { signal: options.signal }),
  };
}

/** A database's name for an argument that would otherwise be read as a connection string. */
export function databaseArgument(name: string): string {
  return `dbname='${name.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}

const changedMeanwhile = /does not exist|could not open relation|cache lookup failed|tuple concurrently updated/;

/** The failure of a dump as an operator should read it. */
export function dumpFailure(part: string, error: unknown): unknown {
  if (error instanceof SqlError) {
    return new HoldfastError("dump-failed", `${part}: the server refused a query: ${error.message}`, { hints: hintsOf(error.message), cause: error, details: { part, sqlState: error.sqlState } });
  }
  if (!(error instanceof ToolFailure)) return error;
  const hints = error.missing ? ["Install the PostgreSQL client programs, or name their folder with HOLDFAST_PG_BIN."] : hintsOf(error.lastLines);
  return new HoldfastError("dump-failed", `part ${part}: ${error.message}`, { hints, cause: error, details: { part, tool: error.tool, exitCode: error.exitCode } });
}

function hintsOf(said: string): string[] {
  return said.includes("permission denied")
    ? ["Grant the backup user read access: `GRANT pg_read_all_data TO backup_user`, and BYPASSRLS where row security is used."]
    : said.includes("row-level security")
      ? ["Give the backup user BYPASSRLS, or let the tables' owner take the backup."]
      : /could not obtain lock|canceling statement due to lock timeout/.test(said)
        ? ["Somebody holds an exclusive lock on a table; find it in pg_locks and run the backup again."]
        : changedMeanwhile.test(said)
          ? ["Something was dropped or altered while the backup ran, and nothing was published. Run the backup again when no migration is running."]
          : ["Nothing was published. Run `holdfast doctor` if the cause is not clear."];
}

/**
 * Ends the backends that a tool left behind: killing `docker exec` does not kill pg_dump inside the container, and a
 * backend notices a dead client only when it writes.
 */
export async function endBackends(server: Server, applicationName: string): Promise<void> {
  let session: Session | undefined;
  try {
    session = await openAdminSession(server);
    await session.rows(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = ${literal(applicationName)} AND pid <> pg_backend_pid()`);
  } catch {
    // The server is gone or refuses: then so are the backends, or they end at their next write.
  } finally {
    await session?.close();
  }
}
