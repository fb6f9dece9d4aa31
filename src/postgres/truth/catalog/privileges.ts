/**
 * Owners, grants, comments and labels: kinds of their own, so that a restore with --no-owner or a role map leaves them
 * out of the comparison by kind.
 */
import { type CatalogQuery, notOfExtension, roleName, userMade, userSchema } from "./query.ts";

/** An access control list as sorted text. A list that was never set equals the default spelled out. */
const grants = (acl: string): string => `ARRAY(SELECT format('%s: %s%s by %s', ${roleName("g.grantee")}, g.privilege_type,
    CASE WHEN g.is_grantable THEN ' with grant option' END, ${roleName("g.grantor")}) FROM aclexplode(${acl}) g ORDER BY 1)`;

interface Owned {
  readonly catalog: string;
  readonly owner: string;
  /** Null for objects outside any schema. */
  readonly namespace: string | null;
  /** The list of grants and the letter by which acldefault() knows the kind of object. */
  readonly acl?: readonly [column: string, letter: string];
  readonly where?: string;
}

const ownedCatalogs: readonly Owned[] = [
  { catalog: "pg_namespace", owner: "nspowner", namespace: "oid", acl: ["nspacl", "'n'"] },
  {
    catalog: "pg_class",
    owner: "relowner",
    namespace: "relnamespace",
    acl: ["relacl", "CASE o.relkind WHEN 'S' THEN 's' ELSE 'r' END::\"char\""],
    where: "o.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')",
  },
  { catalog: "pg_proc", owner: "proowner", namespace: "pronamespace", acl: ["proacl", "'f'"] },
  {
    catalog: "pg_type",
    owner: "typowner",
    namespace: "typnamespace",
    acl: ["typacl", "'T'"],
    where: `o.typtype <> 'm' AND (o.typrelid = 0 OR EXISTS (SELECT FROM pg_class c WHERE c.oid = o.typrelid AND c.relkind = 'c'))
      AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = o.oid)`,
  },
  { catalog: "pg_language", owner: "lanowner", namespace: null, acl: ["lanacl", "'l'"] },
  { catalog: "pg_foreign_data_wrapper", owner: "fdwowner", namespace: null, acl: ["fdwacl", "'F'"] },
  { catalog: "pg_foreign_server", owner: "srvowner", namespace: null, acl: ["srvacl", "'S'"] },
  // One that another operator names and nobody made is no operator yet, and pg_dump leaves it out.
  { catalog: "pg_operator", owner: "oprowner", namespace: "oprnamespace", where: "o.oprcode <> 0" },
  { catalog: "pg_opclass", owner: "opcowner", namespace: "opcnamespace" },
  { catalog: "pg_opfamily", owner: "opfowner", namespace: "opfnamespace" },
  { catalog: "pg_collation", owner: "collowner", namespace: "collnamespace" },
  { catalog: "pg_conversion", owner: "conowner", namespace: "connamespace" },
  { catalog: "pg_ts_config", owner: "cfgowner", namespace: "cfgnamespace" },
  { catalog: "pg_ts_dict", owner: "dictowner", namespace: "dictnamespace" },
  { catalog: "pg_statistic_ext", owner: "stxowner", namespace: "stxnamespace" },
  { catalog: "pg_event_trigger", owner: "evtowner", namespace: null },
  { catalog: "pg_publication", owner: "pubowner", namespace: null },
];

/** True for the users' own objects of one catalog, as `o`. */
const own = ({ catalog, namespace }: Owned): string =>
  namespace === null
    ? userMade(catalog, "o.oid")
    : `(EXISTS (SELECT FROM pg_namespace n WHERE n.oid = o.${namespace} AND ${userSchema("n")}) AND ${notOfExtension(catalog, "o.oid")})`;

/** False for what belongs to a session and ends with it. */
const lasting = ({ namespace }: Owned): string =>
  namespace === null ? "true" : `NOT EXISTS (SELECT FROM pg_namespace n WHERE n.oid = o.${namespace} AND n.nspname ~ '^pg_(toast_)?temp_')`;

const named = (catalog: string, oid: string, column = "0"): string =>
  `(SELECT concat(type, ' ', identity) FROM pg_identify_object(${catalog}, ${oid}, ${column}))`;

