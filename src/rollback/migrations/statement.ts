/** What each kind of statement means to a release that was written before it. What is not listed here is unknown. */
import { alterTable, restricting, staysUnique } from "./alter-table.ts";
import { compatible, type Effect, incompatible, unknown } from "./effect.ts";
import { indexColumns, riskOf } from "./expression.ts";
import type { NewObjects } from "./new-objects.ts";
import { as, below, each, kindOf, type Node, nameOf, type NodeKind, type NodeOf, type ParsedStatement, relationName, wordsOf } from "./sql.ts";

type Judges = { readonly [K in NodeKind]?: (statement: NodeOf<K>, news: NewObjects) => Effect | Effect[] };

const neutral = (why: string) => (): Effect => compatible(why);
const dangerous = (what: string) => (): Effect => incompatible(what);

const judges: Judges = {
  CreateStmt: createTable,
  CreateTableAsStmt: ({ into, query, objtype }, news) => made(into?.rel, query, objtype === "OBJECT_MATVIEW" ? "materialized view" : "table", news),
  ViewStmt: ({ view, query, replace }, news) => (replace === true && !news.hasRelation(view) ? unknown(`CREATE OR REPLACE VIEW ${relationName(view)}: the older release may read the one before`) : made(view, query, "view", news)),
  AlterTableStmt: alterTable,
  IndexStmt: createIndex,
  CreateSeqStmt: ({ sequence }, news) => {
    news.addRelation(sequence);
    return compatible(`creates the sequence ${relationName(sequence)}`);
  },
  AlterSeqStmt: ({ sequence }, news) => (news.hasRelation(sequence) ? compatible(`alters ${relationName(sequence)}, which is new`) : unknown(`ALTER SEQUENCE ${relationName(sequence)}`)),
  CreateSchemaStmt: ({ schemaname, schemaElts }) => ((schemaElts ?? []).length === 0 ? compatible(`creates the schema ${schemaname ?? ""}`) : unknown(`creates the schema ${schemaname ?? ""} with objects in it`)),
  CreateExtensionStmt: ({ extname }) => compatible(`creates the extension ${extname ?? ""}`),
  CreateEnumStmt: ({ typeName }, news) => newType(nameOf(typeName), news),
  CreateRangeStmt: ({ typeName }, news) => newType(nameOf(typeName), news),
  CreateDomainStmt: ({ domainname }, news) => newType(nameOf(domainname), news),
  CompositeTypeStmt: ({ typevar }, news) => newType(relationName(typevar), news),
  AlterEnumStmt: ({ typeName, oldVal }, news) => {
    const name = nameOf(typeName);
    if (news.has("type", name)) return compatible(`alters the type ${name}, which is new`);
    return oldVal === undefined ? unknown(`ADD VALUE to the type ${name}: the older release may read a value that it does not know`) : incompatible(`RENAME VALUE of the type ${name}`);
  },
  CreateFunctionStmt: createFunction,
  CreateTrigStmt: ({ trigname, relation }, news) => onTable(`CREATE TRIGGER ${trigname ?? ""}`, relation, news, unknown),
  CreatePolicyStmt: ({ policy_name, table }, news) => onTable(`CREATE POLICY ${policy_name ?? ""}`, table, news, incompatible),
  AlterPolicyStmt: ({ policy_name, table }, news) => onTable(`ALTER POLICY ${policy_name ?? ""}`, table, news, incompatible),
  CreateStatsStmt: neutral("creates statistics"),
  CommentStmt: neutral("comments"),
  SecLabelStmt: neutral("labels"),
  CreateRoleStmt: ({ role }) => compatible(`creates the role ${role ?? ""}`),
  GrantRoleStmt: ({ is_grant: gives }) => (gives === true ? compatible("grants a role") : incompatible("REVOKE of a role")),
  GrantStmt: ({ is_grant: gives, objects }, news) => (gives === true || ((objects ?? []).length > 0 && (objects ?? []).every((object) => isNew(object, news))) ? compatible(gives === true ? "grants" : "revokes on what is new") : incompatible(`REVOKE on ${objectNames(objects)}`)),
  InsertStmt: insert,
  UpdateStmt: update,
  DeleteStmt: ({ relation, withClause, whereClause }, news) => (news.hasRelation(relation) && riskOf(whereClause) === undefined && withClause === undefined ? compatible(`deletes rows of ${relationName(relation)}, which is new`) : unknown(`DELETE of rows of ${relationName(relation)}`)),
  TruncateStmt: ({ relations }, news) => (each(relations, "RangeVar").every((relation) => news.hasRelation(relation)) ? compatible("truncates what is new") : incompatible(`TRUNCATE ${each(relations, "RangeVar").map(relationName).join(", ")}`)),
  SelectStmt: (statement, news) => select({ SelectStmt: statement }, news),
  DropStmt: ({ objects, removeType }, news) => ((objects ?? []).every((object) => isNew(object, news, removeType)) ? compatible("drops what is new") : incompatible(`DROP ${(removeType ?? "").replace("OBJECT_", "").replaceAll("_", " ")} ${objectNames(objects)}`)),
  DropRoleStmt: dangerous("DROP ROLE"),
  DropOwnedStmt: dangerous("DROP OWNED"),
  DropdbStmt: dangerous("DROP DATABASE"),
  RenameStmt: rename,
  AlterObjectSchemaStmt: ({ relation, object }) => incompatible(`SET SCHEMA of ${relation === undefined ? objectNames(object && [object]) : relationName(relation)}`),
  AlterDomainStmt: ({ typeName }, news) => (news.has("type", nameOf(typeName)) ? compatible("alters a domain that is new") : incompatible(`ALTER DOMAIN ${nameOf(typeName)}`)),
  VariableSetStmt: ({ name, kind }, news) => {
    if (name === undefined || ["search_path", "role", "session_authorization"].includes(name) || kind === "VAR_RESET_ALL") news.forget();
    return compatible("sets parameters of its session");
  },
  TransactionStmt: ({ kind }) => (kind === "TRANS_STMT_ROLLBACK" || kind === "TRANS_STMT_ROLLBACK_TO" || kind === "TRANS_STMT_ROLLBACK_PREPARED" ? unknown("ROLLBACK: what stands of it cannot be told") : compatible("controls its transaction")),
  LockStmt: neutral("locks"),
  VacuumStmt: neutral("vacuums or analyzes"),
  ReindexStmt: neutral("reindexes"),
  ClusterStmt: neutral("clusters"),
  RefreshMatViewStmt: neutral("refreshes a materialized view"),
};

