/** pg_restore at work: reading an archive through to its end, listing it, restoring from it. */
import { HoldfastError } from "../errors.ts";
import { feedTool } from "../pipeline/tool.ts";
import { type CommandLine, startTool, ToolFailure } from "../process/run.ts";
import { RowCounter, type RowCounts } from "./archive-rows.ts";
import { databaseArgument } from "./dump.ts";
import type { SessionTarget } from "./session.ts";

/**
 * Reads a whole archive as pg_restore would, without a database. `pg_restore --list` is no such check: it reads the
 * table of contents only, and passes on an archive that lost its second half.
 * @throws HoldfastError `integrity` with pg_restore's own words
 */
export async function readThrough(pgRestore: CommandLine, part: string, archive: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<void> {
  const tool = startTool(pgRestore, ["--format=custom", "--file=/dev/null"], signal ? { signal } : {});
  tool.stdout.resume();
  await feedTool(archive, tool).catch((error: unknown) => { throw notWhole(part, error); });
}

function notWhole(part: string, error: unknown): unknown {
  if (!(error instanceof ToolFailure)) return error;
  return new HoldfastError("integrity", `part ${part} is not a whole archive: ${error.message}`, {
    hints: ["Do not count on this backup. Make a new one, and find out how this one was damaged."],
    cause: error,
    details: { part, expected: "an archive that pg_restore reads to its end", found: error.lastLines },
  });
}

/**
 * Reads a whole archive as pg_restore would and counts the rows it holds, table by table.
 * @throws HoldfastError `integrity` with pg_restore's own words
 */
export async function countArchiveRows(pgRestore: CommandLine, part: string, archive: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<RowCounts> {
  const tool = startTool(pgRestore, ["--format=custom", "--section=data", "--file=-"], signal ? { signal } : {});
  const counter = new RowCounter();
  const read = (async () => {
    for await (const chunk of tool.stdout as AsyncIterable<Buffer>) counter.push(chunk);
  })();
  await Promise.all([read, feedTool(archive, tool)]).catch((error: unknown) => { throw notWhole(part, error); });
  if (!counter.finished()) throw new HoldfastError("integrity", `part ${part} ends in the middle of a table's rows`, { details: { part } });
  return counter.counts;
}

export interface RestoreOptions {
  /** The database to restore into. */
  readonly target: SessionTarget;
  readonly pgRestore: CommandLine;
  readonly noOwner?: boolean;
  readonly noPrivileges?: boolean;
  readonly section?: "pre-data" | "data" | "post-data";
  readonly dataOnly?: boolean;
  /** A file of archive entries to restore, in the archive's order, as `--use-list` takes it. */
  readonly listFile?: string;
  readonly signal?: AbortSignal;
}

function restoreArguments(options: RestoreOptions): string[] {
  return [
    "--format=custom",
    "--exit-on-error",
    "--no-password",
    `--dbname=${databaseArgument(options.target.env["PGDATABASE"] ?? "")}`,
    ...(options.noOwner === true ? ["--no-owner"] : []),
    ...(options.noPrivileges === true ? ["--no-privileges"] : []),
    ...(options.section ? [`--section=${options.section}`] : []),
    ...(options.dataOnly === true ? ["--data-only", "--disable-triggers", "--single-transaction"] : []),
    ...(options.listFile !== undefined ? [`--use-list=${options.listFile}`] : []),
  ];
}

/** Restores from a stream. @throws HoldfastError `restore-failed` at pg_restore's first error */
export async function restoreStream(options: RestoreOptions, archive: AsyncIterable<Uint8Array>): Promise<void> {
  const tool = startTool(options.pgRestore, restoreArguments(options), toolOptions(options));
  tool.stdout.resume();
  await feedTool(archive, tool).catch((error: unknown) => { throw restoreFailure(error); });
}

/** Restores from a file with several connections, which need to seek in it. */
export async function restoreFile(options: RestoreOptions, file: string, jobs: number): Promise<void> {
  const tool = startTool(options.pgRestore, [...restoreArguments(options), `--jobs=${jobs}`, file], toolOptions(options));
  tool.stdin.end();
  tool.stdout.resume();
  await tool.done.catch((error: unknown) => { throw restoreFailure(error); });
}

/** The definitions of an archive as one script; for archives without rows. */
export async function scriptOf(options: RestoreOptions, archive: AsyncIterable<Uint8Array>): Promise<string> {
  const args = restoreArguments(options).filter((argument) => !argument.startsWith("--dbname="));
  const tool = startTool(options.pgRestore, [...args, "--file=-"], toolOptions(options));
  let script = "";
  const read = (async () => {
    for await (const text of tool.stdout.setEncoding("utf8")) script += text as string;
  })();
  await Promise.all([read, feedTool(archive, tool)]).catch((error: unknown) => { throw restoreFailure(error); });
  return script;
}

function toolOptions(options: RestoreOptions) {
  return { env: { PGCONNECT_TIMEOUT: "10", PGAPPNAME: "holdfast restore", ...options.target.env }, ...(options.signal && { signal: options.signal }) };
}

function restoreFailure(error: unknown): unknown {
  if (!(error instanceof ToolFailure)) return error;
  const said = error.lastLines;
  const hints = /role ".*" does not exist/.test(said)
    ? ["Create the missing roles first (--create-roles), or restore with --no-owner or --role-map OLD=NEW."]
    : /No space left on device|disk full/i.test(said)
      ? ["Free space at the server's data directory; the half-restored copy was dropped."]
      : /extension ".*" is not available|could not open extension control file/.test(said)
        ? ["Install the extension's package on the target server."]
        : ["Nothing was changed at the target; the half-restored copy was dropped."];
  return new HoldfastError("restore-failed", error.message, { hints, cause: error, details: { tool: error.tool, exitCode: error.exitCode } });
}
