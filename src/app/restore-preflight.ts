/** What is looked at before a restore touches anything: every check runs, and one that fails refuses the restore. */
import { statfs } from "node:fs/promises";

import { HoldfastError } from "../errors.ts";
import { countObjects, databaseExists, dataDirectory } from "../postgres/databases.ts";
import { majorOf } from "../postgres/server.ts";
import { identifier, literal, openSession } from "../postgres/session.ts";
import type { RestoreWork } from "./restore-backup.ts";

/** One check of the preflight: `warn` lets the restore go on and is shown. */
export interface Check {
  readonly name: string;
  readonly outcome: "ok" | "warn" | "fail";
  readonly detail: string;
  readonly hint?: string;
}

/** Runs all checks. @throws HoldfastError `refused` naming every one that failed */
export async function preflight(work: RestoreWork): Promise<Check[]> {
  const checks: Check[] = [];
  for (const check of [checkVersion, checkClient, checkTarget, checkExtensions, checkRoles, checkSpace]) checks.push(await check(work));
  const failed = checks.filter((check) => check.outcome === "fail");
  if (failed.length > 0) {
    throw new HoldfastError("refused", failed.map((check) => check.detail).join("; "), {
      hints: failed.flatMap((check) => check.hint ?? []),
      details: { checks: checks.map(({ name, outcome, detail }) => ({ name, outcome, detail })) },
    });
  }
  for (const check of checks) if (check.outcome === "warn") work.context.reporter.emit({ type: "note", level: "warn", message: check.detail });
  return checks;
}

async function checkVersion({ server, manifest }: RestoreWork): Promise<Check> {
  const [source, target] = [majorOf(manifest.truth.server.versionNum), majorOf(server.facts.versionNum)];
  const detail = `backup of PostgreSQL ${manifest.source.server}, target ${server.facts.version}`;
  if (target < source) {
    return Promise.resolve({ name: "server version", outcome: "fail", detail: `the target server is PostgreSQL ${server.facts.version}, older than the source's ${manifest.source.server}`, hint: `Restore into PostgreSQL ${source} or newer.` });
  }
  return Promise.resolve({ name: "server version", outcome: "ok", detail });
}

async function checkClient({ server, manifest }: RestoreWork): Promise<Check> {
  const needed = Number.parseInt(manifest.source.client, 10);
  if (server.client.major < needed) {
    return Promise.resolve({ name: "client version", outcome: "fail", detail: `pg_restore is ${server.client.version}, but pg_dump ${manifest.source.client} made the archive`, hint: `Install the client of version ${needed}: \`apt-get install postgresql-client-${needed}\`.` });
  }
  return Promise.resolve({ name: "client version", outcome: "ok", detail: `pg_restore ${server.client.version}` });
}

async function checkTarget(work: RestoreWork): Promise<Check> {
  const { server, admin, options, target, context } = work;
  const name = "target database";
  const exists = await databaseExists(admin, target);
  if (options.swap) {
    return exists ? { name, outcome: "ok", detail: `${target} will be replaced and kept for undo` } : { name, outcome: "fail", detail: `there is no database ${target} to swap with`, hint: "Leave out --swap to make it." };
  }
  if (options.mode === "data-only") {
    if (exists) return checkEmptyTables(work, name);
    return { name, outcome: "fail", detail: `there is no database ${target} to fill`, hint: "Restore it with --schema-only first." };
  }
  if (!exists) return { name, outcome: "ok", detail: `${target} will be made` };
  const objects = await countObjects(server, target, context.signal);
  if (objects === 0) return { name, outcome: "ok", detail: `${target} exists and is empty` };
  return {
    name,
    outcome: "fail",
    detail: `database ${target} is not empty: it holds ${objects} objects`,
    hint: `Choose a name that is free, or put the copy in its place with --swap --confirm ${JSON.stringify(target)}.`,
  };
}

