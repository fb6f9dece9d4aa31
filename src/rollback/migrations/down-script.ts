/** What of SQL can run in a transaction that somebody else holds. Imported where a script has to be read: it brings the parser. */
import { as, below, type ParsedStatement, parseSql, wordsOf } from "./sql.ts";

/** Statements that the server runs in no transaction, or that end it, or that are told through psql's input. */
function unfitness({ kind, node }: ParsedStatement): string | undefined {
  if (kind === "TransactionStmt") return "it controls the transaction itself";
  if (kind === "CopyStmt") return "it copies rows (COPY)";
  if (kind === "VacuumStmt" && as(node, "VacuumStmt")?.is_vacuumcmd === true) return "VACUUM runs in no transaction";
  if (["CreatedbStmt", "DropdbStmt", "CreateTableSpaceStmt", "DropTableSpaceStmt", "AlterSystemStmt"].includes(kind)) return `${wordsOf(kind)} runs in no transaction`;
  if (as(node, "ReindexStmt")?.params?.some((param) => as(param, "DefElem")?.defname === "concurrently") === true) return "it does something CONCURRENTLY";
  if ([...below(node)].some((part) => "concurrent" in part)) return "it does something CONCURRENTLY";
  return undefined;
}

export async function readScript(sql: string): Promise<{ readonly statements: { readonly words: string; readonly sql: string }[] } | { readonly unfit: string }> {
  const parsed = await parseSql(sql);
  if (parsed.length === 0) return { unfit: "it holds no statement" };
  const unfit = parsed.map(unfitness).find((why) => why !== undefined);
  if (unfit !== undefined) return { unfit };
  return { statements: parsed.map((statement) => ({ words: wordsOf(statement.kind), sql: statement.text })) };
}
