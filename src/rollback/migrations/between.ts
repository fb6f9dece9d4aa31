/** Which migrations stand between two states of a database's ledgers, and what a ledger should not look like. Pure. */

/** What is read of a ledger; a checkpoint's fits, and so does one that was read just now. */
export interface LedgerView {
  readonly tool: string;
  readonly table: string;
  readonly head: string | null;
  readonly applied: readonly string[];
  readonly failed: number;
  readonly repeatable?: string | undefined;
  readonly sha256: string;
}

export interface AppliedMigration {
  readonly tool: string;
  /** The ledger's table. */
  readonly table: string;
  /** As the ledger says it. */
  readonly name: string;
}

export interface LedgerOddity {
  /**
   * `backwards`: what was applied then is not now. `edited`: the same migrations, but other checksums, outcomes or order.
   * `repeated`: what has no version, as Flyway's repeatable migrations, was applied again, or anew; nobody has judged it.
   * `disappeared`, `appeared`: the ledger itself. `failed`: more rows that were begun and not finished, or rolled back.
   * `heads-only`: the tool keeps no history, so what was applied in between cannot be told.
   */
  readonly kind: "backwards" | "edited" | "repeated" | "disappeared" | "appeared" | "failed" | "heads-only";
  readonly tool: string;
  readonly table: string;
  /** Migrations that it is about; empty where the ledger does not say. */
  readonly names: readonly string[];
  /** A clause that names the ledger and what was seen. */
  readonly detail: string;
}

export interface MigrationsBetween {
  /** Applied since, newest first within each ledger. */
  readonly applied: readonly AppliedMigration[];
  /** Empty if every ledger only went forward. */
  readonly oddities: readonly LedgerOddity[];
}

export function migrationsBetween(then: readonly LedgerView[], now: readonly LedgerView[]): MigrationsBetween {
  const keys = [...new Set([...then, ...now].map(keyOf))];
  const each = keys.map((key) => between(then.find((ledger) => keyOf(ledger) === key), now.find((ledger) => keyOf(ledger) === key)));
  return { applied: each.flatMap(({ applied }) => applied), oddities: each.flatMap(({ oddities }) => oddities) };
}

/** Whether nothing was applied, and nothing is odd. */
export function isUnchanged({ applied, oddities }: MigrationsBetween): boolean {
  return applied.length === 0 && oddities.length === 0;
}

const keyOf = ({ tool, table }: LedgerView): string => `${tool} ${table}`;

/** Keeps of each ledger nothing but the heads. */
const headsOnly = ["alembic"];

function between(then: LedgerView | undefined, now: LedgerView | undefined): MigrationsBetween {
  if (now === undefined) return { applied: [], oddities: then === undefined ? [] : [odd("disappeared", then, then.applied, "was there and is not any more")] };
  if (then === undefined) return { applied: newestFirst(now, now.applied), oddities: [odd("appeared", now, now.applied, "was not there")] };
  const added = now.applied.filter((name) => !then.applied.includes(name));
  if (headsOnly.includes(now.tool)) {
    const same = then.sha256 === now.sha256;
    return { applied: same ? [] : newestFirst(now, added), oddities: same ? [] : [odd("heads-only", now, added, `keeps its heads only, which were ${list(then.applied)} and are ${list(now.applied)}`)] };
  }
  return { applied: newestFirst(now, added), oddities: [...changesOfTheOld(then, now, added), ...failures(then, now), ...repetitions(then, now, added)] };
}

function changesOfTheOld(then: LedgerView, now: LedgerView, added: readonly string[]): LedgerOddity[] {
  const gone = then.applied.filter((name) => !now.applied.includes(name));
  if (gone.length > 0) return [odd("backwards", now, gone, `lacks ${list(gone)}, which ${gone.length === 1 ? "was" : "were"} applied`)];
  const kept = now.applied.filter((name) => then.applied.includes(name));
  const moved = kept.length !== then.applied.length || kept.some((name, at) => name !== then.applied[at]);
  // What is added changes the digest as well, so a checksum that was changed at the same time does not show.
  const rewritten = added.length === 0 && now.failed <= then.failed && now.sha256 !== then.sha256;
  return moved || rewritten ? [odd("edited", now, [], "was edited: the same migrations with other checksums, outcomes or order")] : [];
}

/** Where nothing was added, the edit tells it already. */
function repetitions(then: LedgerView, now: LedgerView, added: readonly string[]): LedgerOddity[] {
  return added.length > 0 && then.repeatable !== now.repeatable ? [odd("repeated", now, [], "says that repeatable migrations were applied since, which may have redefined what the older release reads")] : [];
}

function failures(then: LedgerView, now: LedgerView): LedgerOddity[] {
  const more = now.failed - then.failed;
  return more > 0 ? [odd("failed", now, [], `has ${more} more ${more === 1 ? "migration" : "migrations"} that failed, or ${more === 1 ? "was" : "were"} begun and not finished`)] : [];
}

function newestFirst({ tool, table }: LedgerView, names: readonly string[]): AppliedMigration[] {
  return names.map((name) => ({ tool, table, name })).toReversed();
}

function odd(kind: LedgerOddity["kind"], { tool, table }: LedgerView, names: readonly string[], what: string): LedgerOddity {
  return { kind, tool, table, names, detail: `the ledger ${table} (${tool}) ${what}` };
}

const shown = 5;

/** Names for a sentence: the first few, and how many more. */
export function list(names: readonly string[]): string {
  if (names.length === 0) return "none";
  const rest = names.length - shown;
  return names.slice(0, shown).join(", ") + (rest > 0 ? ` and ${rest} more` : "");
}
