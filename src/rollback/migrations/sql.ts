/**
 * SQL read by PostgreSQL's own parser (libpg-query), of a major that knows the syntax of those before it. The parser is
 * loaded with the first migration that has to be read.
 */
import { loadModule, type Node, parse } from "libpg-query";

import { HoldfastError } from "../../errors.ts";

export type { Node } from "libpg-query";

/** The kinds of node, and what stands in one of a kind. */
export type NodeKind = Node extends infer N ? (N extends N ? keyof N : never) : never;
export type NodeOf<K extends NodeKind> = Extract<Node, Record<K, unknown>>[K];

export interface ParsedStatement {
  /** `AlterTableStmt`… */
  readonly kind: NodeKind;
  readonly node: Node;
  /** As it was written, without its semicolon. */
  readonly text: string;
}

/** @throws HoldfastError `refused`, which quotes nothing of it, if `sql` is no SQL that the server would take */
export async function parseSql(sql: string): Promise<ParsedStatement[]> {
  if (sql.trim() === "") return [];
  await loadModule();
  const bytes = Buffer.from(sql);
  const { stmts } = await parse(sql).catch((error: unknown) => {
    const position = positionOf(error);
    const where = position === undefined ? "" : ` (line ${sql.slice(0, position).split("\n").length})`;
    throw new HoldfastError("refused", `it is not SQL that the server alone understands${where}`, { cause: error });
  });
  return (stmts ?? []).flatMap(({ stmt, stmt_location: from = 0, stmt_len: length }) => {
    const kind = stmt === undefined ? undefined : kindOf(stmt);
    if (stmt === undefined || kind === undefined) return [];
    // Places are counted in bytes.
    return [{ kind, node: stmt, text: bytes.subarray(from, length === undefined ? undefined : from + length).toString("utf8").trim() }];
  });
}

function positionOf(error: unknown): number | undefined {
  const details = typeof error === "object" && error !== null && "sqlDetails" in error ? error.sqlDetails : undefined;
  const position = typeof details === "object" && details !== null && "cursorPosition" in details ? details.cursorPosition : undefined;
  return typeof position === "number" ? position : undefined;
}

export function kindOf(node: Node): NodeKind | undefined {
  return Object.keys(node)[0] as NodeKind | undefined;
}

/** What stands in a node of that kind; undefined for others. */
export function as<K extends NodeKind>(node: Node | undefined, kind: K): NodeOf<K> | undefined {
  return node !== undefined && kind in node ? (node as unknown as Record<K, NodeOf<K>>)[kind] : undefined;
}

/** All nodes of one kind in a list. */
export function each<K extends NodeKind>(nodes: readonly Node[] | undefined, kind: K): NodeOf<K>[] {
  return (nodes ?? []).flatMap((node) => as(node, kind) ?? []);
}

/** A name of several parts, each a String node: `schema.name`. */
export function nameOf(nodes: readonly Node[] | undefined): string {
  return each(nodes, "String").map(({ sval }) => sval ?? "").join(".");
}

/** As it is written: qualified or not. */
export function relationName(relation: NodeOf<"RangeVar"> | undefined): string {
  const { schemaname, relname = "" } = relation ?? {};
  return schemaname === undefined || schemaname === "" ? relname : `${schemaname}.${relname}`;
}

/** Every node below `node`, itself included, whatever it is part of. */
export function* below(node: unknown): Generator<Node> {
  if (typeof node !== "object" || node === null) return;
  if (!Array.isArray(node)) yield node as Node;
  for (const part of Object.values(node)) yield* below(part);
}

/** "ALTER TABLE" of `AlterTableStmt`: for statements that have no better words. */
export function wordsOf(kind: NodeKind): string {
  const known: Partial<Record<NodeKind, string>> = { DoStmt: "a DO block", CallStmt: "CALL", CopyStmt: "COPY", MergeStmt: "MERGE", SelectStmt: "SELECT", RuleStmt: "CREATE RULE", AlterSeqStmt: "ALTER SEQUENCE", AlterEventTrigStmt: "ALTER EVENT TRIGGER", CreateEventTrigStmt: "CREATE EVENT TRIGGER", CreatedbStmt: "CREATE DATABASE", DropdbStmt: "DROP DATABASE", CreateStmt: "CREATE TABLE", CreateTrigStmt: "CREATE TRIGGER", IndexStmt: "CREATE INDEX", ViewStmt: "CREATE VIEW" };
  return known[kind] ?? kind.replace(/Stmt$/, "").replaceAll(/(?<=[a-z])(?=[A-Z])/g, " ").toUpperCase();
}
