/**
 * Migration ledgers: the tables in which migration tools write what they applied. A table counts as a ledger by its name
 * and its columns, because `migrations` and `schema_migrations` are anybody's words.
 */
import { createHash } from "node:crypto";

import { HoldfastError } from "../errors.ts";
import { identifier, literal, type Session, SqlError } from "./session.ts";
import type { LedgerTruth, MigrationTool } from "./truth/truth.ts";

interface Ledger {
  readonly tool: MigrationTool;
  readonly table: string;
  readonly columns: readonly string[];
  /** Only these columns, no others: for names that several tools share. */
  readonly exactly?: true;
  readonly order: string;
  readonly name: string;
  /** Further columns that make the ledger what it is; part of its digest. */
  readonly also?: string;
  /** True for rows that were begun and not finished, or were rolled back. */
  readonly failed?: string;
  /** True for those of them that nobody has dealt with since: running now, or broken off. */
  readonly unfinished?: string;
  /** True for rows that may be the head, if not all that did not fail. */
  readonly head?: string;
}

const ledgers: readonly Ledger[] = [
  {
    tool: "prisma",
    table: "_prisma_migrations",
    columns: ["id", "checksum", "finished_at", "migration_name", "logs", "rolled_back_at", "started_at", "applied_steps_count"],
    order: 'started_at, migration_name COLLATE "C", id',
    name: "migration_name",
    also: "checksum, finished_at IS NOT NULL, rolled_back_at IS NOT NULL",
    failed: "finished_at IS NULL OR rolled_back_at IS NOT NULL",
    unfinished: "finished_at IS NULL AND rolled_back_at IS NULL",
  },
  { tool: "knex", table: "knex_migrations", columns: ["id", "name", "batch", "migration_time"], order: "id", name: "name", also: "batch" },
  { tool: "drizzle", table: "__drizzle_migrations", columns: ["id", "hash", "created_at"], order: "created_at, id", name: "hash" },
  { tool: "typeorm", table: "migrations", columns: ["id", "timestamp", "name"], exactly: true, order: '"timestamp", id', name: "name", also: '"timestamp"' },
  {
    tool: "flyway",
    table: "flyway_schema_history",
    columns: ["installed_rank", "version", "description", "type", "script", "checksum", "success"],
    order: "installed_rank",
    name: "coalesce(version, script)",
    also: "script, checksum, success",
    failed: "NOT success",
    unfinished: "NOT success",
    head: "version IS NOT NULL",
  },
  { tool: "alembic", table: "alembic_version", columns: ["version_num"], exactly: true, order: 'version_num COLLATE "C"', name: "version_num" },
  { tool: "django", table: "django_migrations", columns: ["id", "app", "name", "applied"], order: "id", name: "concat(app, '.', name)" },
  { tool: "rails", table: "schema_migrations", columns: ["version"], exactly: true, order: 'version::text COLLATE "C"', name: "version::text" },
];

/** Where a ledger stands, as {@link LedgerTruth} tells it. */
export interface LedgerPlace {
  readonly tool: string;
  readonly table: string;
}

interface Candidate {
  readonly schema: string;
  readonly table: string;
  readonly columns: readonly string[];
}

/** A ledger with what it says was applied. */
export interface AppliedLedger extends LedgerTruth {
  /** Names of the migrations that were applied and stand, oldest first. */
  readonly applied: readonly string[];
  /** Names of the migrations that were begun and neither finished nor marked as rolled back: running now, or broken off. */
  readonly unfinished: readonly string[];
  /** SHA-256 of what stands beside them, has no version and may be applied again and again (Flyway's repeatable migrations); undefined without any. */
  readonly repeatable?: string | undefined;
}

/** Reads every ledger of the database, in whatever schema it stands. */
export async function readLedgers(session: Session): Promise<LedgerTruth[]> {
  return (await readAppliedLedgers(session)).map(({ tool, table, count, head, failed, sha256 }) => ({ tool, table, count, head, failed, sha256 }));
}

/** As {@link readLedgers}, with the names of all that was applied. */
export async function readAppliedLedgers(session: Session): Promise<AppliedLedger[]> {
  const names = ledgers.map(({ table }) => `'${table}'`).join(", ");
  const candidates = await session.rows<Candidate>(
    `SELECT n.nspname AS schema, c.relname AS table,
      (SELECT coalesce(json_agg(a.attname), '[]') FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND c.relname IN (${names}) AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'`,
  );
  const found: AppliedLedger[] = [];
  for (const candidate of candidates) {
    const ledger = ledgers.find((known) => fits(known, candidate));
    if (ledger !== undefined) found.push(await readLedger(session, ledger, candidate));
  }
  return found.toSorted((a, b) => (a.table < b.table ? -1 : 1));
}

