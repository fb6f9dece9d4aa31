/** What the coming release brings to the database, as the operator says it; refused where the database has it already. */
import { readdir } from "node:fs/promises";

import { HoldfastError, messageOf } from "../../errors.ts";
import type { LedgerState } from "../../rollback/checkpoint/checkpoint.ts";

/** How the migrations of the coming release are told. */
export type ComingMigrations =
  | { readonly how: "folder"; readonly folder: string }
  | { readonly how: "names"; readonly names: readonly string[] }
  | { readonly how: "none" }
  | { readonly how: "unknown" };

export interface ComingDecision {
  /** Null where nobody told which migrations come. */
  readonly pending: readonly string[] | null;
  readonly warnings: readonly string[];
}

/** @throws HoldfastError `refused` if one of them is applied already */
export async function decideComing(coming: ComingMigrations, ledgers: readonly LedgerState[]): Promise<ComingDecision> {
  const applied = new Set(ledgers.flatMap((ledger) => ledger.applied));
  if (coming.how === "unknown") return { pending: null, warnings: ["nobody tells which migrations the coming release brings, so whether one is applied already was not looked at: name them with --migrations DIR, --migration NAME or --no-migrations"] };
  if (coming.how === "none") return { pending: [], warnings: [] };
  const names = coming.how === "names" ? coming.names : await namesIn(coming.folder);
  const pending = names.filter((name) => !applied.has(name));
  const there = coming.how === "names" ? names.filter((name) => applied.has(name)) : [];
  if (there.length > 0) {
    throw new HoldfastError("refused", `${there.join(", ")} of the coming release ${there.length === 1 ? "is" : "are"} applied already, so a backup taken now would not be one from before the deploy`, {
      hints: ["If the deploy has begun, `holdfast backup list` shows the backups from before it."],
    });
  }
  return { pending, warnings: [] };
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder, { withFileTypes: true })).filter((entry) => entry.isDirectory()).map(({ name }) => name).sort();
  } catch (error) {
    throw new HoldfastError("configuration", `the migrations at ${folder} cannot be read: ${messageOf(error)}`);
  }
}
