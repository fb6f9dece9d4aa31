/** What is looked at before a restore touches anything: every check runs, and one that fails refuses the restore. */
import { readdir, statfs } from "node:fs/promises";
import { join } from "node:path";

import { partNamed } from "../../catalog/manifest.ts";
import { HoldfastError } from "../../errors.ts";
import { abandonedCopies, countObjects, databaseExists, dataDirectory } from "../../postgres/databases.ts";
import { majorOf } from "../../postgres/server.ts";
import { identifier, type Session } from "../../postgres/session.ts";
import { findTables } from "../../postgres/table-list.ts";
import { shellWord } from "../../process/shell-word.ts";
import type { RestoreWork } from "./restore-backup.ts";
import { spoolMark, temporaryFolder } from "./restore-content.ts";
import { checkEmptyTables, checkSwap } from "./restore-target.ts";

/** One check of the preflight: `warn` lets the restore go on and is shown. */
export interface Check {
  readonly name: string;
  readonly outcome: "ok" | "warn" | "fail";
  readonly detail: string;
  readonly hint?: string;
}

/** Runs all checks. @throws HoldfastError `refused` naming every one that failed, `not-found` for a table that the backup lacks */
export async function preflight(work: RestoreWork): Promise<Check[]> {
  // What was asked for and is not there is no check that could be mended at the target.
  findTables(work.manifest.truth.tables, work.options.tables);
  const checks: Check[] = [];
  for (const check of [checkVersion, checkClient, checkTarget, checkPrivileges, checkExtensions, checkRoles, checkSpace, checkTemporaryFolder, checkLeftovers]) checks.push(await check(work));
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
    return exists ? checkSwap(work, name) : { name, outcome: "fail", detail: `there is no database ${target} to swap with`, hint: "Leave out --swap to make it." };
  }
  if (options.mode === "data-only") {
    if (exists) return checkEmptyTables(work, name);
    return { name, outcome: "fail", detail: `there is no database ${target} to fill`, hint: "Restore it with --schema-only first." };
  }
  if (!exists) return { name, outcome: "ok", detail: `${target} will be made` };
  const objects = await countObjects(server, target, context.signal);
  if (objects === 0) return { name, outcome: "ok", detail: `${target} exists and is empty: the copy takes its place` };
  return {
    name,
    outcome: "fail",
    detail: `database ${target} is not empty: it holds ${objects} objects`,
    hint: `Choose a name that is free, or put the copy in its place with --swap --confirm ${shellWord(target)}.`,
  };
}

/** What the connecting user lacks. Who is no superuser may still restore what is its own. */
async function checkPrivileges({ admin, options, manifest, server }: RestoreWork): Promise<Check> {
  const name = "privileges";
  const { superuser, creates, makesRoles } = await admin.row<{ superuser: boolean; creates: boolean; makesRoles: boolean }>(
    `SELECT rolsuper AS superuser, rolcreatedb AS creates, rolcreaterole AS "makesRoles" FROM pg_roles WHERE rolname = current_user`,
  );
  const { user } = server.facts;
  if (superuser) return { name, outcome: "ok", detail: `${user} is a superuser` };
  if (options.mode === "data-only") {
    const { may } = server.facts.versionNum >= 150_000 ? await admin.row<{ may: boolean }>("SELECT has_parameter_privilege('session_replication_role', 'SET') AS may") : { may: false };
    return may ? { name, outcome: "ok", detail: `${user} may restore without triggers` } : { name, outcome: "fail", detail: `--data-only keeps triggers from firing, which ${user} may not`, hint: `Restore as a superuser, or (PostgreSQL 15 and newer) GRANT SET ON PARAMETER session_replication_role TO ${identifier(user)}.` };
  }
  if (!creates) return { name, outcome: "fail", detail: `${user} may not create databases`, hint: `ALTER ROLE ${identifier(user)} CREATEDB; or restore as a superuser.` };
  if (options.createRoles && !makesRoles && missingRoles(await presentRoles(admin), manifest.roles, options.roleMap).length > 0) return { name, outcome: "fail", detail: `${user} may not create roles`, hint: "Restore as a superuser or with CREATEROLE, or create the roles before." };
  if (options.noOwner) return { name, outcome: "ok", detail: `${user} may create databases` };
  const member = new Set((await admin.rows<{ rolname: string }>("SELECT rolname FROM pg_roles WHERE pg_has_role(current_user, oid, 'MEMBER')")).map((row) => row.rolname));
  const mapped = (role: string): string => options.roleMap.get(role) ?? role;
  const owner = mapped(manifest.truth.database.owner);
  if (!member.has(owner)) return { name, outcome: "fail", detail: `the database belongs to ${owner}, and ${user} is neither a superuser nor a member of that role`, hint: `GRANT ${identifier(owner)} TO ${identifier(user)}; or restore as a superuser, with --role-map, or with --no-owner.` };
  const foreign = manifest.roles.map(mapped).filter((role) => !member.has(role));
  if (foreign.length === 0) return { name, outcome: "ok", detail: `${user} may create databases and act for the owners` };
  return { name, outcome: "warn", detail: `${user} is no superuser: objects that belong to ${foreign.join(", ")} cannot be restored, only grants to them` };
}

