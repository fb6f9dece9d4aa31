/**
 * Taking migrations back with reviewed SQL: one transaction holds every script and the rows of the ledger, so that a failure
 * anywhere leaves everything as it was.
 */
import { HoldfastError } from "../../errors.ts";
import { defaultSearchPath } from "../../postgres/answer.ts";
import { canForget, forgetMigrations, lockLedger, readAppliedLedgers } from "../../postgres/ledgers.ts";
import { literal, type Session, SqlError } from "../../postgres/session.ts";
import { fingerprintOf, readCatalog } from "../../postgres/truth/catalog.ts";
import type { SchemaTruth } from "../../postgres/truth/truth.ts";
import { schemaDifferences } from "../plan/drift.ts";
import { type AppliedMigration, isUnchanged, type LedgerView, list, migrationsBetween } from "./between.ts";
import { ledgerName, type DownScript, type Migration, sha256OfScript } from "./migration.ts";

/** A script that was read, and can be run within a transaction. */
export interface PreparedScript {
  readonly file: string;
  readonly sha256: string;
  /** In words ("DROP TABLE") and as it was written. */
  readonly statements: readonly { readonly words: string; readonly sql: string }[];
}

export interface DownSql {
  /** What is taken back, newest first. */
  readonly migrations: readonly AppliedMigration[];
  /** In the order in which they run. */
  readonly scripts: readonly PreparedScript[];
}

/** The migration of a folder that a ledger's row is about. */
export function migrationOf(applied: AppliedMigration, folder: readonly Migration[]): Migration | undefined {
  return folder.find((migration) => ledgerName(migration, applied.tool) === applied.name);
}

/**
 * Reads the down-SQL of `migrations`, newest first: from each one's own script, or from the one file that the operator gave
 * for all of them.
 * @throws HoldfastError `refused` if one has none, its ledger cannot be taken back, or a script cannot run in a transaction
 */
export async function prepareDown(migrations: readonly AppliedMigration[], from: readonly Migration[] | DownScript): Promise<DownSql> {
  const fixed = migrations.find(({ tool }) => !canForget(tool));
  if (fixed !== undefined) throw new HoldfastError("refused", `the ledger ${fixed.table} of ${fixed.tool} does not let single migrations be taken back`, { hints: [`Take them back with ${fixed.tool} itself, or restore the backup.`] });
  const scripts = "sql" in from ? [from] : [...new Set(migrations.map((migration) => scriptOf(migration, from)))];
  const prepared: PreparedScript[] = [];
  for (const script of scripts) prepared.push(await prepareScript(script));
  return { migrations, scripts: prepared };
}

function scriptOf(migration: AppliedMigration, folder: readonly Migration[]): DownScript {
  const found = migrationOf(migration, folder)?.down;
  if (found === null || found === undefined) {
    throw new HoldfastError("refused", `${migration.name} has no down.sql`, { hints: ["Write and review one beside its migration, name one file for all with --down-file, or restore the backup."] });
  }
  return found;
}

/** @throws HoldfastError `refused` if the script is no SQL, is empty, or holds what cannot run in a transaction of ours */
export async function prepareScript(script: DownScript): Promise<PreparedScript> {
  const { file, sql } = script;
  const refuse = (why: string, cause?: unknown): HoldfastError =>
    new HoldfastError("refused", `${file} cannot be run as down-SQL: ${why}`, { hints: ["It runs within one transaction with the ledger's change: leave out BEGIN and COMMIT, CONCURRENTLY, COPY and psql's own commands."], ...(cause !== undefined && { cause }) });
  // The parser is large, and is wanted by few commands.
  const { readScript } = await import("./down-script.ts");
  const read = await readScript(sql).catch((error: unknown) => { throw error instanceof HoldfastError ? refuse(error.message, error) : error; });
  if ("unfit" in read) throw refuse(read.unfit);
  return { file, sha256: sha256OfScript(script), statements: read.statements };
}

/** What scripts take out of the database, in words: "DROP COLUMN patients.email". */
export async function takenAway(scripts: readonly PreparedScript[]): Promise<string[]> {
  const { takesAway } = await import("./takes-away.ts");
  return (await Promise.all(scripts.flatMap(({ statements }) => statements.map(({ sql }) => takesAway(sql))))).flat();
}

