/**
 * What going back to a backup loses, table by table: names and numbers, never a row. This counts rows that were added; those
 * that were deleted since come back, and do not count against them where a sequence tells. changes.ts tells of the others.
 */
import { HoldfastError, messageOf } from "../../errors.ts";
import { notOfExtension, userSchema } from "../../postgres/truth/catalog/query.ts";
import { identifier, type Session, SqlError } from "../../postgres/session.ts";
import { releasingLocks } from "../../postgres/truth/locks.ts";
import { byName, type TableName } from "../../postgres/truth/tables.ts";
import type { SequenceTruth, TableTruth, Truth } from "../../postgres/truth/truth.ts";
import type { TableLoss } from "./plan.ts";

export interface MeasureLossOptions {
  /** Milliseconds for all tables together, small ones first; what is not counted by then is told so. 0: as long as it takes. */
  readonly timeoutMs: number;
}

/** A sequence that gives a column of the table its values. */
interface Numbering extends TableName {
  readonly column: string;
  readonly cycles: boolean;
  readonly start: string;
  readonly lastValue: string | null;
}

interface PresentTable extends TableName {
  readonly numbering: Numbering | null;
}

/**
 * Compares the rows that are there now with what the backup's snapshot held. Reads in one snapshot of its own, and takes no
 * lock beyond each table's counting. The session must be in no transaction.
 * @returns tables that lose or may lose something, or were not counted; tables with the same number of rows and nothing new are left out
 */
export async function measureLoss(session: Session, then: Pick<Truth, "tables" | "sequences">, options: MeasureLossOptions): Promise<TableLoss[]> {
  const deadline = options.timeoutMs === 0 ? Infinity : performance.now() + options.timeoutMs;
  await session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  try {
    const present = await session.rows<PresentTable>(listSql);
    const before = new Map(then.tables.filter(holdsRows).map((table) => [keyOf(table), table]));
    const sequences = new Map(then.sequences.map((sequence) => [keyOf(sequence), sequence]));
    const found = new Map<string, TableLoss>();
    for (const table of present) found.set(keyOf(table), await lossOf(session, table, before.get(keyOf(table)), sequences, deadline));
    const gone = [...before.values()].filter((table) => !found.has(keyOf(table))).map((table): TableLoss => ({ table: shown(table), inserted: null, difference: null, by: "gone" }));
    return [...[...present].toSorted(byName).flatMap((table) => found.get(keyOf(table)) ?? []), ...gone].filter(isWorthTelling);
  } finally {
    await session.execute("ROLLBACK").catch((error: unknown) => { if (error instanceof SqlError) throw error; });
  }
}

function isWorthTelling({ inserted, difference, by }: TableLoss): boolean {
  return by === "gone" || by === "new" || by === "not-counted" || inserted === null || inserted > 0 || difference !== 0;
}

const keyOf = ({ schema, name }: TableName): string => JSON.stringify([schema, name]);
const shown = ({ schema, name }: TableName): string => `${schema}.${name}`;

/** A partitioned table's rows are its partitions'; views are made anew; foreign tables' rows are elsewhere. */
function holdsRows({ kind, rows }: TableTruth): boolean {
  return (kind === "table" || kind === "partition") && rows !== undefined;
}

/**
 * The numbering of a table is that of its first column with a sequence of its own; a partition's is that of its root. The small
 * ones come first. `last_value` of what was never called is the value that comes next: is_called is read with it.
 */
const listSql = `
  SELECT n.nspname AS schema, c.relname AS name,
    (SELECT json_build_object('schema', sn.nspname, 'name', sc.relname, 'column', a.attname, 'cycles', s.seqcycle, 'start', s.seqstart::text,
        'lastValue', CASE WHEN has_sequence_privilege(sc.oid, 'SELECT, USAGE') THEN pg_sequence_last_value(sc.oid)::text END)
      FROM pg_attribute a
      JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
      JOIN pg_sequence s ON s.seqrelid = d.objid JOIN pg_class sc ON sc.oid = s.seqrelid JOIN pg_namespace sn ON sn.oid = sc.relnamespace
      WHERE a.attrelid = CASE WHEN c.relispartition THEN pg_partition_root(c.oid)::oid ELSE c.oid END AND a.attnum > 0 AND NOT a.attisdropped
        AND a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)
        AND (a.attidentity <> '' OR EXISTS (
          SELECT FROM pg_attrdef f JOIN pg_depend u ON u.classid = 'pg_attrdef'::regclass AND u.objid = f.oid AND u.refclassid = 'pg_class'::regclass AND u.refobjid = s.seqrelid
          WHERE f.adrelid = a.attrelid AND f.adnum = a.attnum))
      ORDER BY a.attnum LIMIT 1) AS numbering
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND ${userSchema("n")} AND ${notOfExtension("pg_class", "c.oid")}
  ORDER BY c.relpages, n.nspname, c.relname`;

