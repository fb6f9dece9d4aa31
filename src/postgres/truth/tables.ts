/** Every table's exact row count and, where asked, the digest of its rows: many tables in one round trip. */
import { identifier, type Session } from "../session.ts";
import { notOfExtension, userSchema } from "./catalog/query.ts";
import { type DigestColumn, digestOfSum, first64, rowText, textSha256 } from "./digest.ts";
import { releasingLocks } from "./locks.ts";
import type { TableKind, TableTruth } from "./truth.ts";

export interface TableName {
  readonly schema: string;
  readonly name: string;
}

/** Which tables get a content digest: names are `schema.table`, or `table` in any schema. */
export type DigestChoice = "none" | "all" | readonly string[];

export interface ReadTablesOptions {
  readonly digests: DigestChoice;
  /** Tables for which it answers false are left out altogether: those that the dump excludes. */
  readonly include?: (table: TableName) => boolean;
  /** Called after each round trip with the tables counted so far. */
  readonly onTable?: (done: number, total: number) => void;
}

export interface ListedTable extends TableName {
  readonly kind: TableKind;
  readonly readable: boolean;
  readonly bytes: number;
  /** What pg_dump takes of an extension's configuration table: "" or "WHERE …". */
  readonly condition: string;
  readonly columns: readonly DigestColumn[];
  /** Of a partition: the table at the top, whose name stands for all partitions in a choice. */
  readonly root: TableName | null;
}

interface Counted {
  /** The table's place in the batch. */
  readonly at: number;
  readonly rows: number;
  readonly sum: string | null;
}

/** Extensions' own tables hold what CREATE EXTENSION puts there; pg_dump carries only those registered as configuration. */
const listSql = `
  SELECT n.nspname AS schema, c.relname AS name,
    CASE WHEN c.relkind = 'p' THEN 'partitioned' WHEN c.relkind = 'm' THEN 'materialized-view' WHEN c.relkind = 'f' THEN 'foreign'
      WHEN c.relispartition THEN 'partition' ELSE 'table' END AS kind,
    c.relkind <> 'f' AND c.relispopulated AND NOT (c.relpersistence = 'u' AND pg_is_in_recovery()) AS readable,
    c.relpages::bigint * current_setting('block_size')::bigint AS bytes,
    coalesce(x.condition, '') AS condition,
    (SELECT coalesce(json_agg(json_build_object('name', a.attname, 'isBytea', a.atttypid = 'bytea'::regtype)), '[]')
      FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
    (SELECT json_build_object('schema', rn.nspname, 'name', r.relname) FROM pg_class r JOIN pg_namespace rn ON rn.oid = r.relnamespace
      WHERE c.relispartition AND r.oid = pg_partition_root(c.oid)) AS root
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN (SELECT u.oid, u.condition FROM pg_extension e CROSS JOIN unnest(e.extconfig, e.extcondition) AS u(oid, condition)) x ON x.oid = c.oid
  WHERE c.relkind IN ('r', 'p', 'm', 'f') AND c.relpersistence <> 't' AND ${userSchema("n")} AND (x.oid IS NOT NULL OR ${notOfExtension("pg_class", "c.oid")})`;

/** A round trip takes this many tables, or this many bytes, whichever comes first. */
const batchTables = 100;
const batchBytes = 256 * 1024 * 1024;

export async function readTables(session: Session, encoding: string, options: ReadTablesOptions): Promise<TableTruth[]> {
  const listed = await listTables(session, options.include);
  const counted = new Map<ListedTable, TableTruth>();
  let done = 0;
  for (const batch of batches(listed)) {
    const queries = batch.flatMap((table, at) => (table.readable ? [countSql(table, at, isChosen(table, options.digests), encoding)] : []));
    const answers = queries.length === 0 ? [] : await releasingLocks(session, () => session.rows<Counted>(queries.join("\nUNION ALL\n")));
    const answerOf = new Map(answers.map((answer) => [answer.at, answer]));
    for (const [at, table] of batch.entries()) counted.set(table, truthOf(table, answerOf.get(at), isChosen(table, options.digests)));
    done += batch.length;
    options.onTable?.(done, listed.length);
  }
  return listed.flatMap((table) => counted.get(table) ?? []);
}

/** The tables of which a truth can be read, by name. */
export async function listTables(session: Session, include?: ReadTablesOptions["include"]): Promise<ListedTable[]> {
  return (await session.rows<ListedTable>(listSql)).filter((table) => include?.(table) ?? true).toSorted(byName);
}

/** One table with its digest, in the caller's transaction. @throws as {@link releasingLocks} */
export async function readTable(session: Session, table: ListedTable, encoding: string): Promise<TableTruth> {
  const answer = table.readable ? await releasingLocks(session, () => session.row<Counted>(countSql(table, 0, true, encoding))) : undefined;
  return truthOf(table, answer, true);
}

function truthOf({ schema, name, kind, readable }: ListedTable, answer: Counted | undefined, digest: boolean): TableTruth {
  // A materialized view that was never filled cannot be read: it has no rows, and its catalog entry says why.
  if (answer === undefined) return { schema, name, kind, ...(kind === "materialized-view" && !readable && { rows: 0 }) };
  return { schema, name, kind, rows: answer.rows, ...(digest && kind !== "partitioned" && { digest: digestOfSum(answer.sum) }) };
}

function countSql(table: ListedTable, at: number, digest: boolean, encoding: string): string {
  const sum = digest ? `sum(${first64(textSha256(rowText(table.columns), encoding))})::text` : "NULL::text";
  // ONLY: what a partitioned or inherited parent shows of its children is counted with the children.
  return `SELECT ${at} AS at, count(*) AS rows, ${sum} AS sum FROM ONLY ${identifier(table.schema)}.${identifier(table.name)} AS t ${table.condition}`;
}

/** True if `digests` names the table, or the partitioned table that it is part of. */
function isChosen(table: ListedTable, digests: DigestChoice): boolean {
  if (typeof digests === "string") return digests === "all";
  return [table, ...(table.root ? [table.root] : [])].some(({ schema, name }) => digests.includes(name) || digests.includes(`${schema}.${name}`));
}

function* batches(tables: readonly ListedTable[]): Generator<ListedTable[]> {
  let batch: ListedTable[] = [];
  let bytes = 0;
  for (const table of tables) {
    if (batch.length > 0 && (batch.length === batchTables || bytes + table.bytes > batchBytes)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(table);
    bytes += table.bytes;
  }
  if (batch.length > 0) yield batch;
}

/** Order by schema, then name, by code unit: the same on every machine. */
export function byName(a: TableName, b: TableName): number {
  if (a.schema !== b.schema) return a.schema < b.schema ? -1 : 1;
  return a.name === b.name ? 0 : a.name < b.name ? -1 : 1;
}