export interface RunDownOptions {
  /** Ledgers as the plan saw them: what was applied since would be left standing. */
  readonly now: readonly LedgerView[];
  /** Ledgers as they have to be afterwards. */
  readonly target: readonly LedgerView[];
  /** The schema as it has to be afterwards; undefined where somebody accepted another. */
  readonly schema?: SchemaTruth | undefined;
  /** Where unqualified names are looked for, as SET takes it; the database's own default if undefined. */
  readonly searchPath?: string | undefined;
}

/**
 * Runs everything in one transaction, whose last look is at the ledger. The session must be in none.
 * @throws HoldfastError `refused` if the ledgers are not those of the plan; `rollback-failed` if a statement fails, or the ledger
 * or the schema is not the target's afterwards: then nothing of it stands
 */
export async function runDown(session: Session, { migrations, scripts }: DownSql, options: RunDownOptions): Promise<void> {
  const path = options.searchPath ?? (await defaultSearchPath(session));
  const ledgers = [...Map.groupBy(migrations, ({ tool, table }) => `${tool} ${table}`).values()];
  await session.execute("BEGIN");
  try {
    for (const [first] of ledgers) if (first !== undefined) await failing(`the lock on ${first.table}`, () => lockLedger(session, first));
    // Only with the lock nobody applies anything between this look and the end.
    if (!isUnchanged(migrationsBetween(options.now, await readAppliedLedgers(session)))) throw new HoldfastError("refused", "the migration ledger has changed since the plan was made", { hints: ["Make a new plan with `holdfast rollback plan`."] });
    for (const script of scripts) await runPrepared(session, script, path);
    await session.execute("SELECT pg_catalog.set_config('search_path', '', true)");
    for (const rows of ledgers) {
      const [first] = rows;
      if (first !== undefined) await failing(`taking the rows out of ${first.table}`, () => forgetMigrations(session, first, rows.map(({ name }) => name)));
    }
    const left = await readAppliedLedgers(session);
    if (!isApplied(left, options.target)) {
      throw new HoldfastError("rollback-failed", `after the down-SQL the ledger says ${list(left.map(({ table, head }) => `${table} at ${head ?? "none"}`))}, but must say ${list(options.target.map(({ table, head }) => `${table} at ${head ?? "none"}`))}; nothing of it stands`);
    }
    await requireSchema(session, options.schema);
    await failing("the commit", () => session.execute("COMMIT"));
  } catch (error) {
    await session.execute("ROLLBACK").catch(() => undefined);
    throw error;
  } finally {
    // What a script set without LOCAL outlives its transaction.
    await session.execute("SELECT pg_catalog.set_config('search_path', '', false)").catch(() => undefined);
  }
}

async function runPrepared(session: Session, { file, statements }: PreparedScript, path: string): Promise<void> {
  await session.execute(`SELECT pg_catalog.set_config('search_path', ${literal(path)}, true)`);
  for (const [at, { words, sql }] of statements.entries()) await failing(`statement ${at + 1} of ${file} (${words})`, () => session.execute(sql));
}

/** A ledger that says so proves nothing of what the scripts really did. */
async function requireSchema(session: Session, schema: SchemaTruth | undefined): Promise<void> {
  const differing = schema === undefined ? [] : schemaDifferences(schema, fingerprintOf(await readCatalog(session)));
  if (differing.length === 0) return;
  throw new HoldfastError("rollback-failed", `after the down-SQL the schema is not the checkpoint's: it differs in ${list(differing)}; nothing of it stands`, {
    hints: [
      "Abort, mend the script so that it takes back all that the migration did, and plan again. A column that it adds anew stands last, which counts as well.",
      "If the older release can live with the difference, plan again with --strategy down-sql --accept-incompatible REASON; or with --strategy restore-and-swap.",
    ],
    details: { differing },
  });
}

async function failing(what: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof SqlError)) throw error;
    throw new HoldfastError("rollback-failed", `${what} failed: ${error.message} (${error.sqlState}); nothing of the down-SQL stands`, { cause: error, details: { sqlState: error.sqlState } });
  }
}

/** Whether the ledgers say what the target's say: the same migrations stand in the same ledgers. Rows that failed do not count. */
export function isApplied(now: readonly LedgerView[], target: readonly LedgerView[]): boolean {
  const said = (ledgers: readonly LedgerView[]): string => JSON.stringify(ledgers.map(({ tool, table, applied }) => [tool, table, applied] as const).toSorted(([a, b], [c, d]) => (`${a} ${b}` < `${c} ${d}` ? -1 : 1)));
  return said(now) === said(target);
}
