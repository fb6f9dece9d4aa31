/**
 * The story of a restore: never into a live database. A new database is made beside, filled, compared with the truth,
 * and only then given its name; with `swap` it takes the live one's name, and the live one is kept for undo.
 */
import { type Manifest, partNamed } from "../../catalog/manifest.ts";
import type { BackupChoice } from "../../catalog/choice.ts";
import { HoldfastError, throwIfCancelled } from "../../errors.ts";
import { runStep, type Step } from "../../ports.ts";
import { besideMark, createDatabaseLike, suffixed } from "../../postgres/databases.ts";
import { openAdminSession, type Server } from "../../postgres/server.ts";
import { type Session, SqlError } from "../../postgres/session.ts";
import type { Difference } from "../../postgres/truth/difference.ts";
import { shellWord } from "../../process/shell-word.ts";
import { cancellationSaying } from "../cancellation.ts";
import { checkBeforeRestore } from "../backup/check-parts.ts";
import { chooseAloud } from "../backup/choose-aloud.ts";
import { compareCopy } from "./compare-copy.ts";
import { type Context, databaseNamed, reachTarget, requireIdentities, shownTarget, type Workplace } from "../context.ts";
import { dropCopy } from "./drop-copy.ts";
import { openBackupKey } from "../backup/open-part.ts";
import { type Action, openFor, recorded } from "../record.ts";
import { analyzeCopy, applyProperties, createMissingRoles, restoreContent } from "./restore-content.ts";
import { type Check, preflight } from "./restore-preflight.ts";
import { exchange, giveName, keptName, withCopyKept } from "./swap-database.ts";

export interface RestoreOptions {
  readonly database?: string | undefined;
  readonly choice: BackupChoice;
  /** Name of the database to make on the configured server, or a URL that names server and database. */
  readonly into: string;
  /** Put the copy in the place of the live database of that name. */
  readonly swap: boolean;
  /** The target's name as the operator typed it; required by `swap`. */
  readonly confirm?: string | undefined;
  readonly dryRun: boolean;
  readonly tables: readonly string[];
  readonly mode: "all" | "schema-only" | "data-only";
  readonly jobs: number;
  /** Restore without owners and grants, everything owned by the connecting user. */
  readonly noOwner: boolean;
  readonly roleMap: ReadonlyMap<string, string>;
  readonly createRoles: boolean;
  /** Milliseconds that clients get to finish before their connections are ended for the swap. */
  readonly drainMs: number;
  readonly reason?: string | undefined;
}

export interface RestoreResult {
  readonly backup: string;
  readonly snapshotAt: string;
  /** The database that now holds the data. */
  readonly target: string;
  readonly dryRun: boolean;
  readonly checks: readonly Check[];
  readonly tables: number;
  readonly rows: number;
  /** What differs from the source without being wrong, as a newer collation version. */
  readonly notes: readonly Difference[];
  /** The former live database, kept for `restore undo`. */
  readonly kept: string | undefined;
  readonly seconds: number;
}

/** What all steps of one restore share. */
export interface RestoreWork {
  readonly context: Context;
  readonly workplace: Workplace;
  readonly server: Server;
  readonly admin: Session;
  /** The server's process behind `admin`. */
  readonly adminPid: number;
  readonly manifest: Manifest;
  readonly identity: string;
  readonly options: RestoreOptions;
  /** The name that the copy gets in the end. */
  readonly target: string;
  /** The role that roles made here are granted to, by which they are found again where the copy is for a time only. */
  readonly roleMarker?: string | undefined;
}

function stepsOf(options: RestoreOptions): Step[] {
  return [
    { id: "preflight", title: "check backup and target" },
    { id: "create", title: "make a database beside" },
    { id: "restore", title: "restore" },
    { id: "analyze", title: "analyze" },
    { id: "compare", title: "compare with the truth" },
    { id: "finish", title: options.swap ? "swap by rename" : "give it its name" },
  ];
}

/**
 * Restores a backup and proves the copy equal to its source.
 * @throws HoldfastError; until the copy has been proved, the target's name and the live database are untouched
 */
export async function restoreBackup(context: Context, options: RestoreOptions): Promise<RestoreResult> {
  const started = context.clock.now();
  const database = databaseNamed(context.config, options.database);
  const action = { action: options.swap ? "restore --swap" : "restore", subject: { database: database.name, target: shownTarget(options.into) }, reason: options.reason };
  const workplace = await openFor(context, action);
  const run = async (subject: Action["subject"]): Promise<RestoreResult> => {
    const identities = await requireIdentities(context.config);
    const manifest = await chooseAloud(context, workplace.repository, database.name, options.choice);
    subject.backup = manifest.id;
    const identity = await openBackupKey(workplace.repository, manifest, identities);
    await checkBeforeRestore(workplace.repository, manifest, context.signal);
    const { server, name: target } = await reachTarget(context, database, options.into);
    subject.target = target;
    requireConfirmation(options, target);
    const admin = await openAdminSession(server, context.signal, target);
    const result = { backup: manifest.id, snapshotAt: manifest.snapshotAt, target, dryRun: options.dryRun };
    const seconds = (): number => (context.clock.now().getTime() - started.getTime()) / 1000;
    try {
      const { pid: adminPid } = await admin.row<{ pid: number }>("SELECT pg_backend_pid() AS pid");
      const work: RestoreWork = { context, workplace, server, admin, adminPid, manifest, identity, options, target };
      context.reporter.emit({ type: "plan", steps: options.dryRun ? stepsOf(options).slice(0, 1) : stepsOf(options) });
      const checks = await runStep(context.reporter, "preflight", () => preflight(work), (all) => `${all.length} checks`).catch((error: unknown) => { throw cancellationSaying(error, "nothing was changed"); });
      if (options.dryRun) return { ...result, checks, tables: manifest.truth.tables.length, rows: 0, notes: [], kept: undefined, seconds: seconds() };
      const done = await restoreBeside(work);
      return { ...result, checks, ...done, seconds: seconds() };
    } finally {
      await admin.close();
    }
  };
  try {
    return await (options.dryRun ? run({}) : recorded(context, workplace, action, run));
  } finally {
    await workplace.close();
  }
}

