/** What ALTER TABLE means to an older release: each of its commands by itself. */
import { compatible, type Effect, incompatible, unknown } from "./effect.ts";
import { isDistinct, isNull, riskOf } from "./expression.ts";
import type { Filling, NewObjects } from "./new-objects.ts";
import { as, each, nameOf, type NodeOf, relationName } from "./sql.ts";

type Table = NodeOf<"RangeVar"> | undefined;
type Constraint = NodeOf<"Constraint">;
type Command = NodeOf<"AlterTableCmd">;

export function alterTable({ relation, cmds, objtype }: NodeOf<"AlterTableStmt">, news: NewObjects): Effect[] {
  const table = relationName(relation);
  // ALTER TABLE is also how indexes, views and sequences are altered.
  const own = news.hasRelation(relation);
  return each(cmds, "AlterTableCmd").map((command) => {
    if (command.subtype === "AT_AttachPartition" || command.subtype === "AT_AddInherit") return unknown(`${words(command)} ${table}: rows may appear in a table that the older release reads`);
    if (own) return compatible(`changes ${table}, which is new`);
    if (objtype !== "OBJECT_TABLE") return unknown(`alters ${table}`);
    return alterExisting(relation, command, news);
  });
}

const harmless: readonly Command["subtype"][] = ["AT_SetStatistics", "AT_SetStorage", "AT_SetCompression", "AT_SetOptions", "AT_ResetOptions", "AT_SetRelOptions", "AT_ResetRelOptions", "AT_ClusterOn", "AT_DropCluster", "AT_ValidateConstraint"];
const policies: readonly Command["subtype"][] = ["AT_EnableRowSecurity", "AT_ForceRowSecurity"];
/** What stops older statements from working, and the reason. */
const breaking: Partial<Record<NonNullable<Command["subtype"]>, string>> = {
  AT_DropColumn: "the older release names it",
  AT_DropConstraint: "what relied on it (ON CONFLICT, readers) does no longer hold",
  AT_AlterColumnType: "the older release reads and writes the other type",
  AT_DropIdentity: "older INSERTs leave the column out",
  AT_DetachPartition: "its rows are gone from the table that the older release reads",
};

function alterExisting(relation: Table, command: Command, news: NewObjects): Effect {
  const { subtype, name = "", def } = command;
  const table = relationName(relation);
  const column = `${table}.${name}`;
  const filling = news.filling(relation, name);
  const breaks = subtype === undefined ? undefined : breaking[subtype];
  if (breaks !== undefined) {
    if (filling !== undefined && subtype !== "AT_DropConstraint") return compatible(`${words(command)} ${column}, which is new`);
    return incompatible(`${words(command)} ${column}: ${breaks}`);
  }
  if (subtype === "AT_AddColumn") return addColumn(relation, as(def, "ColumnDef"), command.missing_ok === true, news);
  if (subtype === "AT_AddConstraint") return addConstraint(relation, as(def, "Constraint"), news);
  if (subtype === "AT_SetNotNull") return filling === "own" || filling === "same" ? compatible(`SET NOT NULL on ${column}, which is new and has a default`) : incompatible(`SET NOT NULL on ${column}: older INSERTs and UPDATEs may leave it empty`);
  if (subtype === "AT_DropNotNull") return filling === undefined ? unknown(`DROP NOT NULL on ${column}: the older release may read a NULL where it expects none`) : compatible(`DROP NOT NULL on ${column}, which is new`);
  if (subtype === "AT_ColumnDefault" && def === undefined) return incompatible(`DROP DEFAULT on ${column}: older INSERTs may leave it to the default`);
  if (subtype === "AT_ColumnDefault") return unknown(`SET DEFAULT on ${column}: rows of the older release get another value`);
  if (subtype === "AT_AddIdentity") return as(def, "Constraint")?.generated_when === "d" ? compatible(`makes ${column} an identity BY DEFAULT`) : incompatible(`makes ${column} an identity ALWAYS: older INSERTs may give it a value`);
  if (policies.includes(subtype)) return incompatible(`${words(command)} on ${table}: older statements may see and write fewer rows`);
  return harmless.includes(subtype) ? compatible(`${words(command)} on ${table}`) : unknown(`${words(command)} on ${table}`);
}

const serials = /^(?:small|big)?serial$|^serial[248]$/;

