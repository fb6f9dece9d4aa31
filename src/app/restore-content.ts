/** The parts of a backup on their way into a database that nobody uses yet. */
import { mkdtemp, open, rm, statfs, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { partNamed } from "../catalog/manifest.ts";
import { HoldfastError, systemCodeOf } from "../errors.ts";
import { restoreFile, type RestoreOptions as ArchiveOptions, restoreStream, scriptOf } from "../postgres/archive.ts";
import { mapRoles, statementsForRoles } from "../postgres/roles.ts";
import { identifier, literal, openSession, runScript, SqlError } from "../postgres/session.ts";
import { entriesOfTables, listArchive } from "../postgres/table-list.ts";
import { openPart, openTextPart } from "./open-part.ts";
import type { RestoreWork } from "./restore-backup.ts";

/** Restores what was asked for into `database`. @throws HoldfastError `restore-failed` at the first error */
export async function restoreContent(work: RestoreWork, database: string): Promise<void> {
  const { options } = work;
  const archive = archiveOptions(work, database);
  if (options.mode === "schema-only") return restoreSchema(work, archive);
  if (options.tables.length > 0) return restoreTables(work, archive);
  if (options.roleMap.size > 0) return restoreWithMappedRoles(work, archive);
  if (options.jobs > 1) return restoreInParallel(work, archive);
  return restoreStream(archive, await part(work, "data", true));
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
  if (work.options.roleMap.size > 0) return runMappedScript(work, archive);
  return restoreStream(archive, await part(work, "schema", true));
}

/** Some tables, each whole. The archive's contents are read first, from its beginning, to know what belongs to them. */
async function restoreTables(work: RestoreWork, archive: ArchiveOptions): Promise<void> {
  const entries = entriesOfTables(await listArchive(archive.pgRestore, await part(work, "data"), work.context.signal), work.options.tables);
  await inTemporaryFolder(work, async (folder) => {
    const listFile = join(folder, "list");
    await writeFile(listFile, entries.map((entry) => `${entry.line}\n`).join(""), { mode: 0o600 });
    await restoreStream({ ...archive, listFile }, await part(work, "data", true));
  });
}

/** Definitions are small and come as a script in which roles can be replaced; rows name no roles and stream as ever. */
async function restoreWithMappedRoles(work: RestoreWork, archive: ArchiveOptions): Promise<void> {
  await runMappedScript(work, { ...archive, section: "pre-data" });
  await restoreStream({ ...archive, section: "data" }, await part(work, "data", true));
  await runMappedScript(work, { ...archive, section: "post-data" });
}

async function runMappedScript(work: RestoreWork, archive: ArchiveOptions): Promise<void> {
  const script = await scriptOf(archive, await part(work, "schema"));
  await runScript(archive.target, mapRoles(script, work.options.roleMap), work.context.signal);
}

/** Parallel restore seeks in its file, so the archive is spooled in clear to a private folder that is then removed. */
async function restoreInParallel(work: RestoreWork, archive: ArchiveOptions): Promise<void> {
  await inTemporaryFolder(work, async (folder) => {
    await requireSpace(folder, partNamed(work.manifest, "data").plainBytes);
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
    await restoreFile(archive, spool, work.options.jobs);
  });
}

async function requireSpace(folder: string, bytes: number): Promise<void> {
  const stats = await statfs(folder);
  const free = stats.bavail * stats.bsize;
  if (free > bytes) return;
  throw new HoldfastError("refused", `--jobs needs ${bytes} bytes in a temporary folder, but ${folder} has ${free} free`, {
    hints: ["Name a larger one with HOLDFAST_TEMP_DIR, or restore without --jobs: that streams."],
  });
}

async function inTemporaryFolder<T>(work: RestoreWork, use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(work.context.config.tempDir ?? tmpdir(), "holdfast-"));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Makes the roles that the backup needs and the server lacks, as they were, without passwords. */
export async function createMissingRoles(work: RestoreWork): Promise<void> {
  const { admin, manifest, workplace, identity, context } = work;
  if (manifest.roles.length === 0) return;
  const rows = await admin.rows<{ rolname: string }>(`SELECT rolname FROM pg_roles WHERE rolname IN (${manifest.roles.map(literal).join(", ")})`);
  const present = new Set(rows.map((row) => row.rolname));
  const missing = new Set(manifest.roles.filter((role) => !present.has(role)));
  if (missing.size === 0) return;
  const globals = await openTextPart(workplace.repository, manifest, "globals", identity, context.signal);
  try {
    for (const statement of statementsForRoles(globals, missing)) await admin.execute(statement);
  } catch (error) {
    if (!(error instanceof SqlError)) throw error;
    throw new HoldfastError("restore-failed", `cannot create the missing roles: ${error.message}`, { hints: ["Creating roles needs CREATEROLE; or restore with --no-owner."], cause: error });
  }
  context.reporter.emit({ type: "note", level: "info", message: `created roles ${[...missing].join(", ")}, without passwords` });
}

/** Settings, comment and grants of the database itself, under its new name. */
export async function applyProperties(work: RestoreWork, database: string): Promise<void> {
  const { server, manifest, workplace, identity, options, context } = work;
  const properties = await openTextPart(workplace.repository, manifest, "database", identity, context.signal);
  const lines = properties.split("\n").filter((line) => !options.noOwner || !/^(?:GRANT|REVOKE|ALTER ROLE) /.test(line));
  await runScript(server.target(database), mapRoles(lines.join("\n"), options.roleMap), context.signal);
  if (options.noOwner) return;
  const owner = manifest.truth.database.owner;
  const session = await openSession(server.target(database), { signal: context.signal });
  try {
    await session.execute(`ALTER DATABASE ${identifier(database)} OWNER TO ${identifier(options.roleMap.get(owner) ?? owner)}`);
  } finally {
    await session.close();
  }
}