function requireConfirmation(options: RestoreOptions, target: string): void {
  if (!options.swap || options.dryRun || options.confirm === target) return;
  throw new HoldfastError(
    "refused",
    options.confirm === undefined ? `--swap replaces the live database ${target} and was not confirmed` : `--confirm says ${options.confirm}, but the database to replace is ${target}`,
    { hints: [`Look at the plan with --dry-run, then confirm with --confirm ${shellWord(target)}.`] },
  );
}

/** Fills a new database, proves it, and hands it over; whatever fails before it is proved drops it again. */
async function restoreBeside(work: RestoreWork): Promise<Pick<RestoreResult, "tables" | "rows" | "notes" | "kept">> {
  const { context, options, target } = work;
  if (options.mode === "data-only") return restoreDataInPlace(work);
  const beside = suffixed(target, besideMark + context.clock.now().getTime().toString(36));
  if (options.createRoles) await createMissingRoles(work);
  let compared;
  try {
    compared = await fillAndCompare(work, beside);
  } catch (error) {
    throw await withoutCopy(work, beside, error);
  }
  try {
    const kept = await runStep(context.reporter, "finish", () => handOver(work, beside), (old) => old ?? target);
    return { ...compared, kept };
  } catch (error) {
    throw error instanceof HoldfastError && error.code === "cancelled" ? await withoutCopy(work, beside, error) : withCopyKept(error, beside);
  }
}

async function withoutCopy(work: RestoreWork, beside: string, error: unknown): Promise<unknown> {
  const dropped = await dropCopy(work, beside);
  const left = `${dropped ? "the copy was dropped" : `the copy ${beside} is still there`}, and ${work.target} is untouched`;
  if (error instanceof SqlError) return new HoldfastError("restore-failed", `the server refused a statement: ${error.message}; ${left}`, { cause: error });
  return cancellationSaying(error, left);
}

async function fillAndCompare(work: RestoreWork, beside: string): ReturnType<typeof compareCopy> {
  const { context, server, admin, manifest, options } = work;
  const { reporter } = context;
  await runStep(reporter, "create", () => createDatabaseLike(admin, beside, manifest.truth.database, server.facts.versionNum), () => beside);
  const chosen = await runStep(reporter, "restore", () => restoreContent(work, beside), () => `${partNamed(manifest, options.mode === "schema-only" ? "schema" : "data").plainBytes} bytes`);
  await runStep(reporter, "analyze", () => analyzeCopy(work, beside));
  // Last, because a setting of the database, as a statement's time limit, would hold for the restore too.
  if (chosen === undefined) await applyProperties(work, beside);
  return runStep(reporter, "compare", () => compareCopy(work, beside, chosen), (outcome) => `${outcome.tables} tables, ${outcome.rows} rows equal`);
}

/** Through sessions of its own: the one of the preflight may be hours old. @returns the name under which the former live database is kept */
async function handOver({ context, server, options, target }: RestoreWork, beside: string): Promise<string | undefined> {
  throwIfCancelled(context.signal);
  if (!options.swap) {
    await giveName(context, server, beside, target);
    return undefined;
  }
  const aside = keptName(context, target);
  await exchange(context, server, { live: target, beside, aside, drainMs: options.drainMs });
  return aside;
}

async function restoreDataInPlace(work: RestoreWork): Promise<Pick<RestoreResult, "tables" | "rows" | "notes" | "kept">> {
  const { context: { reporter }, target } = work;
  reporter.emit({ type: "step-skipped", step: "create", why: "--data-only fills an existing schema" });
  await runStep(reporter, "restore", () => restoreContent(work, target)).catch((error: unknown) => { throw cancellationSaying(error, `${target} is as it was: its rows come in one transaction`); });
  try {
    await runStep(reporter, "analyze", () => analyzeCopy(work, target));
    const compared = await runStep(reporter, "compare", () => compareCopy(work, target), (outcome) => `${outcome.tables} tables, ${outcome.rows} rows equal`);
    reporter.emit({ type: "step-skipped", step: "finish", why: `${target} has its name` });
    return { ...compared, kept: undefined };
  } catch (error) {
    throw cancellationSaying(error, `the rows are in ${target}, but were not compared with the truth`);
  }
}
