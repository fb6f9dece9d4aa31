/** As whom the application of a rehearsal comes to the copy. */
import { randomBytes } from "node:crypto";

import type { Scratch } from "../../drill/scratch/scratch.ts";
import { registerSecret } from "../../process/redact.ts";
import { parseDatabaseUrl } from "../../postgres/connection.ts";
import { identifier, literal, openSession } from "../../postgres/session.ts";

export interface CopyUrl {
  /** Secret. */
  readonly url: string;
  readonly role: string;
}

export const databasePort = 5432;

/**
 * The application comes as the role of the configured URL, with what is granted to it and set for it; where that one is not
 * there or may not write, as a backup's own role, as the scratch's superuser.
 * @param configured - the URL of the database in production
 * @param host - the copy's, as the application finds it
 */
export async function copyUrlFor({ server, database }: Pick<Scratch, "server" | "database">, configured: string, host: string, signal: AbortSignal): Promise<CopyUrl> {
  const { env, schema } = parseDatabaseUrl(configured);
  const { PGUSER: user = "", PGOPTIONS: options } = env;
  const session = await openSession(server.target(database), { signal });
  try {
    const found = await session.rows(`
      SELECT 1 FROM pg_roles r WHERE r.rolname = ${literal(user)} AND r.rolcanlogin AND has_database_privilege(r.oid, current_database(), 'CONNECT')
         AND EXISTS (SELECT 1 FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
                     AND has_table_privilege(r.oid, c.oid, 'INSERT'))`);
    const role = found.length > 0 ? user : server.facts.user;
    // We may come by a password ourselves, as the same role, and have to go on coming.
    const own = role === server.facts.user ? server.connection.env["PGPASSWORD"] : undefined;
    const password = own ?? randomBytes(24).toString("hex");
    registerSecret(password);
    await session.execute("SET password_encryption = 'scram-sha-256'");
    await session.execute(`ALTER ROLE ${identifier(role)} PASSWORD ${literal(password)} VALID UNTIL 'infinity'`);
    const query = new URLSearchParams({ ...(schema !== undefined && { schema }), ...(options !== undefined && { options }) }).toString();
    return { role, url: `postgresql://${encodeURIComponent(role)}:${password}@${host}:${databasePort}/${encodeURIComponent(database)}${query === "" ? "" : `?${query}`}` };
  } finally {
    await session.close();
  }
}
