/**
 * One kind of catalog object and the query that describes every object of that kind.
 *
 * Rules for the queries: `identity` names the object for a person; every other column is part of its definition. No
 * OID, no attribute number and no name that the server made up for itself may appear, because a restore changes them.
 * The search path is empty when they run, so every name comes out qualified.
 */

export interface CatalogQuery {
  readonly kind: string;
  /** @param server - `server_version_num`, e.g. 150019 */
  readonly sql: (server: number) => string;
}

/** True for schemas that hold the users' objects; the server's own all begin with `pg_`. */
export const userSchema = (namespace: string): string => `(${namespace}.nspname !~ '^pg_' AND ${namespace}.nspname <> 'information_schema')`;

/** True for objects that no extension made: those come back with CREATE EXTENSION, and their version stands for them. */
export const notOfExtension = (catalog: string, oid: string): string =>
  `NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = '${catalog}'::regclass AND e.objid = ${oid} AND e.deptype = 'e')`;

/** True for objects outside any schema that initdb did not make. */
export const userMade = (catalog: string, oid: string): string => `(${oid} >= 16384 AND ${notOfExtension(catalog, oid)})`;

/** The server's own name of an object, qualified and quoted. */
export const identityOf = (catalog: string, oid: string): string => `(SELECT identity FROM pg_identify_object('${catalog}'::regclass, ${oid}, 0))`;

/** A column that older servers do not have, as null there. */
export const since = (server: number, major: number, expression: string): string => (server >= major * 10_000 ? expression : "NULL::text");

/** An array of options in a fixed order. */
export const sorted = (array: string): string => `ARRAY(SELECT o FROM unnest(${array}) o ORDER BY o COLLATE "C")`;

/** The name of a role; 0 is PUBLIC. */
export const roleName = (oid: string): string => `CASE ${oid} WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(${oid})::text END`;