function addColumn(relation: Table, definition: NodeOf<"ColumnDef"> | undefined, perhaps: boolean, news: NewObjects): Effect {
  const name = definition?.colname ?? "";
  const column = `${relationName(relation)}.${name}`;
  const constraints = each(definition?.constraints, "Constraint");
  const has = (type: Constraint["contype"]): Constraint | undefined => constraints.find(({ contype }) => contype === type);
  const serial = serials.test(nameOf(definition?.typeName?.names)) || has("CONSTR_IDENTITY") !== undefined;
  const value = has("CONSTR_DEFAULT")?.raw_expr;
  const computed = has("CONSTR_GENERATED");
  const filling: Filling = serial || isDistinct(value) ? "own" : computed !== undefined ? "computed" : value === undefined || isNull(value) ? "null" : "same";
  // Where the column may have been there before, nothing is known of it.
  if (!perhaps) news.addColumn(relation, name, filling);

  const required = has("CONSTR_NOTNULL") ?? has("CONSTR_PRIMARY");
  if (required !== undefined && filling === "null") return incompatible(`adds ${column}, NOT NULL without a default: older INSERTs leave it out`);
  if (required !== undefined && filling === "computed") return unknown(`adds ${column}, computed and NOT NULL: it may be NULL for a row of the older release`);
  const risk = riskOf(value) ?? riskOf(computed?.raw_expr);
  if (risk !== undefined) return unknown(`adds ${column}, whose ${computed === undefined ? "default" : "expression"} ${risk} for rows of the older release`);
  const single = has("CONSTR_UNIQUE") ?? has("CONSTR_PRIMARY");
  if (single !== undefined && !staysUnique([filling], single.nulls_not_distinct)) return incompatible(`adds ${column}, UNIQUE with one value for all rows of the older release`);
  if (isEnforced(has("CONSTR_CHECK"))) return unknown(`adds ${column} with a CHECK, which may refuse rows of the older release`);
  const reference = has("CONSTR_FOREIGN");
  if (reference !== undefined && isEnforced(reference) && filling !== "null") return unknown(`adds ${column}, a reference with a value for rows of the older release`);
  return compatible(`adds ${column}${reference === undefined ? "" : restricting(reference, news)}`);
}

function addConstraint(relation: Table, constraint: Constraint | undefined, news: NewObjects): Effect {
  const table = relationName(relation);
  const { contype, keys, fk_attrs: references, fk_matchtype: match, nulls_not_distinct: strict, indexname } = constraint ?? {};
  const fillings = (names: NodeOf<"ColumnDef">["constraints"]) => each(names, "String").map(({ sval = "" }) => news.filling(relation, sval));
  const named = `adds ${constraint?.conname === undefined ? "a constraint" : `the constraint ${constraint.conname}`} to ${table}`;
  if (constraint !== undefined && !isEnforced(constraint)) return compatible(`${named}, not enforced`);
  if (contype === "CONSTR_FOREIGN" && match === "s" && fillings(references).includes("null")) return compatible(named + restricting(constraint, news));
  if (contype === "CONSTR_UNIQUE" && indexname === undefined && staysUnique(fillings(keys), strict)) return compatible(named);
  return incompatible(`${named}: older INSERTs and UPDATEs may break it`);
}

/** Whether rows of the older release differ in columns that are filled so. */
export function staysUnique(fillings: readonly (Filling | undefined)[], nullsNotDistinct: boolean | undefined): boolean {
  return fillings.includes("own") || (fillings.includes("null") && nullsNotDistinct !== true);
}

/** Only checks and references can be declared without being enforced. */
function isEnforced(constraint: Constraint | undefined): boolean {
  return constraint !== undefined && (constraint.is_enforced === true || !["CONSTR_CHECK", "CONSTR_FOREIGN"].includes(constraint.contype ?? ""));
}

/** What a reference that does not let go of its target means to an older release that deletes the target. */
export function restricting(constraint: Constraint | undefined, news: NewObjects): string {
  const { pktable, fk_del_action: action } = constraint ?? {};
  const restricts = action === "a" || action === "r";
  return restricts && !news.hasRelation(pktable) ? ` (a row of ${relationName(pktable)} that it references cannot be deleted)` : "";
}

/** "DROP COLUMN" of `AT_DropColumn`. */
function words({ subtype = "AT_SetOptions" }: Command): string {
  return subtype.replace("AT_", "").replace("AlterColumnType", "ALTER TYPE of").replaceAll(/(?<=[a-z])(?=[A-Z])/g, " ").toUpperCase().replace(" OF", " of");
}
