/**
 * Whether a checkpoint may still be taken: one that is taken after the coming release's migrations were applied goes back to
 * the wrong schema. Where that cannot be told, it is refused. Pure.
 */
import { isUnchanged, type LedgerView, list, migrationsBetween } from "./between.ts";
import { ledgerName, type Migration, toolOf } from "./migration.ts";

/** What is known of the migrations that the coming release brings. */
export type ComingMigrations =
  /** All that the release's folder holds, those of former releases included. */
  | { readonly from: "folder"; readonly folder: string; readonly migrations: readonly Migration[] }
  /** Named one by one, as the ledger will name them. */
  | { readonly from: "list"; readonly names: readonly string[] }
  /** Somebody said that it brings none. */
  | { readonly from: "none" }
  | { readonly from: "nothing-known" };

export interface LedgerNow extends LedgerView {
  /** Begun, and neither finished nor marked as rolled back. */
  readonly unfinished: readonly string[];
}

/** The last record in which the running release was seen to be good. */
export interface LastRecord {
  /** For people: "checkpoint 1.4.1-20261120T020000Z, verified". */
  readonly name: string;
  readonly ledgers: readonly LedgerView[];
}

/** `pending`: what the release will apply, null where it is not known; or a clause that says what is wrong. */
export type ComingDecision = { readonly pending: readonly string[] | null } | { readonly refused: string; readonly hints: readonly string[] };

export function decideComing(ledgers: readonly LedgerNow[], coming: ComingMigrations, last: LastRecord | null): ComingDecision {
  const running = ledgers.flatMap(({ table, unfinished }) => (unfinished.length === 0 ? [] : [`${list(unfinished)} of ${table}`]));
  if (running.length > 0) return refuse(`a migration is running or was broken off: ${running.join("; ")}`, "Wait for it to end, or repair it with the migration tool (prisma migrate resolve), then take the checkpoint again.");
  const decided = byWhatComes(ledgers, coming);
  if ("refused" in decided || ledgers.length === 0) return decided;
  return comparedWith(last, ledgers, coming, decided);
}

function byWhatComes(ledgers: readonly LedgerNow[], coming: ComingMigrations): ComingDecision {
  if (coming.from === "none") return { pending: [] };
  if (coming.from === "nothing-known") return { pending: null };
  if (coming.from === "folder") return ledgers.length === 0 ? { pending: coming.migrations.map(({ name }) => name) } : ofFolder(ledgers, coming.folder, coming.migrations);
  const applied = coming.names.filter((name) => ledgers.some((ledger) => ledger.applied.includes(name)));
  if (applied.length > 0) return alreadyApplied(applied);
  return { pending: coming.names };
}

function ofFolder(ledgers: readonly LedgerNow[], folder: string, migrations: readonly Migration[]): ComingDecision {
  const tool = toolOf(migrations, ledgers);
  const own = ledgers.filter((ledger) => ledger.tool === tool);
  if (tool === undefined) {
    return refuse(`the migrations in ${folder} cannot be compared with ${ledgers.map(({ table, tool: other }) => `${table} (${other})`).join(" and ")}`, "Name the release's migrations one by one with --migration, as the ledger will name them, or say --no-migrations if it brings none.");
  }
  const names = migrations.flatMap((migration) => ledgerName(migration, tool) ?? []);
  const missing = [...new Set(own.flatMap(({ applied }) => applied))].filter((name) => !names.includes(name));
  if (missing.length > 0) {
    return refuse(`${folder} lacks migrations that ${own.map(({ table }) => table).join(" and ")} has: ${list(missing)}`, "The folder is of an older release, or of another branch: give that of the release that is coming, or name its migrations with --migration.");
  }
  const pending = names.filter((name) => !own.every(({ applied }) => applied.includes(name)));
  const half = pending.filter((name) => own.some(({ applied }) => applied.includes(name)));
  return half.length > 0 ? alreadyApplied(half) : { pending };
}

/** What was applied since the release that runs was seen to be good came from somewhere: mostly from the one that is coming. */
function comparedWith(last: LastRecord | null, ledgers: readonly LedgerNow[], coming: ComingMigrations, decided: { readonly pending: readonly string[] | null }): ComingDecision {
  if (last !== null) {
    const since = migrationsBetween(last.ledgers, ledgers);
    if (isUnchanged(since)) return decided;
    const what = [...(since.applied.length > 0 ? [`applied since: ${list(since.applied.map(({ name }) => name))}`] : []), ...since.oddities.map(({ detail }) => detail)];
    return refuse(`the migration ledger is not that of ${last.name}: ${what.join("; ")}`, "A checkpoint that is taken after the coming release's migrations is worthless. If they belong to the release that runs, record it first with `holdfast checkpoint verify`.");
  }
  if (coming.from === "none" || (decided.pending !== null && decided.pending.length > 0)) return decided;
  const why = decided.pending === null ? "nothing is known of the coming release's migrations" : "every migration of the coming release is applied already, or it brings none";
  return refuse(`${why}, and there is no former record to compare the ledger with`, "Say --no-migrations if the release brings none, or give the folder of its migrations with --migrations.");
}

function alreadyApplied(names: readonly string[]): ComingDecision {
  return refuse(`${names.length === 1 ? "a migration" : "migrations"} of the coming release ${names.length === 1 ? "is" : "are"} applied already: ${list(names)}`, "A backup that is taken now cannot bring back the schema of the release that runs: use the last checkpoint or backup from before, and take the next checkpoint before its migrations.");
}

function refuse(refused: string, ...hints: string[]): ComingDecision {
  return { refused, hints };
}
