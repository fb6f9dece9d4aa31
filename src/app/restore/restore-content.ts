/** The parts of a backup on their way into a database that nobody uses yet. */
import { createReadStream } from "node:fs";
import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { partNamed } from "../../catalog/manifest.ts";
import { HoldfastError, systemCodeOf } from "../../errors.ts";
import { analyzeDatabase } from "../../postgres/analyze.ts";
import { restoreFile, type RestoreOptions as ArchiveOptions, restoreStream, scriptOf } from "../../postgres/archive.ts";
import { mapRoles, rolesToCreate, statementsForRoles, withoutRoles } from "../../postgres/roles.ts";
import { identifier, openSession, runScript, SqlError } from "../../postgres/session.ts";
import { type ArchiveEntry, entriesOfTables, findTables, listArchive, passesOf, tablesOfEntries } from "../../postgres/table-list.ts";
import type { TableName } from "../../postgres/truth/tables.ts";
import type { Context } from "../context.ts";
import { openPart, openTextPart } from "../backup/open-part.ts";
import type { RestoreWork } from "./restore-backup.ts";

/**
 * Restores what was asked for into `database`.
 * @returns the tables that were chosen; undefined if it was all
 * @throws HoldfastError `restore-failed` at the first error
 */
export async function restoreContent(work: RestoreWork, database: string): Promise<readonly TableName[] | undefined> {
  const { options } = work;
  const archive = archiveOptions(work, database);
  if (options.tables.length > 0) return restoreTables(work, archive);
  if (options.mode === "schema-only") await restoreSchema(work, archive);
  else if (options.roleMap.size > 0) await restoreWithMappedRoles(work, archive);
  else if (options.jobs > 1) await restoreInParallel(work, archive);
  else await restoreStream(archive, await part(work, "data", true));
  return undefined;
}

function archiveOptions({ server, options, context }: RestoreWork, database: string): ArchiveOptions {
  return {
    target: server.target(database),
    pgRestore: server.client.command("pg_restore"),
    noOwner: options.noOwner,
    noPrivileges: options.noOwner,
    dataOnly: options.mode === "data-only",
    signal: context.signal,
  };
}

function part(work: RestoreWork, name: string, progress = false): Promise<AsyncIterable<Buffer>> {
  const { context, workplace, manifest, identity } = work;
  const total = partNamed(manifest, name).plainBytes;
  const onBytes = (bytes: number): void => { context.reporter.emit({ type: "progress", step: "restore", bytes, total }); };
  return openPart(workplace.repository, manifest, name, identity, { signal: context.signal, ...(progress && { onBytes }) });
}

async function restoreSchema(work: RestoreWork, archive: ArchiveOptions): Promise<void> {
  if (work.options.roleMap.size > 0) return runMappedScript(work, archive, await part(work, "schema"));
  return restoreStream(archive, await part(work, "schema", true));
}

/** Some tables, each whole. The archive's contents are read first, from its beginning, to know what belongs to them. */
async function restoreTables(work: RestoreWork, archive: ArchiveOptions): Promise<TableName[]> {
  const { manifest, options, context } = work;
  const list = await listArchive(archive.pgRestore, await part(work, "data"), context.signal);
  const asked = await Promise.all(findTables(manifest.truth.tables, options.tables).map((table) => list.idsOf(table)));
  const { entries, tables } = entriesOfTables(list.entries, new Set(asked.flatMap((ids) => [...ids])));
  await inTemporaryFolder(work, async (folder) => {
    const listFile = join(folder, "list");
    await writeList(listFile, entries);
    await restoreStream({ ...archive, listFile }, await part(work, "data", true));
  });
  return tablesOfEntries(list, tables, manifest.truth.tables);
}

/**
 * Definitions come as a script in which roles can be replaced; rows name no roles and stream as ever. The scripts are made
 * from the beginning of the part with the rows: the other one does not define large objects.
 */
async function restoreWithMappedRoles(work: RestoreWork, archive: ArchiveOptions): Promise<void> {
  const { head } = await listArchive(archive.pgRestore, await part(work, "data"), work.context.signal);
  await runMappedScript(work, { ...archive, section: "pre-data" }, head);
  await restoreStream({ ...archive, section: "data" }, await part(work, "data", true));
  await runMappedScript(work, { ...archive, section: "post-data" }, head);
}

