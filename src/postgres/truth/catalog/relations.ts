/** Schemas, tables of every kind, their columns, indexes and constraints, views and sequences. */
import { type CatalogQuery, notOfExtension, since, sorted, userMade, userSchema } from "./query.ts";

/** Relations of users, as `c`; what hangs on an extension's table comes and goes with the extension. */
const relations = (kinds: string): string => `
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE ${userSchema("n")} AND ${notOfExtension("pg_class", "c.oid")} AND c.relkind IN (${kinds})`;

const schemas: CatalogQuery = {
  kind: "schema",
  sql: () => `SELECT quote_ident(n.nspname) AS identity FROM pg_namespace n WHERE ${userSchema("n")} AND ${notOfExtension("pg_namespace", "n.oid")}`,
};

/** pg_dump writes the columns of an inheriting table behind the inherited ones, so their order counts for others only. */
const tables: CatalogQuery = {
  kind: "table",
  sql: () => `SELECT c.oid::regclass::text AS identity, c.relkind, c.relpersistence, c.relreplident, c.relrowsecurity, c.relforcerowsecurity,
    ${sorted("c.reloptions")} AS options,
    ${sorted("(SELECT t.reloptions FROM pg_class t WHERE t.oid = c.reltoastrelid)")} AS toast_options,
    (SELECT a.amname FROM pg_am a WHERE a.oid = c.relam) AS access_method,
    nullif(c.reloftype, 0)::regtype::text AS of_type,
    CASE c.relkind WHEN 'p' THEN pg_get_partkeydef(c.oid) END AS partition_key,
    pg_get_expr(c.relpartbound, c.oid) AS partition_bound,
    ARRAY(SELECT i.inhparent::regclass::text FROM pg_inherits i WHERE i.inhrelid = c.oid ORDER BY i.inhseqno) AS parents,
    ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      ORDER BY CASE WHEN c.relispartition OR NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid) THEN a.attnum END,
        a.attname::text COLLATE "C") AS columns,
    (SELECT s.srvname FROM pg_foreign_table f JOIN pg_foreign_server s ON s.oid = f.ftserver WHERE f.ftrelid = c.oid) AS server,
    (SELECT ${sorted("f.ftoptions")} FROM pg_foreign_table f WHERE f.ftrelid = c.oid) AS server_options
    ${relations("'r', 'p', 'f'")}`,
};

const columns: CatalogQuery = {
  kind: "column",
  sql: (server) => `SELECT format('%s.%I', c.oid::regclass, a.attname) AS identity, format_type(a.atttypid, a.atttypmod) AS type,
    a.attnotnull, pg_get_expr(d.adbin, d.adrelid) AS default, a.attidentity, a.attgenerated,
    nullif(a.attcollation, 0)::regcollation::text AS collation, a.attstorage, ${since(server, 14, "a.attcompression::text")} AS compression,
    nullif(a.attstattarget, -1) AS statistics, ${sorted("a.attoptions")} AS options, ${sorted("a.attfdwoptions")} AS server_options
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'f', 'v', 'm')
      AND ${userSchema("n")} AND ${notOfExtension("pg_class", "c.oid")}`,
};

/** pg_dump leaves invalid indexes out (those of partitioned tables apart), so they are no part of the truth either. */
const indexes: CatalogQuery = {
  kind: "index",
  sql: () => `SELECT x.indexrelid::regclass::text AS identity, pg_get_indexdef(x.indexrelid) AS definition,
    x.indisvalid, x.indisclustered, x.indisreplident,
    (SELECT h.inhparent::regclass::text FROM pg_inherits h WHERE h.inhrelid = x.indexrelid) AS parent,
    ARRAY(SELECT nullif(a.attstattarget, -1) FROM pg_attribute a WHERE a.attrelid = x.indexrelid ORDER BY a.attnum) AS statistics
    FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class c ON c.oid = x.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE ${userSchema("n")} AND ${notOfExtension("pg_class", "c.oid")} AND (x.indisvalid OR i.relkind = 'I')`,
};

/** Left out: foreign keys that a partition got from its parent (the server names them), NOT NULL (a column says it), and constraint triggers. */
const constraints: CatalogQuery = {
  kind: "constraint",
  sql: () => `SELECT format('%I on %s', k.conname, CASE WHEN k.conrelid <> 0 THEN k.conrelid::regclass::text ELSE k.contypid::regtype::text END) AS identity,
    k.contype, pg_get_constraintdef(k.oid) AS definition, k.convalidated, k.condeferrable, k.condeferred
    FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace
    WHERE ${userSchema("n")} AND k.contype NOT IN ('n', 't') AND (k.contype <> 'f' OR k.conparentid = 0)
      AND ${notOfExtension("pg_class", "k.conrelid")} AND ${notOfExtension("pg_type", "k.contypid")}`,
};

const views: CatalogQuery = {
  kind: "view",
  sql: () => `SELECT c.oid::regclass::text AS identity, pg_get_viewdef(c.oid) AS definition, ${sorted("c.reloptions")} AS options ${relations("'v'")}`,
};

const materializedViews: CatalogQuery = {
  kind: "materialized-view",
  sql: () => `SELECT c.oid::regclass::text AS identity, pg_get_viewdef(c.oid) AS definition, ${sorted("c.reloptions")} AS options, c.relispopulated,
    (SELECT a.amname FROM pg_am a WHERE a.oid = c.relam) AS access_method ${relations("'m'")}`,
};

const sequences: CatalogQuery = {
  kind: "sequence",
  sql: () => `SELECT c.oid::regclass::text AS identity, c.relpersistence, s.seqtypid::regtype::text AS type,
    s.seqstart, s.seqincrement, s.seqmax, s.seqmin, s.seqcache, s.seqcycle,
    (SELECT format('%s %s.%I', d.deptype, d.refobjid::regclass, a.attname) FROM pg_depend d
      JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')) AS owned_by
    FROM pg_sequence s JOIN (SELECT c.oid, c.relpersistence ${relations("'S'")}) c ON c.oid = s.seqrelid`,
};

const statistics: CatalogQuery = {
  kind: "statistics",
  sql: () => `SELECT format('%I.%I', n.nspname, s.stxname) AS identity, pg_get_statisticsobjdef(s.oid) AS definition, nullif(s.stxstattarget, -1) AS target
    FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace
    WHERE ${userSchema("n")} AND ${notOfExtension("pg_statistic_ext", "s.oid")}`,
};

const tablespaces: CatalogQuery = {
  kind: "tablespace",
  sql: () => `SELECT c.oid::regclass::text AS identity, (SELECT t.spcname FROM pg_tablespace t WHERE t.oid = c.reltablespace) AS tablespace
    FROM (SELECT c.oid, c.reltablespace ${relations("'r', 'p', 'm', 'i', 'I'")}) c WHERE c.reltablespace <> 0`,
};

const accessMethods: CatalogQuery = {
  kind: "access-method",
  sql: () => `SELECT quote_ident(a.amname) AS identity, a.amtype, a.amhandler::text AS handler FROM pg_am a WHERE ${userMade("pg_am", "a.oid")}`,
};

export const relationQueries: readonly CatalogQuery[] = [
  schemas, tables, columns, indexes, constraints, views, materializedViews, sequences, statistics, tablespaces, accessMethods,
];
