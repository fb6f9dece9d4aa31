/**
 * Which way a rollback goes: the cheapest that is safe, in the order images only, down-SQL, restore and swap. What is not
 * known to be compatible is not. Pure.
 */
import type { MigrationsBetween } from "../migrations/between.ts";
import type { MigrationVerdict, Strategy } from "./plan.ts";

export interface StrategyInput {
  readonly between: MigrationsBetween;
  /** One for each of `between.applied`, newest first. */
  readonly migrations: readonly MigrationVerdict[];
  /** Kinds of objects of which the schema differs although no migration explains it ("index"); null where that is not known. */
  readonly drift: readonly string[] | null;
  /** Whether a ledger is known that would tell of migrations; assumed unless said otherwise. */
  readonly ledgerKnown?: boolean | undefined;
  /** What the operator asked for. */
  readonly wish: Strategy | undefined;
  /** Why images may go back although the schema does not fit. */
  readonly acceptIncompatible: string | null;
}

export type StrategyChoice =
  | { readonly strategy: Strategy; readonly because: string; readonly warnings: readonly string[] }
  /** A clause, for a HoldfastError `refused`. */
  | { readonly refused: string; readonly hints: readonly string[] };

/** What speaks against a way, as a clause; undefined if nothing does. */
type Objection = string | undefined;

export function chooseStrategy(input: StrategyInput): StrategyChoice {
  if (input.wish === "restore-and-swap") return choose("restore-and-swap", "it was asked for");
  if (input.wish === "down-sql") return downSql(input) ?? choose("down-sql", "it was asked for, and every migration since has reviewed down-SQL", driftWarning(input));
  const objection = againstImages(input);
  if (objection === undefined) return choose("images-only", fits(input), input.ledgerKnown === false ? ["No migration ledger is known, so a migration that changed rows alone does not show."] : []);
  if (input.acceptIncompatible !== null) return choose("images-only", `it was accepted (${input.acceptIncompatible}), although ${objection}`, [`The older release meets a schema that it does not know: ${objection}.`]);
  if (input.wish === "images-only") return refuse(`images alone cannot go back: ${objection}`, "Restore the backup with --strategy restore-and-swap, or say --accept-incompatible REASON if the older release can live with it; the reason is recorded.");
  if (isDriftOnly(input)) {
    const how = input.ledgerKnown === false ? `the schema is not the checkpoint's (${kinds(input)}), and no migration ledger is known that would tell why` : `the schema is not the checkpoint's although the migration ledger is (${kinds(input)}), so somebody changed it by hand`;
    return refuse(how, "See whether the older release can live with it: then say --accept-incompatible REASON, and only images go back.", "Or go back with the data, which loses what was written since: --strategy restore-and-swap.");
  }
  if (againstDown(input) === undefined) return choose("down-sql", `${objection}, and every migration since has reviewed down-SQL`, driftWarning(input));
  return choose("restore-and-swap", objection);
}

function fits({ migrations, drift, ledgerKnown }: StrategyInput): string {
  if (ledgerKnown === false) return "the schema is as it was at the checkpoint, and no migration ledger is known";
  if (migrations.length > 0) return `the older release can live with ${migrations.length === 1 ? "the migration" : `all ${migrations.length} migrations`} since the checkpoint`;
  return drift === null ? "the migration ledger is as it was at the checkpoint" : "the migration ledger and the schema are as they were at the checkpoint";
}

function againstImages({ between, migrations, drift }: StrategyInput): Objection {
  const breaking = migrations.filter(({ verdict }) => verdict !== "compatible");
  if (breaking.length > 0) {
    const [first, ...more] = [...breaking.filter(({ verdict }) => verdict === "incompatible"), ...breaking.filter(({ verdict }) => verdict === "unknown")];
    const rest = more.length === 0 ? "" : `, and ${more.length} more ${more.length === 1 ? "is" : "are"} not known to be compatible`;
    return first === undefined ? undefined : `${first.name} is ${first.verdict === "unknown" ? "not known to be compatible" : "not backward compatible"} (${first.why})${rest}`;
  }
  const odd = between.oddities[0];
  if (odd !== undefined) return odd.detail;
  if (migrations.length < between.applied.length) return "not every migration since the checkpoint could be judged";
  return drift !== null && drift.length > 0 ? `the schema differs in ways that no migration explains (${drift.join(", ")})` : undefined;
}

function againstDown({ between, migrations }: StrategyInput): Objection {
  if (migrations.length === 0) return "no migration was applied since the checkpoint";
  const odd = between.oddities[0];
  if (odd !== undefined) return odd.detail;
  if (migrations.length < between.applied.length) return "not every migration since the checkpoint is known";
  const without = migrations.find(({ down }) => down === null);
  return without === undefined ? undefined : `${without.name} has no reviewed down-SQL`;
}

function downSql(input: StrategyInput): StrategyChoice | undefined {
  const objection = againstDown(input);
  return objection === undefined ? undefined : refuse(`the migrations cannot be taken back by SQL: ${objection}`, "Give a reviewed script for all of them with --down-file, or restore the backup with --strategy restore-and-swap.");
}

function isDriftOnly({ between, drift }: StrategyInput): boolean {
  return between.applied.length === 0 && between.oddities.length === 0 && drift !== null && drift.length > 0;
}

const kinds = ({ drift }: StrategyInput): string => (drift ?? []).join(", ");

function driftWarning(input: StrategyInput): string[] {
  return input.drift !== null && input.drift.length > 0 ? [`The schema also differs in ways that no migration explains (${kinds(input)}), which down-SQL does not take back.`] : [];
}

function choose(strategy: Strategy, because: string, warnings: readonly string[] = []): StrategyChoice {
  return { strategy, because, warnings };
}

function refuse(refused: string, ...hints: string[]): StrategyChoice {
  return { refused, hints };
}