async function lossOf(session: Session, table: PresentTable, before: TableTruth | undefined, sequences: ReadonlyMap<string, SequenceTruth>, deadline: number): Promise<TableLoss> {
  const numbering = table.numbering;
  const beyond = numbering === null ? undefined : beyondSql(numbering, sequences.get(keyOf(numbering)));
  const counted = await count(session, table, beyond, deadline);
  if (counted === undefined) return { table: shown(table), inserted: null, difference: null, by: "not-counted" };
  const { rows, inserted } = counted;
  // Its sequence was there, so it is a table that was renamed, or a partition that was made since for rows of a known table.
  if (before?.rows === undefined) return inserted === null ? { table: shown(table), inserted: rows, difference: rows, by: "new" } : { table: shown(table), inserted, difference: null, by: "sequence" };
  const difference = rows - before.rows;
  // A transaction that was open at the snapshot had its numbers already, and rows may come with numbers of their own.
  if (inserted !== null) return { table: shown(table), inserted: Math.max(inserted, difference), difference, by: "sequence" };
  return { table: shown(table), inserted: null, difference, by: "count" };
}

/** The condition for rows that were numbered since; undefined where numbers do not tell. */
function beyondSql(numbering: Numbering, then: SequenceTruth | undefined): string | undefined {
  if (then === undefined || then.lastValue === null || numbering.cycles) return undefined;
  const upwards = BigInt(then.increment) > 0n;
  const now = numbering.lastValue === null ? null : BigInt(numbering.lastValue);
  const last = BigInt(then.lastValue);
  // Set back since (RESTART IDENTITY): the same numbers were given out a second time.
  if (then.isCalled && (now === null || (upwards ? now < last : now > last))) return undefined;
  const operator = `${upwards ? ">" : "<"}${then.isCalled ? "" : "="}`;
  return `${identifier(numbering.column)} OPERATOR(pg_catalog.${operator}) ${last}::bigint`;
}

/** Undefined if the table could not be counted in time, is locked, may not be read, or went away. */
async function count(session: Session, table: TableName, beyond: string | undefined, deadline: number): Promise<{ rows: number; inserted: number | null } | undefined> {
  const left = deadline - performance.now();
  if (left < 1) return undefined;
  try {
    return await releasingLocks(session, async () => {
      if (left !== Infinity) await session.execute(`SET LOCAL statement_timeout = ${Math.ceil(left)}`);
      const inserted = beyond === undefined ? "NULL::bigint" : `count(*) FILTER (WHERE ${beyond})`;
      return session.row<{ rows: number; inserted: number | null }>(`SELECT count(*) AS rows, ${inserted} AS inserted FROM ONLY ${identifier(table.schema)}.${identifier(table.name)}`);
    });
  } catch (error) {
    const refused = error instanceof HoldfastError ? error.cause : error;
    if (!(refused instanceof SqlError)) throw error;
    if (isUncountable(refused)) return undefined;
    throw new HoldfastError("database-unreachable", `the rows of ${shown(table)} cannot be counted: ${messageOf(refused)}`, { cause: error });
  }
}

/** Cancelled by the timeout, not to be locked, not permitted (row security included), gone. */
const uncountable = ["57014", "55P03", "42501", "42P01", "3F000"];

/** Whether a table's rows cannot be read for a reason of its own, so that the other tables' still can. */
export function isUncountable({ sqlState }: SqlError): boolean {
  return uncountable.includes(sqlState);
}

/** Rows that are known to be lost: of tables that were not counted nothing is known. */
export function totalInserted(tables: readonly TableLoss[]): number {
  return tables.reduce((sum, { inserted, difference }) => sum + (inserted ?? Math.max(difference ?? 0, 0)), 0);
}
