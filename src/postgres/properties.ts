/** What belongs to a database but is in no archive that pg_restore would apply to another name. */
import { identifier, literal, type Session } from "./session.ts";

/** Settings that hold a list of names; PostgreSQL stores them with each name quoted where it must be. */
const listSettings = new Set(["local_preload_libraries", "search_path", "session_preload_libraries", "shared_preload_libraries", "temp_tablespaces", "unix_socket_directories"]);

const thisOne = 'DATABASE :"DBNAME"';

/**
 * The properties of the database itself as SQL for psql, where `:"DBNAME"` is whatever database it is run in.
 * The connection limit comes last: a low one must not keep out whoever runs the rest.
 */
export async function databaseProperties(session: Session): Promise<string> {
  const database = await session.row<{ owner: string; comment: string | null; limit: number; granted: boolean }>(`
    SELECT pg_get_userbyid(datdba) AS owner, shobj_description(oid, 'pg_database') AS comment, datconnlimit AS limit, datacl IS NOT NULL AS granted
      FROM pg_database WHERE datname = current_database()`);
  const grants = await session.rows<{ grantee: string | null; privilege: string; grantable: boolean }>(`
    SELECT g.rolname AS grantee, a.privilege_type AS privilege, a.is_grantable AS grantable
      FROM pg_database d, aclexplode(d.datacl) a LEFT JOIN pg_roles g ON g.oid = a.grantee
     WHERE d.datname = current_database() AND (a.grantee = 0 OR g.rolname IS NOT NULL) ORDER BY 1, 2`);
  const settings = await session.rows<{ role: string | null; name: string; value: string }>(`
    SELECT r.rolname AS role, split_part(c, '=', 1) AS name, substr(c, strpos(c, '=') + 1) AS value
      FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase LEFT JOIN pg_roles r ON r.oid = s.setrole, unnest(s.setconfig) WITH ORDINALITY AS u(c, turn)
     WHERE d.datname = current_database() AND (s.setrole = 0 OR r.rolname IS NOT NULL) ORDER BY r.rolname, u.turn`);
  const owner = identifier(database.owner);
  const statements = [
    `ALTER ${thisOne} OWNER TO ${owner}`,
    ...(database.granted ? [`REVOKE ALL ON ${thisOne} FROM PUBLIC, ${owner}`] : []),
    ...grants.map(({ grantee, privilege, grantable }) => `GRANT ${privilege} ON ${thisOne} TO ${grantee === null ? "PUBLIC" : identifier(grantee)}${grantable ? " WITH GRANT OPTION" : ""}`),
    ...(database.comment === null ? [] : [`COMMENT ON ${thisOne} IS ${literal(database.comment)}`]),
    ...settings.map(({ role, name, value }) => `ALTER ${role === null ? thisOne : `ROLE ${identifier(role)} IN ${thisOne}`} SET ${identifier(name)} TO ${settingValue(name, value)}`),
    ...(database.limit === -1 ? [] : [`ALTER ${thisOne} CONNECTION LIMIT ${database.limit}`]),
  ];
  return `-- Properties of the database itself; run with psql inside the restored database.\n${statements.map((sql) => `${sql};\n`).join("")}`;
}

function settingValue(name: string, value: string): string {
  if (!listSettings.has(name.toLowerCase())) return literal(value);
  const names = [...value.matchAll(/"((?:[^"]|"")*)"|([^",\s]+)/g)].map(([, quoted, plain]) => literal(quoted?.replaceAll('""', '"') ?? plain ?? ""));
  return names.length === 0 ? "''" : names.join(", ");
}

/** Objects that somebody made, with their owners, of the catalogs whose owner is most often the first superuser. */
const ownedByUsers = [["pg_class", "relowner"], ["pg_proc", "proowner"], ["pg_type", "typowner"], ["pg_namespace", "nspowner"], ["pg_event_trigger", "evtowner"], ["pg_publication", "pubowner"], ["pg_foreign_server", "srvowner"], ["pg_foreign_data_wrapper", "fdwowner"], ["pg_largeobject_metadata", "lomowner"]] as const;

/**
 * The roles that objects of this database belong to, are granted to or have settings in it; the restore needs them.
 * The first superuser is in none of the server's dependencies, so what it owns is looked for.
 */
export async function rolesInUse(session: Session): Promise<string[]> {
  const bootstrap = ownedByUsers.map(
    ([catalog, owner]) => `SELECT 1 FROM ${catalog} o WHERE o.${owner} = 10 AND o.oid >= 16384 AND NOT EXISTS (SELECT 1 FROM pg_depend e WHERE e.classid = '${catalog}'::regclass AND e.objid = o.oid AND e.deptype = 'e')`,
  );
  const rows = await session.rows<{ role: string }>(`
    WITH this AS (SELECT oid, datdba FROM pg_database WHERE datname = current_database())
    SELECT r.rolname AS role FROM pg_shdepend d JOIN pg_roles r ON r.oid = d.refobjid, this
     WHERE d.refclassid = 'pg_authid'::regclass AND (d.dbid = this.oid OR d.dbid = 0 AND d.classid = 'pg_database'::regclass AND d.objid = this.oid)
    UNION SELECT r.rolname FROM this JOIN pg_roles r ON r.oid = this.datdba
    UNION SELECT r.rolname FROM this JOIN pg_db_role_setting s ON s.setdatabase = this.oid JOIN pg_roles r ON r.oid = s.setrole
    UNION SELECT r.rolname FROM pg_roles r WHERE r.oid = 10 AND EXISTS (${bootstrap.join(" UNION ALL ")})
    ORDER BY 1`);
  return rows.map((row) => row.role);
}
