/**
 * Whether a release that was written before a migration can live with the schema after it: its SELECTs, INSERTs and UPDATEs
 * go on working (docs/decisions/0060). What a person says in a mark wins; what cannot be told is unknown, never compatible.
 */
import { HoldfastError } from "../../errors.ts";
import type { Effect } from "./effect.ts";
import { markOf } from "./marks.ts";
import type { Migration } from "./migration.ts";
import { NewObjects } from "./new-objects.ts";

/** @returns the gravest of its statements' effects, and why: kinds of statements and names of objects, no values */
export async function judgeMigration(migration: Migration): Promise<Effect> {
  const mark = markOf(migration);
  if (mark !== undefined) return mark;
  if (!migration.isSql) return { verdict: "unknown", why: "it is not written in SQL, and has no mark that tells" };
  // The parser is large, and not every command reads migrations.
  const { effectsOfSql } = await import("./statements.ts");
  try {
    return gravest(await effectsOfSql(migration.text, new NewObjects()));
  } catch (error) {
    if (error instanceof HoldfastError && error.code === "refused") return { verdict: "unknown", why: error.message };
    throw error;
  }
}

const gravity = ["incompatible", "unknown", "compatible"] as const;
const shown = 3;

function gravest(effects: readonly Effect[]): Effect {
  for (const verdict of gravity) {
    const reasons = [...new Set(effects.filter((effect) => effect.verdict === verdict).map(({ why }) => why))];
    if (reasons.length === 0) continue;
    const rest = reasons.length - shown;
    return { verdict, why: reasons.slice(0, shown).join("; ") + (rest > 0 ? `; and ${rest} more` : "") };
  }
  return { verdict: "compatible", why: "it holds no statement" };
}