const owners: CatalogQuery = {
  kind: "owner",
  sql: () =>
    ownedCatalogs
      .map((owned) => `SELECT ${named(`'${owned.catalog}'::regclass`, "o.oid")} AS identity, pg_get_userbyid(o.${owned.owner})::text AS owner
        FROM ${owned.catalog} o WHERE ${own(owned)} AND ${owned.where ?? "true"}`)
      .join("\nUNION ALL\n"),
};

/** Of the server's and the extensions' objects only those whose grants somebody changed: pg_dump carries these changes too. */
const accessControl: CatalogQuery = {
  kind: "acl",
  sql: () =>
    ownedCatalogs
      .flatMap((owned) => {
        if (owned.acl === undefined) return [];
        const [column, letter] = owned.acl;
        const initial = `coalesce((SELECT i.initprivs FROM pg_init_privs i WHERE i.classoid = '${owned.catalog}'::regclass AND i.objoid = o.oid AND i.objsubid = 0),
          acldefault(${letter}, o.${owned.owner}))`;
        return [`SELECT ${named(`'${owned.catalog}'::regclass`, "o.oid")} AS identity,
          ${grants(`coalesce(o.${column}, acldefault(${letter}, o.${owned.owner}))`)} AS grants
          FROM ${owned.catalog} o WHERE ${owned.where ?? "true"}
          AND (${own(owned)} OR o.${column} IS NOT NULL AND ${lasting(owned)} AND ${grants(`o.${column}`)} <> ${grants(initial)})`];
      })
      .join("\nUNION ALL\n"),
};

const columnAccessControl: CatalogQuery = {
  kind: "column-acl",
  sql: () => `SELECT format('%s.%I', c.oid::regclass, a.attname) AS identity, ${grants("a.attacl")} AS grants
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE cardinality(a.attacl) > 0 AND NOT a.attisdropped AND ${userSchema("n")} AND ${notOfExtension("pg_class", "c.oid")}`,
};

const defaultPrivileges: CatalogQuery = {
  kind: "default-privileges",
  sql: () => `SELECT (SELECT identity FROM pg_identify_object('pg_default_acl'::regclass, d.oid, 0)) AS identity, ${grants("d.defaclacl")} AS grants
    FROM pg_default_acl d`,
};

/** Thousands of large objects make one entry: a sum of digests over their ids, owners and grants. */
const largeObjects = (kind: string, text: string): CatalogQuery => ({
  kind,
  sql: () => `SELECT 'large objects' AS identity,
    sum(('x' || encode(substr(sha256(convert_to(${text}, 'SQL_ASCII')), 1, 8), 'hex'))::bit(64)::bigint)::text AS digest
    FROM pg_largeobject_metadata o HAVING count(*) > 0`,
});
const largeObjectOwners = largeObjects("owner", "format('%s %s', o.oid, pg_get_userbyid(o.lomowner))");
const largeObjectGrants = largeObjects("acl", `format('%s %s', o.oid, ${grants("coalesce(o.lomacl, acldefault('L', o.lomowner))")})`);

/**
 * True for what may carry a comment or label of a user: not the server's own objects (the public schema apart), not an
 * extension's, and not what is gone: DROP SUBSCRIPTION leaves the comment behind.
 */
const described = `(SELECT identity IS NOT NULL FROM pg_identify_object(d.classoid, d.objoid, d.objsubid)) AND (d.objoid >= 16384 OR d.classoid = 'pg_largeobject'::regclass OR d.classoid = 'pg_namespace'::regclass AND d.objoid = 2200)
  AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = d.classoid AND e.objid = d.objoid AND e.deptype = 'e')
  AND NOT EXISTS (SELECT FROM pg_class t WHERE d.classoid = 'pg_class'::regclass AND t.oid = d.objoid AND t.relpersistence = 't')`;

const comments: CatalogQuery = {
  kind: "comment",
  sql: () => `SELECT ${named("d.classoid", "d.objoid", "d.objsubid")} AS identity, d.description FROM pg_description d WHERE ${described}`,
};

const securityLabels: CatalogQuery = {
  kind: "security-label",
  sql: () => `SELECT concat(${named("d.classoid", "d.objoid", "d.objsubid")}, ' by ', d.provider) AS identity, d.label FROM pg_seclabel d WHERE ${described}`,
};

export const privilegeQueries: readonly CatalogQuery[] = [
  owners, accessControl, columnAccessControl, defaultPrivileges, largeObjectOwners, largeObjectGrants, comments, securityLabels,
];
