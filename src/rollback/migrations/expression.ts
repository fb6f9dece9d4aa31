/** Whether an expression can be trusted to work for every row that the older release writes. */
import { as, below, each, type Node, nameOf } from "./sql.ts";

/** Functions of the server that take what they get, and do nothing besides. */
const harmless = new Set(
  ("now clock_timestamp statement_timestamp transaction_timestamp timezone gen_random_uuid uuid_generate_v4 uuidv4 uuidv7 random nextval lower upper initcap btrim ltrim rtrim length char_length " +
    "md5 concat concat_ws coalesce nullif to_tsvector jsonb_build_object json_build_object jsonb_build_array json_build_array array_length cardinality date_trunc").split(" "),
);
const harmlessOperators = new Set(["=", "<>", "!=", "<", "<=", ">", ">=", "||", "->", "->>", "~~", "!~~", "IS DISTINCT FROM", "@>", "<@", "?"]);
const changesRows = ["InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"] as const;

/** Why an expression (or a whole query) may fail for a row, or do more than compute; undefined if neither. */
export function riskOf(expression: Node | undefined): string | undefined {
  for (const node of below(expression)) {
    const call = as(node, "FuncCall");
    if (call !== undefined && !isHarmless(nameOf(call.funcname))) return `calls ${nameOf(call.funcname)}`;
    const cast = as(node, "TypeCast");
    if (cast !== undefined && !isConstant(cast.arg)) return "casts";
    const operation = as(node, "A_Expr");
    const operator = nameOf(operation?.name);
    if (operation?.kind === "AEXPR_OP" && !harmlessOperators.has(operator)) return `computes with ${operator}`;
    if (changesRows.some((kind) => kind in node)) return "changes rows within a query";
  }
  return undefined;
}

function isHarmless(name: string): boolean {
  return harmless.has(name.replace(/^pg_catalog\./, ""));
}

/** A literal, or an array of them. */
function isConstant(node: Node | undefined): boolean {
  if (as(node, "A_Const") !== undefined) return true;
  const elements = as(node, "A_ArrayExpr");
  return elements !== undefined && (elements.elements ?? []).every(isConstant);
}

/** Whether `DEFAULT expression` gives NULL. */
export function isNull(expression: Node | undefined): boolean {
  const constant = as(expression, "A_Const") ?? as(as(expression, "TypeCast")?.arg, "A_Const");
  return constant?.isnull === true;
}

const distinct = new Set(["gen_random_uuid", "uuid_generate_v4", "uuidv4", "uuidv7", "nextval"]);

/** Whether `DEFAULT expression` gives every row another value. */
export function isDistinct(expression: Node | undefined): boolean {
  const call = as(expression, "FuncCall");
  return call !== undefined && distinct.has(nameOf(call.funcname).replace(/^pg_catalog\./, ""));
}

/** Columns that an index is on; undefined if it is on an expression. */
export function indexColumns(params: readonly Node[] | undefined): string[] | undefined {
  const elements = each(params, "IndexElem");
  return elements.some(({ expr }) => expr !== undefined) ? undefined : elements.flatMap(({ name }) => name ?? []);
}
