/** What a script takes out of a database, in words: kinds of statements and names of objects, no values. Imported where one has to be read: it brings the parser. */
import { as, below, each, type Node, nameOf, parseSql, relationName, wordsOf } from "./sql.ts";
import { objectNames } from "./statement.ts";

/** Objects that hold no rows, and come back with the checkpoint's schema. */
const rowless = new Set(["OBJECT_INDEX", "OBJECT_VIEW", "OBJECT_MATVIEW", "OBJECT_TRIGGER", "OBJECT_FUNCTION", "OBJECT_PROCEDURE", "OBJECT_ROUTINE", "OBJECT_AGGREGATE", "OBJECT_POLICY", "OBJECT_RULE", "OBJECT_STATISTIC_EXT", "OBJECT_PUBLICATION", "OBJECT_EVENT_TRIGGER", "OBJECT_FOREIGN_TABLE"]);

/** Each statement that removes rows, columns or values, or that may: "DROP COLUMN patients.email". */
export async function takesAway(sql: string): Promise<string[]> {
  return (await parseSql(sql)).flatMap(({ kind, node }) => ofStatement(node) ?? (opaque.has(kind) || changesWithin(node) ? [wordsOf(kind)] : []));
}

/** What they do cannot be read from them. */
const opaque: ReadonlySet<string> = new Set(["DoStmt", "CallStmt", "MergeStmt", "DropOwnedStmt"]);

function changesWithin(node: Node): boolean {
  return [...below(node)].some((part) => "DeleteStmt" in part || "UpdateStmt" in part || "MergeStmt" in part) || [...below(as(node, "SelectStmt"))].some((part) => "FuncCall" in part);
}

function ofStatement(node: Node): string[] | undefined {
  const drop = as(node, "DropStmt");
  if (drop !== undefined) return rowless.has(drop.removeType ?? "") ? [] : [`DROP ${(drop.removeType ?? "").replace("OBJECT_", "").replaceAll("_", " ")} ${objectNames(drop.objects)}${drop.behavior === "DROP_CASCADE" ? " CASCADE" : ""}`];
  const alter = as(node, "AlterTableStmt");
  if (alter !== undefined) {
    const table = relationName(alter.relation);
    return each(alter.cmds, "AlterTableCmd").flatMap(({ subtype, name = "" }) => (subtype === "AT_DropColumn" ? [`DROP COLUMN ${table}.${name}`] : subtype === "AT_AlterColumnType" ? [`ALTER TYPE of ${table}.${name}`] : []));
  }
  const truncate = as(node, "TruncateStmt");
  if (truncate !== undefined) return [`TRUNCATE ${each(truncate.relations, "RangeVar").map(relationName).join(", ")}`];
  const removal = as(node, "DeleteStmt");
  if (removal !== undefined) return [`DELETE of rows of ${relationName(removal.relation)}`];
  const change = as(node, "UpdateStmt");
  if (change !== undefined) return [`UPDATE of ${relationName(change.relation)}: ${[...new Set(each(change.targetList, "ResTarget").map(({ name = "" }) => name))].join(", ")}`];
  const owned = as(node, "AlterEnumStmt");
  return owned === undefined ? undefined : [`ALTER TYPE ${nameOf(owned.typeName)}`];
}
