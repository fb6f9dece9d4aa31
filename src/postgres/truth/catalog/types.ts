/** Types, and what teaches the server to convert, sort and search them. */
import { type CatalogQuery, identityOf, notOfExtension, since, userMade, userSchema } from "./query.ts";

const inUserSchema = (catalog: string, alias: string, namespace: string): string =>
  `JOIN pg_namespace n ON n.oid = ${alias}.${namespace} WHERE ${userSchema("n")} AND ${notOfExtension(catalog, `${alias}.oid`)}`;

/** Left out: the row types of tables, and the array and multirange types that the server makes beside a type. */
const types: CatalogQuery = {
  kind: "type",
  sql: (server) => `SELECT t.oid::regtype::text AS identity, t.typtype, t.typisdefined,
    ARRAY(SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder) AS labels,
    ARRAY(SELECT format('%I %s %s', a.attname, format_type(a.atttypid, a.atttypmod), nullif(a.attcollation, 0)::regcollation)
      FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) AS attributes,
    CASE WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod) END AS base,
    CASE WHEN t.typtype IN ('d', 'b') THEN jsonb_build_array(t.typnotnull, t.typdefault, nullif(t.typcollation, 0)::regcollation::text) END AS value,
    CASE WHEN t.typtype = 'b' THEN jsonb_build_array(t.typlen, t.typbyval, t.typcategory, t.typispreferred, t.typdelim, t.typalign, t.typstorage,
      nullif(t.typelem, 0)::regtype::text, t.typinput::text, t.typoutput::text, t.typreceive::text, t.typsend::text,
      t.typmodin::text, t.typmodout::text, t.typanalyze::text) END AS base_type,
    (SELECT jsonb_build_array(r.rngsubtype::regtype::text, nullif(r.rngcollation, 0)::regcollation::text, ${identityOf("pg_opclass", "r.rngsubopc")},
      r.rngcanonical::text, r.rngsubdiff::text, ${since(server, 14, "r.rngmultitypid::regtype::text")})
      FROM pg_range r WHERE r.rngtypid = t.oid) AS range
    FROM pg_type t ${inUserSchema("pg_type", "t", "typnamespace")}
      AND t.typtype <> 'm' AND (t.typrelid = 0 OR EXISTS (SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c'))
      AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid)`,
};

const casts: CatalogQuery = {
  kind: "cast",
  sql: () => `SELECT ${identityOf("pg_cast", "c.oid")} AS identity, nullif(c.castfunc, 0)::regprocedure::text AS function, c.castcontext, c.castmethod
    FROM pg_cast c WHERE ${userMade("pg_cast", "c.oid")}`,
};

const collations: CatalogQuery = {
  kind: "collation",
  sql: () => `SELECT c.oid::regcollation::text AS identity,
    to_jsonb(c) - '{oid,collname,collnamespace,collowner,collversion,collencoding}'::text[] AS definition
    FROM pg_collation c ${inUserSchema("pg_collation", "c", "collnamespace")}`,
};

const conversions: CatalogQuery = {
  kind: "conversion",
  sql: () => `SELECT format('%I.%I', n.nspname, c.conname) AS identity, pg_encoding_to_char(c.conforencoding) AS source,
    pg_encoding_to_char(c.contoencoding) AS target, c.conproc::text AS function, c.condefault
    FROM pg_conversion c ${inUserSchema("pg_conversion", "c", "connamespace")}`,
};

const operators: CatalogQuery = {
  kind: "operator",
  sql: () => `SELECT o.oid::regoperator::text AS identity, o.oprcode::regprocedure::text AS function, o.oprresult::regtype::text AS result,
    nullif(o.oprcom, 0)::regoperator::text AS commutator, nullif(o.oprnegate, 0)::regoperator::text AS negator,
    o.oprrest::text AS restrict, o.oprjoin::text AS join, o.oprcanmerge, o.oprcanhash
    FROM pg_operator o ${inUserSchema("pg_operator", "o", "oprnamespace")} AND o.oprcode <> 0`,
};

const operatorClasses: CatalogQuery = {
  kind: "operator-class",
  sql: () => `SELECT ${identityOf("pg_opclass", "o.oid")} AS identity, o.opcintype::regtype::text AS type, o.opcdefault,
    nullif(o.opckeytype, 0)::regtype::text AS key_type, ${identityOf("pg_opfamily", "o.opcfamily")} AS family
    FROM pg_opclass o ${inUserSchema("pg_opclass", "o", "opcnamespace")}`,
};

const operatorFamilies: CatalogQuery = {
  kind: "operator-family",
  sql: () => `SELECT ${identityOf("pg_opfamily", "f.oid")} AS identity,
    ARRAY(SELECT format('%s %s %s %s', a.amopstrategy, a.amoppurpose, a.amopopr::regoperator,
        CASE WHEN a.amopsortfamily <> 0 THEN ${identityOf("pg_opfamily", "a.amopsortfamily")} END)
      FROM pg_amop a WHERE a.amopfamily = f.oid ORDER BY 1) AS operators,
    ARRAY(SELECT format('%s %s %s %s', p.amprocnum, p.amproclefttype::regtype, p.amprocrighttype::regtype, p.amproc::regprocedure)
      FROM pg_amproc p WHERE p.amprocfamily = f.oid ORDER BY 1) AS functions
    FROM pg_opfamily f ${inUserSchema("pg_opfamily", "f", "opfnamespace")}`,
};

const textSearchParsers: CatalogQuery = {
  kind: "text-search-parser",
  sql: () => `SELECT format('%I.%I', n.nspname, p.prsname) AS identity, p.prsstart::text AS start, p.prstoken::text AS token,
    p.prsend::text AS end, p.prsheadline::text AS headline, p.prslextype::text AS types
    FROM pg_ts_parser p ${inUserSchema("pg_ts_parser", "p", "prsnamespace")}`,
};

const textSearchTemplates: CatalogQuery = {
  kind: "text-search-template",
  sql: () => `SELECT format('%I.%I', n.nspname, t.tmplname) AS identity, t.tmplinit::text AS init, t.tmpllexize::text AS lexize
    FROM pg_ts_template t ${inUserSchema("pg_ts_template", "t", "tmplnamespace")}`,
};

const textSearchDictionaries: CatalogQuery = {
  kind: "text-search-dictionary",
  sql: () => `SELECT d.oid::regdictionary::text AS identity, ${identityOf("pg_ts_template", "d.dicttemplate")} AS template, d.dictinitoption
    FROM pg_ts_dict d ${inUserSchema("pg_ts_dict", "d", "dictnamespace")}`,
};

const textSearchConfigurations: CatalogQuery = {
  kind: "text-search-configuration",
  sql: () => `SELECT c.oid::regconfig::text AS identity, ${identityOf("pg_ts_parser", "c.cfgparser")} AS parser,
    ARRAY(SELECT format('%s %s', m.maptokentype, m.mapdict::regdictionary)
      FROM pg_ts_config_map m WHERE m.mapcfg = c.oid ORDER BY m.maptokentype, m.mapseqno) AS mappings
    FROM pg_ts_config c ${inUserSchema("pg_ts_config", "c", "cfgnamespace")}`,
};

export const typeQueries: readonly CatalogQuery[] = [
  types, casts, collations, conversions, operators, operatorClasses, operatorFamilies,
  textSearchParsers, textSearchTemplates, textSearchDictionaries, textSearchConfigurations,
];
