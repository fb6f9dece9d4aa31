/** What runs inside the server: functions, triggers, rules, policies and languages; and what runs between servers. */
import { type CatalogQuery, identityOf, notOfExtension, since, sorted, userMade, userSchema } from "./query.ts";

const functions: CatalogQuery = {
  kind: "function",
  sql: () => `SELECT p.oid::regprocedure::text AS identity, p.prokind, pg_get_functiondef(p.oid) AS definition
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE ${userSchema("n")} AND ${notOfExtension("pg_proc", "p.oid")} AND p.prokind <> 'a'`,
};

const aggregates: CatalogQuery = {
  kind: "aggregate",
  sql: () => `SELECT p.oid::regprocedure::text AS identity, p.proparallel, pg_get_function_arguments(p.oid) AS arguments, pg_get_function_result(p.oid) AS result,
    to_jsonb(a) - '{aggfnoid,aggsortop,aggtranstype,aggmtranstype}'::text[] AS definition, nullif(a.aggsortop, 0)::regoperator::text AS sort,
    a.aggtranstype::regtype::text AS state, nullif(a.aggmtranstype, 0)::regtype::text AS moving_state
    FROM pg_proc p JOIN pg_aggregate a ON a.aggfnoid = p.oid JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE ${userSchema("n")} AND ${notOfExtension("pg_proc", "p.oid")}`,
};

/** Triggers that the server made for a foreign key or cloned for a partition count through their origin, unless one was switched by hand. */
const triggers: CatalogQuery = {
  kind: "trigger",
  sql: () => `SELECT format('%I on %s', t.tgname, t.tgrelid::regclass) AS identity, pg_get_triggerdef(t.oid) AS definition, t.tgenabled
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_trigger u ON u.oid = t.tgparentid
    WHERE ${userSchema("n")} AND ${notOfExtension("pg_class", "c.oid")} AND ${notOfExtension("pg_trigger", "t.oid")}
      AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.oid = t.tgconstraint AND k.contype <> 't')
      AND (u.oid IS NULL AND NOT t.tgisinternal OR u.tgenabled <> t.tgenabled)`,
};

const rules: CatalogQuery = {
  kind: "rule",
  sql: () => `SELECT format('%I on %s', r.rulename, r.ev_class::regclass) AS identity, pg_get_ruledef(r.oid) AS definition, r.ev_enabled
    FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE ${userSchema("n")} AND ${notOfExtension("pg_class", "c.oid")} AND r.rulename <> '_RETURN'`,
};

const policies: CatalogQuery = {
  kind: "policy",
  sql: () => `SELECT format('%I on %s', p.polname, p.polrelid::regclass) AS identity, p.polcmd, p.polpermissive,
    ${sorted("ARRAY(SELECT CASE r WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(r)::text END FROM unnest(p.polroles) r)")} AS roles,
    pg_get_expr(p.polqual, p.polrelid) AS qualification, pg_get_expr(p.polwithcheck, p.polrelid) AS with_check
    FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE ${userSchema("n")} AND ${notOfExtension("pg_class", "c.oid")}`,
};

const eventTriggers: CatalogQuery = {
  kind: "event-trigger",
  sql: () => `SELECT quote_ident(t.evtname) AS identity, t.evtevent, t.evtenabled, t.evtfoid::regprocedure::text AS function, ${sorted("t.evttags")} AS tags
    FROM pg_event_trigger t WHERE ${userMade("pg_event_trigger", "t.oid")}`,
};

const languages: CatalogQuery = {
  kind: "language",
  sql: () => `SELECT quote_ident(l.lanname) AS identity, l.lanpltrusted, nullif(l.lanplcallfoid, 0)::regprocedure::text AS handler,
    nullif(l.laninline, 0)::regprocedure::text AS inline, nullif(l.lanvalidator, 0)::regprocedure::text AS validator
    FROM pg_language l WHERE ${userMade("pg_language", "l.oid")}`,
};

const transforms: CatalogQuery = {
  kind: "transform",
  sql: () => `SELECT ${identityOf("pg_transform", "t.oid")} AS identity, nullif(t.trffromsql, 0)::regprocedure::text AS from_sql,
    nullif(t.trftosql, 0)::regprocedure::text AS to_sql FROM pg_transform t WHERE ${userMade("pg_transform", "t.oid")}`,
};

const publications: CatalogQuery = {
  kind: "publication",
  sql: (server) => `SELECT quote_ident(p.pubname) AS identity, to_jsonb(p) - '{oid,pubname,pubowner}'::text[] AS definition,
    ${sorted(`ARRAY(SELECT format('%s %s %s', r.prrelid::regclass, ${since(server, 15, "pg_get_expr(r.prqual, r.prrelid)")},
      ${since(server, 15, "ARRAY(SELECT a.attname FROM pg_attribute a WHERE a.attrelid = r.prrelid AND a.attnum = ANY (r.prattrs) ORDER BY a.attname)::text")})
      FROM pg_publication_rel r WHERE r.prpubid = p.oid)`)} AS tables,
    ${since(server, 15, sorted("ARRAY(SELECT s.pnnspid::regnamespace::text FROM pg_publication_namespace s WHERE s.pnpubid = p.oid)"))} AS schemas
    FROM pg_publication p WHERE ${userMade("pg_publication", "p.oid")}`,
};

/** pg_restore brings subscriptions back disabled, so whether one is enabled does not count. The connection is hashed where it may be read. */
const subscriptions: CatalogQuery = {
  kind: "subscription",
  sql: () => `SELECT quote_ident(s.subname) AS identity, s.subslotname, ${sorted("s.subpublications")} AS publications, s.subsynccommit
    FROM pg_subscription s WHERE s.subdbid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())`,
};

const foreignDataWrappers: CatalogQuery = {
  kind: "foreign-data-wrapper",
  sql: () => `SELECT quote_ident(w.fdwname) AS identity, nullif(w.fdwhandler, 0)::regprocedure::text AS handler,
    nullif(w.fdwvalidator, 0)::regprocedure::text AS validator, ${sorted("w.fdwoptions")} AS options
    FROM pg_foreign_data_wrapper w WHERE ${userMade("pg_foreign_data_wrapper", "w.oid")}`,
};

const foreignServers: CatalogQuery = {
  kind: "foreign-server",
  sql: () => `SELECT quote_ident(s.srvname) AS identity, w.fdwname, s.srvtype, s.srvversion, ${sorted("s.srvoptions")} AS options
    FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw WHERE ${userMade("pg_foreign_server", "s.oid")}`,
};

const userMappings: CatalogQuery = {
  kind: "user-mapping",
  sql: () => `SELECT format('%s on %I', CASE m.umuser WHEN 0 THEN 'PUBLIC' ELSE quote_ident(m.usename) END, m.srvname) AS identity,
    ${sorted("m.umoptions")} AS options FROM pg_user_mappings m WHERE ${userMade("pg_foreign_server", "m.srvid")}`,
};

export const programQueries: readonly CatalogQuery[] = [
  functions, aggregates, triggers, rules, policies, eventTriggers, languages, transforms,
  publications, subscriptions, foreignDataWrappers, foreignServers, userMappings,
];
