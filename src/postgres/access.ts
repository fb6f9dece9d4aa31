/** What a session may do and how it is connected, as far as a backup or a restore depends on it. */
import type { Session } from "./session.ts";

export interface Access {
  readonly user: string;
  readonly superuser: boolean;
  readonly createDatabase: boolean;
  /** Null if the connection is not encrypted. */
  readonly tls: { readonly version: string; readonly cipher: string } | null;
  /** The port that the server itself listens on; null over a socket. */
  readonly serverPort: number | null;
  /** True if a pooler in session mode stands between; through one in transaction mode no session is opened at all. */
  readonly pooler: boolean;
  readonly readable: number;
  /** Tables that the user may not read. */
  readonly unreadable: readonly string[];
  /** Tables whose row security applies to the user: pg_dump refuses them. */
  readonly rowSecurity: readonly string[];
}

const userTables = `pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_t%'`;

export async function inspectAccess(session: Session): Promise<Access> {
  const facts = await session.row<Omit<Access, "pooler" | "readable" | "unreadable" | "rowSecurity">>(`
    SELECT r.rolname AS user, r.rolsuper AS superuser, r.rolsuper OR r.rolcreatedb AS "createDatabase", inet_server_port() AS "serverPort",
           (SELECT json_build_object('version', s.version, 'cipher', s.cipher) FROM pg_stat_ssl s WHERE s.pid = pg_backend_pid() AND s.ssl) AS tls
      FROM pg_roles r WHERE r.rolname = current_user`);
  const { readable } = await session.row<{ readable: number }>(`SELECT count(*) AS readable FROM ${userTables} AND has_table_privilege(c.oid, 'SELECT')`);
  const unreadable = await session.rows<{ name: string }>(`SELECT format('%I.%I', n.nspname, c.relname) AS name FROM ${userTables} AND NOT has_table_privilege(c.oid, 'SELECT') ORDER BY 1`);
  const rowSecurity = await session.rows<{ name: string }>(`SELECT format('%I.%I', n.nspname, c.relname) AS name FROM ${userTables} AND row_security_active(c.oid) ORDER BY 1`);
  return { ...facts, pooler: session.pooled, readable, unreadable: unreadable.map(({ name }) => name), rowSecurity: rowSecurity.map(({ name }) => name) };
}
