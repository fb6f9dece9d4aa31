/** What a backup and a restore need of one database and its server. */
import type { DatabaseConfig } from "../../config/config.ts";
import { type Access, inspectAccess } from "../../postgres/access.ts";
import { parseDatabaseUrl } from "../../postgres/connection.ts";
import { abandonedCopies, keptDatabases } from "../../postgres/databases.ts";
import { tableFilter } from "../../postgres/patterns.ts";
import { majorOf, openAdminSession, type Server } from "../../postgres/server.ts";
import { identifier, openSession } from "../../postgres/session.ts";
import { type Context, reachDatabase } from "../context.ts";
import { Area } from "./doctor-area.ts";
import { filterOf } from "../backup/dump-filter.ts";

/** Clocks further apart make the recovery point of a backup doubtful. */
const mostSkewMs = 30_000;
const shownNames = 5;

/** @returns the area, and the size of the database where its server answered */
export async function checkDatabase(context: Context, database: DatabaseConfig): Promise<{ area: Area; bytes: number }> {
  const area = new Area(`database ${database.name}`);
  const connection = await area.try("url", () => parseDatabaseUrl(database.url), ({ display }) => display);
  if (connection === undefined) return { area, bytes: 0 };
  const server = await area.try("server", () => reachDatabase(context, database), ({ facts, client }) => `PostgreSQL ${facts.version}, ${facts.databaseBytes} bytes; pg_dump ${client.version} in ${client.origin}`);
  if (server === undefined) return { area, bytes: 0 };
  if (connection.poolerDeclared) area.add("pooler", "warn", "the URL says pgbouncer=true, but no pooler in transaction mode was found", "Give holdfast the direct URL of the server (Prisma's directUrl), so that it stays so.");
  if (majorOf(server.facts.versionNum) < server.client.major) area.add("client version", "warn", `pg_dump ${server.client.version} is newer than the server: archives need pg_restore ${server.client.major} or newer`);
  checkClock(area, context, server);
  const include = await area.attempt("filter", () => tableFilter({ ...filterOf(database), excludeTableData: [] }));
  if (include !== undefined) {
    const access = await area.try("session", () => look(context, server, include), (found) => `user ${found.user}${found.superuser ? ", superuser" : ""}`);
    if (access !== undefined) checkAccess(area, server, access);
  }
  await checkLeftovers(area, context, server);
  return { area, bytes: server.facts.databaseBytes };
}

function checkClock(area: Area, context: Context, server: Server): void {
  const skew = new Date(server.facts.now).getTime() - context.clock.now().getTime();
  const shown = `the server's clock is ${Math.round(Math.abs(skew) / 1000)} s ${skew < 0 ? "behind" : "ahead of"} this machine's`;
  if (Math.abs(skew) <= mostSkewMs) area.add("clock", "ok", shown);
  else area.add("clock", "warn", shown, "Set both clocks, for example with systemd-timesyncd or chrony: a backup's recovery point is the server's time, its id has this machine's.");
}

async function look(context: Context, server: Server, include: Parameters<typeof inspectAccess>[1]): Promise<Access> {
  const session = await openSession(server.target(), { signal: context.signal });
  try {
    return await inspectAccess(session, include);
  } finally {
    await session.close();
  }
}

function checkAccess(area: Area, server: Server, access: Access): void {
  const user = identifier(access.user);
  if (access.tls !== null) area.add("tls", "ok", `${access.tls.version}, ${access.tls.cipher}`);
  else if (staysHere(server.connection.host)) area.add("tls", "ok", "not needed: the connection does not leave this machine");
  else area.add("tls", "warn", "the connection is not encrypted", "Add sslmode=require or, better, sslmode=verify-full to the database URL.");
  if (access.pooler) area.add("pooler", "warn", "the connection goes through a pooler in session mode", "Give holdfast the direct URL of the server, if there is one: a pooler may end a long dump.");
  if (access.unreadable.length === 0) area.add("privileges", "ok", `all ${access.readable} tables and sequences can be read`);
  else area.fail("privileges", "dump-failed", `${access.unreadable.length} tables or sequences cannot be read: ${someOf(access.unreadable)}`, `GRANT pg_read_all_data TO ${user}; or let the owner take the backup.`);
  if (access.unreadableLargeObjects > 0) {
    area.fail("large objects", "dump-failed", `${access.unreadableLargeObjects} large objects cannot be read`, `Let their owner or a superuser take the backup, or GRANT SELECT ON LARGE OBJECT … TO ${user}; pg_read_all_data does not cover them.`);
  }
  if (access.rowSecurity.length > 0) area.fail("row security", "dump-failed", `row security would hide rows of ${someOf(access.rowSecurity)}`, `ALTER ROLE ${user} BYPASSRLS;`);
  if (access.createDatabase) area.add("restore", "ok", "may create databases");
  else area.add("restore", "warn", "the user may not create databases, so restores need another URL", `ALTER ROLE ${user} CREATEDB; on hosts that restore.`);
}

function staysHere(host: string | undefined): boolean {
  return host === undefined || host.split(",").every((each) => each.startsWith("/") || each.startsWith("@") || /^(?:localhost|127\.[\d.]+|::1)$/.test(each));
}

function someOf(names: readonly string[]): string {
  const more = names.length - shownNames;
  return `${names.slice(0, shownNames).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

/** Databases of ours that nobody else will ever remove. */
async function checkLeftovers(area: Area, context: Context, server: Server): Promise<void> {
  const admin = await openAdminSession(server, context.signal).catch(() => undefined);
  if (admin === undefined) return;
  try {
    const dropAll = (names: readonly string[]): string => names.map((name) => `DROP DATABASE ${identifier(name)};`).join(" ");
    const [abandoned, kept] = [await abandonedCopies(admin), await keptDatabases(admin)];
    if (abandoned.length > 0) area.add("interrupted restores", "warn", `nobody is connected to ${abandoned.join(", ")}`, `If no restore runs now: ${dropAll(abandoned)}`);
    if (kept.length > 0) area.add("kept databases", "warn", `swaps set aside ${kept.map(({ name, bytes }) => `${name} (${bytes} bytes)`).join(", ")}`, `When they are no longer needed for \`holdfast restore undo\`: ${dropAll(kept.map(({ name }) => name))}`);
  } finally {
    await admin.close();
  }
}