/** @param news - what the statements before it made; what this one makes is added */
export function effectsOf({ kind, node }: ParsedStatement, news: NewObjects): Effect[] {
  // Each judge takes what stands in a node of its own kind.
  const judge = judges[kind] as ((statement: unknown, news: NewObjects) => Effect | Effect[]) | undefined;
  if (judge === undefined) return [unknown(wordsOf(kind))];
  return [judge(Object.values(node)[0], news)].flat();
}

function createTable(statement: NodeOf<"CreateStmt">, news: NewObjects): Effect {
  const { relation, inhRelations, partbound, tableElts, if_not_exists: perhaps } = statement;
  const name = relationName(relation);
  if (each(inhRelations, "RangeVar").some((parent) => !news.hasRelation(parent))) {
    return unknown(partbound === undefined ? `creates ${name}, which inherits from an existing table` : `creates ${name}, a partition of an existing table`);
  }
  // Where it may have been there before, what comes after it may be done to a table that the older release uses.
  if (perhaps !== true) news.addRelation(relation);
  const constraints = (tableElts ?? []).flatMap((element) => as(element, "Constraint") ?? each(as(element, "ColumnDef")?.constraints, "Constraint"));
  const restricted = constraints.filter(({ contype }) => contype === "CONSTR_FOREIGN").map((constraint) => restricting(constraint, news));
  return compatible(`creates the table ${name}${[...new Set(restricted)].join("")}`);
}

function made(relation: NodeOf<"RangeVar"> | undefined, query: Node | undefined, what: string, news: NewObjects): Effect {
  const risk = what === "view" ? undefined : riskOf(query);
  if (risk?.startsWith("calls") === true || risk?.startsWith("changes") === true) return unknown(`creates the ${what} ${relationName(relation)} from a query that ${risk}`);
  news.addRelation(relation);
  return compatible(`creates the ${what} ${relationName(relation)}`);
}

function createIndex({ relation, idxname = "", unique, indexParams, whereClause, nulls_not_distinct: strict }: NodeOf<"IndexStmt">, news: NewObjects): Effect {
  const named = `creates ${idxname === "" ? "an index" : `the index ${idxname}`} on ${relationName(relation)}`;
  if (news.hasRelation(relation)) return compatible(named);
  const columns = indexColumns(indexParams);
  if (unique === true && !(columns !== undefined && staysUnique(columns.map((column) => news.filling(relation, column)), strict))) return incompatible(`${named}, UNIQUE: older INSERTs and UPDATEs may break it`);
  const risk = riskOf({ List: { items: [...each(indexParams, "IndexElem").flatMap(({ expr }) => expr ?? []), ...(whereClause === undefined ? [] : [whereClause])] } });
  return risk === undefined ? compatible(named) : unknown(`${named}, whose expression ${risk} for rows of the older release`);
}

function newType(name: string, news: NewObjects): Effect {
  news.add("type", name);
  return compatible(`creates the type ${name}`);
}

function createFunction({ funcname, replace, parameters }: NodeOf<"CreateFunctionStmt">, news: NewObjects): Effect {
  const name = nameOf(funcname);
  if (replace === true && !news.has("function", name)) return unknown(`CREATE OR REPLACE FUNCTION ${name}: the older release may call the one before`);
  const open = each(parameters, "FunctionParameter").some(({ defexpr, mode }) => defexpr !== undefined || mode === "FUNC_PARAM_VARIADIC");
  if (open) return unknown(`creates the function ${name}, whose defaults may make older calls ambiguous`);
  news.add("function", name);
  return compatible(`creates the function ${name}`);
}