async function runMappedScript(work: RestoreWork, archive: ArchiveOptions, from: AsyncIterable<Uint8Array> | readonly Uint8Array[]): Promise<void> {
  const script = await scriptOf(archive, from);
  await runScript(archive.target, mapRoles(script, work.options.roleMap), work.context.signal);
}

/** Parallel restore seeks in its file, so the archive is spooled in clear to a private folder that is then removed. */
async function restoreInParallel(work: RestoreWork, archive: ArchiveOptions): Promise<void> {
  await inTemporaryFolder(work, async (folder) => {
    const spool = join(folder, "data.pgdump");
    const file = await open(spool, "wx", 0o600);
    try {
      for await (const chunk of await part(work, "data", true)) await file.writev([chunk]);
    } catch (error) {
      if (systemCodeOf(error) !== "ENOSPC") throw error;
      throw new HoldfastError("restore-failed", `the disk of the temporary folder ${folder} is full`, { hints: ["Name a larger one with HOLDFAST_TEMP_DIR, or restore without --jobs."], cause: error });
    } finally {
      await file.close();
    }
    const { entries } = await listArchive(archive.pgRestore, createReadStream(spool), work.context.signal);
    for (const [at, { entries: some, jobs }] of passesOf(entries, work.options.jobs).entries()) {
      const listFile = join(folder, `list-${at}`);
      await writeList(listFile, some);
      await restoreFile({ ...archive, listFile }, spool, jobs);
    }
  });
}

async function writeList(path: string, entries: readonly ArchiveEntry[]): Promise<void> {
  await writeFile(path, entries.map((entry) => `${entry.line}\n`).join(""), { mode: 0o600 });
}

/** How the names of our folders in the temporary folder begin. */
export const spoolMark = "holdfast-restore-";

export function temporaryFolder({ config }: Context): string {
  return config.tempDir ?? tmpdir();
}

async function inTemporaryFolder<T>(work: RestoreWork, use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(temporaryFolder(work.context), spoolMark));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Makes the roles that the backup needs and the server lacks, as they were, without passwords: all or none. */
export async function createMissingRoles(work: RestoreWork): Promise<void> {
  const { admin, manifest, workplace, identity, context } = work;
  const present = new Set((await admin.rows<{ rolname: string }>("SELECT rolname FROM pg_roles")).map((row) => row.rolname));
  const needed = new Set(manifest.roles.filter((role) => !present.has(role) && !work.options.roleMap.has(role)));
  if (needed.size === 0) return;
  const globals = await openTextPart(workplace.repository, manifest, "globals", identity, context.signal);
  const missing = rolesToCreate(globals, needed, present);
  try {
    await admin.execute("BEGIN");
    for (const statement of statementsForRoles(globals, missing)) await admin.execute(statement);
    if (work.roleMarker !== undefined) for (const role of missing) await admin.execute(`GRANT ${identifier(role)} TO ${identifier(work.roleMarker)}`);
    await admin.execute("COMMIT");
  } catch (error) {
    await admin.execute("ROLLBACK").catch(() => undefined);
    if (!(error instanceof SqlError)) throw error;
    throw new HoldfastError("restore-failed", `cannot create the missing roles ${[...missing].join(", ")}: ${error.message}`, { hints: ["Creating roles needs CREATEROLE, superusers a superuser; or restore with --no-owner."], cause: error });
  }
  context.reporter.emit({ type: "note", level: "info", message: `created the roles ${[...missing].join(", ")}, without passwords` });
}

/** Owner, settings, comment and grants of the database itself, under its new name. */
export async function applyProperties(work: RestoreWork, database: string): Promise<void> {
  const { server, manifest, workplace, identity, options, context } = work;
  const properties = await openTextPart(workplace.repository, manifest, "database", identity, context.signal);
  await runScript(server.target(database), options.noOwner ? withoutRoles(properties) : mapRoles(properties, options.roleMap), context.signal);
}

/** A table without statistics is slow, not wrong: it is named, and the restore goes on. */
export async function analyzeCopy({ server, context: { signal, reporter } }: RestoreWork, database: string): Promise<void> {
  const session = await openSession(server.target(database), { signal });
  try {
    for (const { table, why } of await analyzeDatabase(session)) reporter.emit({ type: "note", level: "warn", message: `table ${table} has no planner statistics: ANALYZE refuses it: ${why}` });
  } finally {
    await session.close();
  }
}
