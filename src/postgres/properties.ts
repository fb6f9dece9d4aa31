/** What belongs to a database but is in no archive that pg_restore would apply to another name. */
import type { Session } from "./session.ts";

/** The properties of the database itself as SQL for psql, where `:"DBNAME"` is whatever database it is run in. */
export async function databaseProperties(session: Session): Promise<string> {
  const rows = await session.rows<{ sql: string }>(`
    SELECT format('ALTER DATABASE :"DBNAME" CONNECTION LIMIT %s;', datconnlimit) AS sql, 1 AS place FROM pg_database WHERE datname = current_database() AND datconnlimit <> -1
    UNION ALL
    SELECT format('COMMENT ON DATABASE :"DBNAME" IS %L;', shobj_description(oid, 'pg_database')), 2 FROM pg_database
     WHERE datname = current_database() AND shobj_description(oid, 'pg_database') IS NOT NULL
    UNION ALL
    SELECT format('ALTER %s SET %I TO %s;',
                  CASE WHEN s.setrole = 0 THEN 'DATABASE :"DBNAME"' ELSE format('ROLE %I IN DATABASE :"DBNAME"', r.rolname) END,
                  split_part(c, '=', 1), CASE WHEN lower(split_part(c, '=', 1)) = ANY (ARRAY['search_path','local_preload_libraries','session_preload_libraries','shared_preload_libraries','temp_tablespaces','unix_socket_directories'])
                                              THEN substr(c, strpos(c, '=') + 1) ELSE quote_literal(substr(c, strpos(c, '=') + 1)) END), 3
      FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase LEFT JOIN pg_roles r ON r.oid = s.setrole, unnest(s.setconfig) c
     WHERE d.datname = current_database()
    UNION ALL
    SELECT format('REVOKE ALL ON DATABASE :"DBNAME" FROM PUBLIC;'), 4 FROM pg_database WHERE datname = current_database() AND datacl IS NOT NULL
    UNION ALL
    SELECT format('GRANT %s ON DATABASE :"DBNAME" TO %s%s;', a.privilege_type, CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(g.rolname) END,
                  CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END), 5
      FROM pg_database d, aclexplode(d.datacl) a LEFT JOIN pg_roles g ON g.oid = a.grantee
     WHERE d.datname = current_database() AND (a.grantee = 0 OR g.rolname IS NOT NULL)
    ORDER BY 2, 1`);
  return `-- Properties of the database itself; run with psql inside the restored database.\n${rows.map((row) => `${row.sql}\n`).join("")}`;
}

/** The roles that objects of this database belong to or are granted to; the restore needs them. */
export async function rolesInUse(session: Session): Promise<string[]> {
  const rows = await session.rows<{ role: string }>(`
    SELECT DISTINCT r.rolname AS role FROM pg_shdepend d JOIN pg_roles r ON r.oid = d.refobjid
     WHERE d.refclassid = 'pg_authid'::regclass AND d.dbid IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
       AND (d.dbid <> 0 OR (d.classid = 'pg_database'::regclass AND d.objid = (SELECT oid FROM pg_database WHERE datname = current_database())))
     UNION SELECT r.rolname FROM pg_database b JOIN pg_roles r ON r.oid = b.datdba WHERE b.datname = current_database()
     ORDER BY 1`);
  return rows.map((row) => row.role);
}

