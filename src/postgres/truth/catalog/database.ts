/**
 * Settings and grants of the database itself. pg_dump carries them only with --create, which Holdfast does not use (it
 * restores under another name), so a difference is a note unless the caller says that they were brought over.
 */
import { type CatalogQuery, roleName } from "./query.ts";

const thisDatabase = "(SELECT d.oid FROM pg_database d WHERE d.datname = current_database())";

const settings: CatalogQuery = {
  kind: "database-setting",
  sql: () => `SELECT format('%s for %s', split_part(s.setting, '=', 1), CASE r.setrole WHEN 0 THEN 'all roles' ELSE pg_get_userbyid(r.setrole)::text END) AS identity,
    s.setting FROM pg_db_role_setting r CROSS JOIN unnest(r.setconfig) AS s(setting) WHERE r.setdatabase = ${thisDatabase}`,
};

const grants: CatalogQuery = {
  kind: "database-acl",
  sql: () => `SELECT 'database' AS identity,
    ARRAY(SELECT format('%s: %s%s', ${roleName("g.grantee")}, g.privilege_type, CASE WHEN g.is_grantable THEN ' with grant option' END)
      FROM aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) g ORDER BY 1) AS grants
    FROM pg_database d WHERE d.oid = ${thisDatabase}`,
};

export const databaseQueries: readonly CatalogQuery[] = [settings, grants];
/** The kinds that pg_dump leaves behind. */
export const databaseKinds: readonly string[] = databaseQueries.map((query) => query.kind);
