/** What a session may do and how it is connected, as far as a backup or a restore depends on it. */
import type { Session } from "./session.ts";
import type { TableName } from "./truth/tables.ts";

export interface Access {
  readonly user: string;
  readonly superuser: boolean;
  readonly createDatabase: boolean;
  /** Null if the connection is not encrypted. */
  readonly tls: { readonly version: string; readonly cipher: string } | null;
  /** True if a pooler in session mode stands between; through one in transaction mode no session is opened at all. */
  readonly pooler: boolean;
  /** How many tables and sequences the user may read. */
  readonly readable: number;
  /** Tables and sequences that the user may not read, be it for their schema. */
  readonly unreadable: readonly string[];
  readonly unreadableLargeObjects: number;
  /** Tables whose row security applies to the user: pg_dump refuses them. */
  readonly rowSecurity: readonly string[];
}

const inDatabase = "c.relkind IN ('r', 'p', 'm', 'S') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_t%'";
/** pg_dump reads what an extension made only where the extension says so. */
const ownedByExtension = "EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')";

interface Relation extends TableName {
  readonly shown: string;
  readonly readable: boolean;
  readonly hidden: boolean;
}

/** @param include - which tables a backup takes; all by default */
export async function inspectAccess(session: Session, include: (table: TableName) => boolean = () => true): Promise<Access> {
  const facts = await session.row<Pick<Access, "user" | "superuser" | "createDatabase" | "tls">>(`
    SELECT r.rolname AS user, r.rolsuper AS superuser, r.rolsuper OR r.rolcreatedb AS "createDatabase",
           (SELECT json_build_object('version', s.version, 'cipher', s.cipher) FROM pg_stat_ssl s WHERE s.pid = pg_backend_pid() AND s.ssl) AS tls
      FROM pg_roles r WHERE r.rolname = current_user`);
  const relations = await session.rows<Relation>(`
    SELECT n.nspname AS schema, c.relname AS name, format('%I.%I', n.nspname, c.relname) AS shown,
           has_schema_privilege(n.oid, 'USAGE') AND CASE c.relkind WHEN 'S' THEN has_sequence_privilege(c.oid, 'SELECT') ELSE has_table_privilege(c.oid, 'SELECT') END AS readable,
           c.relkind <> 'S' AND row_security_active(c.oid) AS hidden
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ${inDatabase} AND NOT ${ownedByExtension} ORDER BY 3`);
  const { count } = await session.row<{ count: number }>(`
    SELECT count(*) FROM pg_largeobject_metadata m WHERE NOT pg_has_role(m.lomowner, 'USAGE') AND current_setting('lo_compat_privileges') = 'off'
       AND NOT EXISTS (SELECT 1 FROM aclexplode(m.lomacl) a WHERE a.privilege_type = 'SELECT' AND (a.grantee = 0 OR pg_has_role(a.grantee, 'USAGE')))`);
  const taken = relations.filter(include);
  return {
    ...facts,
    pooler: session.pooled,
    readable: taken.filter(({ readable }) => readable).length,
    unreadable: taken.filter(({ readable }) => !readable).map(({ shown }) => shown),
    unreadableLargeObjects: count,
    rowSecurity: taken.filter(({ hidden }) => hidden).map(({ shown }) => shown),
  };
}