async function checkExtensions({ admin, manifest, server, options }: RestoreWork): Promise<Check> {
  const name = "extensions";
  // Some tables bring only what they need of them, rows alone none.
  if (options.tables.length > 0 || options.mode === "data-only") return { name, outcome: "ok", detail: "only those that the tables need" };
  const { superuser } = await admin.row<{ superuser: boolean }>("SELECT rolsuper AS superuser FROM pg_roles WHERE rolname = current_user");
  const trusted = server.facts.versionNum >= 130_000 ? "bool_or(NOT superuser OR trusted)" : "bool_or(NOT superuser)";
  const available = await admin.rows<{ name: string; versions: string[]; open: boolean }>(`SELECT name, array_agg(version) AS versions, ${trusted} AS open FROM pg_available_extension_versions GROUP BY name`);
  const byName = new Map(available.map((extension) => [extension.name, extension]));
  const wanted = manifest.truth.extensions.filter((extension) => extension.name !== "plpgsql");
  const list = (found: typeof wanted): string => found.map((extension) => extension.name).join(", ");
  const missing = wanted.filter((extension) => !byName.has(extension.name));
  if (missing.length > 0) return { name, outcome: "fail", detail: `the target server lacks the extensions ${list(missing)}`, hint: "Install their packages on the target server." };
  const closed = superuser ? [] : wanted.filter((extension) => byName.get(extension.name)?.open !== true);
  if (closed.length > 0) return { name, outcome: "fail", detail: `only a superuser may create the extensions ${list(closed)}, and ${server.facts.user} is none`, hint: "Restore as a superuser: these extensions are not marked as trusted on the target server." };
  const other = wanted.filter((extension) => byName.get(extension.name)?.versions.includes(extension.version) !== true);
  if (other.length > 0) {
    return { name, outcome: "warn", detail: `the target server has other versions of ${other.map((extension) => `${extension.name} (backup ${extension.version}, target ${byName.get(extension.name)?.versions.join(", ") ?? "none"})`).join(", ")}` };
  }
  return { name, outcome: "ok", detail: `${wanted.length} available` };
}

async function presentRoles(admin: Session): Promise<ReadonlySet<string>> {
  return new Set((await admin.rows<{ rolname: string }>("SELECT rolname FROM pg_roles")).map((row) => row.rolname));
}

function missingRoles(present: ReadonlySet<string>, wanted: readonly string[], roleMap: ReadonlyMap<string, string>): string[] {
  return wanted.filter((role) => !roleMap.has(role) && !present.has(role));
}

async function checkRoles({ admin, manifest, options }: RestoreWork): Promise<Check> {
  const name = "roles";
  if (options.noOwner) return { name, outcome: "ok", detail: "not needed with --no-owner" };
  if (options.mode === "data-only") return { name, outcome: "ok", detail: "not needed for rows alone" };
  const present = await presentRoles(admin);
  const absent = [...new Set(options.roleMap.values())].filter((role) => !present.has(role));
  if (absent.length > 0) return { name, outcome: "fail", detail: `the target server lacks the roles ${absent.join(", ")} that --role-map names`, hint: "Create them, or correct --role-map OLD=NEW." };
  const needed = manifest.roles.filter((role) => !options.roleMap.has(role));
  const missing = missingRoles(present, manifest.roles, options.roleMap);
  if (missing.length === 0) return { name, outcome: "ok", detail: `${needed.length} present` };
  if (options.createRoles) return { name, outcome: "ok", detail: `will be created: ${missing.join(", ")}` };
  return { name, outcome: "fail", detail: `the target server lacks the roles ${missing.join(", ")}`, hint: "Add --create-roles to make them as they were, without passwords; or use --role-map OLD=NEW or --no-owner." };
}

/** Room for indexes and WAL beside the data; only a server on this machine can be looked at. */
async function checkSpace({ server, admin, manifest, options }: RestoreWork): Promise<Check> {
  const name = "space";
  if (options.tables.length > 0 || options.mode === "schema-only") return { name, outcome: "ok", detail: "less than the whole database; not looked at" };
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

/** The archive lies in clear in the temporary folder while it is restored with --jobs; --tables puts a list there. */
async function checkTemporaryFolder({ options, server, manifest, context }: RestoreWork): Promise<Check> {
  const name = "temporary folder";
  if (options.jobs <= 1 && options.tables.length === 0) return { name, outcome: "ok", detail: "not needed: the restore streams" };
  if (server.client.inContainer) return { name, outcome: "fail", detail: `${options.jobs > 1 ? "--jobs" : "--tables"} hands pg_restore a file, which one in ${server.client.origin} does not see`, hint: "Install the PostgreSQL client programs on this host, and leave out `tools`." };
  const folder = temporaryFolder(context);
  const stats = await statfs(folder).catch(() => undefined);
  if (stats === undefined) return { name, outcome: "fail", detail: `there is no temporary folder ${folder}`, hint: "Name one with HOLDFAST_TEMP_DIR." };
  const [free, needed] = [stats.bavail * stats.bsize, options.jobs > 1 ? partNamed(manifest, "data").plainBytes : 0];
  if (free > needed) return { name, outcome: "ok", detail: `${free} bytes free in ${folder}, ${needed} needed` };
  return { name, outcome: "fail", detail: `--jobs needs ${needed} bytes in a temporary folder, but ${folder} has ${free} free`, hint: "Name a larger one with HOLDFAST_TEMP_DIR, or restore without --jobs: that streams." };
}

/** What restores that were killed have left: named, never removed, since another host's may be just between two steps. */
async function checkLeftovers({ admin, context }: RestoreWork): Promise<Check> {
  const name = "leftovers";
  const copies = await abandonedCopies(admin);
  const folder = temporaryFolder(context);
  const spools = (await readdir(folder).catch(() => [])).filter((entry) => entry.startsWith(spoolMark)).map((entry) => join(folder, entry));
  if (copies.length + spools.length === 0) return { name, outcome: "ok", detail: "none" };
  const what = [...copies.map((copy) => `DROP DATABASE ${identifier(copy)}`), ...spools.map((path) => `rm -r ${shellWord(path)}`)];
  return { name, outcome: "warn", detail: `an interrupted restore seems to have left something; if none runs now, remove it: ${what.join("; ")}` };
}