/** Rows restored beside rows that are there would be neither backup nor database. */
async function checkEmptyTables({ server, manifest, target, context }: RestoreWork, name: string): Promise<Check> {
  const session = await openSession(server.target(target), { signal: context.signal });
  try {
    for (const table of manifest.truth.tables.filter(({ kind }) => kind === "table" || kind === "partition")) {
      const relation = `${identifier(table.schema)}.${identifier(table.name)}`;
      const { there } = await session.row<{ there: boolean }>(`SELECT to_regclass(${literal(relation)}) IS NOT NULL AS there`);
      const shown = `${table.schema}.${table.name}`;
      if (!there) return { name, outcome: "fail", detail: `database ${target} lacks the table ${shown}`, hint: "Restore the schema first: --schema-only into a new database." };
      const { filled } = await session.row<{ filled: boolean }>(`SELECT EXISTS (SELECT 1 FROM ONLY ${relation}) AS filled`);
      if (filled) return { name, outcome: "fail", detail: `table ${shown} of database ${target} holds rows`, hint: "--data-only fills empty tables only: restore into a new database instead." };
    }
    return { name, outcome: "ok", detail: `${target} has the tables, all empty` };
  } finally {
    await session.close();
  }
}

async function checkExtensions({ admin, manifest }: RestoreWork): Promise<Check> {
  const available = await admin.rows<{ name: string; versions: string[] }>("SELECT name, array_agg(version) AS versions FROM pg_available_extension_versions GROUP BY name");
  const versions = new Map(available.map((extension) => [extension.name, extension.versions]));
  const missing = manifest.truth.extensions.filter((extension) => !versions.has(extension.name));
  const name = "extensions";
  if (missing.length > 0) {
    return { name, outcome: "fail", detail: `the target server lacks the extensions ${missing.map((extension) => extension.name).join(", ")}`, hint: "Install their packages on the target server." };
  }
  const other = manifest.truth.extensions.filter((extension) => versions.get(extension.name)?.includes(extension.version) !== true);
  if (other.length > 0) {
    return { name, outcome: "warn", detail: `the target server has other versions of ${other.map((extension) => `${extension.name} (backup ${extension.version}, target ${versions.get(extension.name)?.join(", ") ?? "none"})`).join(", ")}` };
  }
  return { name, outcome: "ok", detail: `${manifest.truth.extensions.length} available` };
}

async function checkRoles({ admin, manifest, options }: RestoreWork): Promise<Check> {
  const name = "roles";
  if (options.noOwner) return { name, outcome: "ok", detail: "not needed with --no-owner" };
  const needed = [...new Set([...manifest.roles.filter((role) => !options.roleMap.has(role)), ...options.roleMap.values()])];
  const rows = needed.length === 0 ? [] : await admin.rows<{ rolname: string }>(`SELECT rolname FROM pg_roles WHERE rolname IN (${needed.map(literal).join(", ")})`);
  const present = new Set(rows.map((row) => row.rolname));
  const missing = needed.filter((role) => !present.has(role));
  if (missing.length === 0) return { name, outcome: "ok", detail: `${needed.length} present` };
  if (options.createRoles) return { name, outcome: "ok", detail: `will be created: ${missing.join(", ")}` };
  return { name, outcome: "fail", detail: `the target server lacks the roles ${missing.join(", ")}`, hint: "Add --create-roles to make them as they were, without passwords; or use --role-map OLD=NEW or --no-owner." };
}

/** Room for indexes and WAL beside the data; only a server on this machine can be looked at. */
async function checkSpace({ server, admin, manifest }: RestoreWork): Promise<Check> {
  const name = "space";
  const host = server.connection.env["PGHOST"] ?? "/";
  const local = host.startsWith("/") || host === "localhost" || host === "127.0.0.1" || host === "::1";
  const folder = local && !server.client.inContainer ? await dataDirectory(admin) : undefined;
  const stats = folder === undefined ? undefined : await statfs(folder).catch(() => undefined);
  if (stats === undefined) return { name, outcome: "ok", detail: "the server's disk cannot be looked at from here" };
  const free = stats.bavail * stats.bsize;
  const needed = Math.ceil(manifest.truth.database.bytes * 1.2);
  if (free >= needed) return { name, outcome: "ok", detail: `${free} bytes free, about ${needed} bytes needed` };
  return { name, outcome: "fail", detail: `the server has ${free} bytes free, but the copy needs about ${needed} bytes`, hint: "Free space at the server's data directory, or restore to another server." };
}