function fits({ table, columns, exactly }: Ledger, candidate: Candidate): boolean {
  return candidate.table === table && columns.every((column) => candidate.columns.includes(column)) && (exactly !== true || candidate.columns.length === columns.length);
}

async function readLedger(session: Session, ledger: Ledger, { schema, table }: Candidate): Promise<AppliedLedger> {
  const failed = ledger.failed ?? "false";
  const relation = `${identifier(schema)}.${identifier(table)}`;
  const rows = await session.rows<{ name: string; entry: unknown; failed: boolean; unfinished: boolean; head: boolean }>(
    `SELECT ${ledger.name} AS name, json_build_array(${ledger.name}${ledger.also === undefined ? "" : `, ${ledger.also}`}) AS entry,
      ${failed} AS failed, ${ledger.unfinished ?? "false"} AS unfinished, NOT (${failed}) AND ${ledger.head ?? "true"} AS head
    FROM ${relation} ORDER BY ${ledger.order}`,
  ).catch((error: unknown) => {
    if (!(error instanceof SqlError) || error.sqlState !== insufficientPrivilege) throw error;
    throw new HoldfastError("configuration", `the migration ledger ${schema}.${table} cannot be read: ${error.message}`, { hints: [`Let the role of holdfast read it: GRANT USAGE ON SCHEMA ${identifier(schema)}, and GRANT SELECT ON ${relation}.`], cause: error });
  });
  const repeatable = rows.filter((row) => !row.failed && !row.head).map((row) => row.entry);
  const applied = rows.filter((row) => row.head).map((row) => row.name);
  // Alembic keeps no history but the heads, of which there may be several.
  const head = ledger.tool === "alembic" ? applied.join(", ") : (applied.at(-1) ?? "");
  return {
    tool: ledger.tool,
    table: `${schema}.${table}`,
    count: rows.length,
    head: head === "" ? null : head,
    failed: rows.filter((row) => row.failed).length,
    applied,
    unfinished: rows.filter((row) => row.unfinished).map((row) => row.name),
    ...(repeatable.length > 0 && { repeatable: digestOf(repeatable) }),
    sha256: digestOf(rows.map((row) => row.entry)),
  };
}

const insufficientPrivilege = "42501";
const digestOf = (entries: readonly unknown[]): string => createHash("sha256").update(JSON.stringify(entries)).digest("hex");

/** Whether the rows of single migrations can be taken out of the ledger of `tool`, so that it will apply them again. */
export function canForget(tool: string): boolean {
  // Alembic's table holds the heads alone: what was applied before them stands in its files.
  return tool !== "alembic" && ledgers.some((ledger) => ledger.tool === tool);
}

/** Locks a ledger against everybody who applies migrations, until the transaction ends. */
export async function lockLedger(session: Session, { tool, table }: LedgerPlace): Promise<void> {
  await session.execute(`LOCK TABLE ${relationOf(ledgerOf(tool), table)} IN SHARE ROW EXCLUSIVE MODE`);
}

/** Takes the rows of `names` that stand out of a ledger; rows that failed stay. */
export async function forgetMigrations(session: Session, { tool, table }: LedgerPlace, names: readonly string[]): Promise<void> {
  const ledger = ledgerOf(tool);
  if (names.length === 0) return;
  await session.execute(`DELETE FROM ${relationOf(ledger, table)} WHERE ${ledger.name} IN (${names.map(literal).join(", ")}) AND NOT coalesce(${ledger.failed ?? "false"}, false)`);
}

function ledgerOf(tool: string): Ledger {
  const found = canForget(tool) ? ledgers.find((ledger) => ledger.tool === tool) : undefined;
  if (found === undefined) throw new Error(`no single migration can be taken out of a ledger of ${tool}`);
  return found;
}

/** A ledger is told as `schema.table`, where the table's name is its tool's. */
function relationOf(ledger: Ledger, table: string): string {
  return `${identifier(table.slice(0, -ledger.table.length - 1))}.${identifier(ledger.table)}`;
}