function onTable(what: string, relation: NodeOf<"RangeVar"> | undefined, news: NewObjects, otherwise: (why: string) => Effect): Effect {
  return news.hasRelation(relation) ? compatible(`${what} on ${relationName(relation)}, which is new`) : otherwise(`${what} on ${relationName(relation)}`);
}

function insert({ relation, onConflictClause, selectStmt, withClause }: NodeOf<"InsertStmt">, news: NewObjects): Effect {
  const table = relationName(relation);
  const risk = riskOf(selectStmt) ?? (withClause === undefined ? undefined : riskOf({ WithClause: withClause }));
  if (risk?.startsWith("calls") === true || risk?.startsWith("changes") === true) return unknown(`INSERT into ${table} of a query that ${risk}`);
  if (onConflictClause?.action === "ONCONFLICT_UPDATE" && !news.hasRelation(relation)) return unknown(`INSERT into ${table} with ON CONFLICT DO UPDATE`);
  return compatible(`inserts rows into ${table}`);
}

/** To fill a column that is new changes nothing that the older release reads. */
function update({ relation, targetList, whereClause, fromClause, withClause }: NodeOf<"UpdateStmt">, news: NewObjects): Effect {
  const table = relationName(relation);
  const fillsNew = news.hasRelation(relation) || each(targetList, "ResTarget").every(({ name = "" }) => news.filling(relation, name) !== undefined);
  if (!fillsNew || withClause !== undefined) return unknown(`UPDATE of rows of ${table}`);
  const risk = riskOf({ List: { items: [...(targetList ?? []), ...(whereClause === undefined ? [] : [whereClause]), ...(fromClause ?? [])] } });
  return risk?.startsWith("calls") === true || risk?.startsWith("changes") === true ? unknown(`UPDATE of ${table}, which ${risk}`) : compatible(`fills what is new in ${table}`);
}

const settings = ["set_config", "pg_catalog.set_config"];

function select(statement: Node, news: NewObjects): Effect {
  const calls = [...below(statement)].flatMap((node) => as(node, "FuncCall") ?? []);
  if (calls.length === 1 && settings.includes(nameOf(calls[0]?.funcname))) {
    news.forget();
    return compatible("sets parameters of its session");
  }
  const into = as(statement, "SelectStmt")?.intoClause;
  if (into !== undefined) return made(into.rel, statement, "table", news);
  const risk = riskOf(statement);
  return risk?.startsWith("calls") === true || risk?.startsWith("changes") === true ? unknown(`SELECT that ${risk}`) : compatible("reads");
}

function rename({ relation, relationType, renameType, object, newname, subname }: NodeOf<"RenameStmt">, news: NewObjects): Effect {
  const old = relation?.relname === undefined ? objectNames(object && [object]) : relationName(relation);
  const named = [old, subname ?? ""].filter((part) => part !== "").join(".");
  if (relation?.relname === undefined || !news.hasRelation(relation)) return incompatible(`RENAME of ${(renameType ?? relationType ?? "").replace("OBJECT_", "").toLowerCase()} ${named}`);
  if (renameType === "OBJECT_TABLE") news.addRelation({ ...relation, ...(newname !== undefined && { relname: newname }) });
  return compatible(`renames within ${old}, which is new`);
}

/** Whether an object of DROP, GRANT or REVOKE was made by the migration itself. */
function isNew(object: Node, news: NewObjects, type?: NodeOf<"DropStmt">["removeType"]): boolean {
  const relation = as(object, "RangeVar");
  if (relation !== undefined) return news.hasRelation(relation);
  const parts = as(object, "List")?.items;
  // The last part of what stands on a table is its own name.
  if (type === "OBJECT_TRIGGER" || type === "OBJECT_POLICY" || type === "OBJECT_RULE") return news.hasRelation(nameOf(parts?.slice(0, -1)));
  if (type === "OBJECT_TYPE" || type === "OBJECT_DOMAIN") return news.has("type", nameOf(as(object, "TypeName")?.names));
  return (type === "OBJECT_TABLE" || type === "OBJECT_VIEW" || type === "OBJECT_MATVIEW" || type === "OBJECT_SEQUENCE") && news.hasRelation(nameOf(parts));
}

export function objectNames(objects: readonly Node[] | undefined): string {
  return (objects ?? []).map((object) => {
    const relation = as(object, "RangeVar");
    if (relation !== undefined) return relationName(relation);
    const parts = as(object, "List")?.items ?? as(object, "TypeName")?.names ?? as(object, "ObjectWithArgs")?.objname;
    return parts === undefined ? (as(object, "String")?.sval ?? kindOf(object) ?? "") : nameOf(parts);
  }).join(", ");
}
