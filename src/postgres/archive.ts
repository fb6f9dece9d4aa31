/** pg_restore at work: reading an archive through to its end, listing it, restoring from it. */
import { Readable } from "node:stream";

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
    ...(options.dataOnly === true ? ["--data-only", "--single-transaction"] : []),
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

/** The definitions of an archive as one script; for archives without rows, or the beginning of one and a section without. */
export async function scriptOf(options: RestoreOptions, archive: AsyncIterable<Uint8Array> | readonly Uint8Array[]): Promise<string> {
  const args = restoreArguments(options).filter((argument) => !argument.startsWith("--dbname="));
  const tool = startTool(options.pgRestore, [...args, "--file=-"], toolOptions(options));
  let script = "";
  const read = (async () => {
    for await (const text of tool.stdout.setEncoding("utf8")) script += text as string;
  })();
  await Promise.all([read, feedTool(Readable.from(archive) as AsyncIterable<Uint8Array>, tool)]).catch((error: unknown) => { throw restoreFailure(error); });
  return script;
}

/** Rows alone go in as a replica takes them: pg_restore's --disable-triggers would switch on every trigger that was off. */
function toolOptions({ target, dataOnly, signal }: RestoreOptions) {
  const settings = [target.env["PGOPTIONS"], ...(dataOnly === true ? ["-c session_replication_role=replica"] : [])].filter((text) => text !== undefined);
  return {
    env: { PGCONNECT_TIMEOUT: "10", PGAPPNAME: "holdfast restore", ...target.env, ...(settings.length > 0 && { PGOPTIONS: settings.join(" ") }) },
    ...(signal && { signal }),
  };
}

/** What pg_restore says, by its cause, and what helps. */
const remedies: readonly (readonly [RegExp, string])[] = [
  [/role ".*" does not exist/, "Create the role first, or use --create-roles or --role-map OLD=NEW; policies and user mappings name roles even with --no-owner."],
  // A write that was cut short says nothing of the space that is missing.
  [/No space left on device|disk full|could not extend file/i, "Free space at the server's data directory, or restore to another server."],
  [/extension ".*" is not available|could not open extension control file/, "Install the extension's package on the target server."],
  [/permission denied|must be (?:superuser|owner|member)|Must be superuser|must be able to SET ROLE/, "Restore as a superuser, or as one that may act for the owners; --no-owner leaves owners and grants out."],
];

function restoreFailure(error: unknown): unknown {
  if (!(error instanceof ToolFailure)) return error;
  const hints = remedies.flatMap(([cause, hint]) => (cause.test(error.lastLines) ? [hint] : []));
  return new HoldfastError("restore-failed", error.message, {
    hints: [...hints, "Nothing of it is left: a new database was dropped again, rows alone were rolled back."],
    cause: error,
    details: { tool: error.tool, exitCode: error.exitCode },
  });
}
