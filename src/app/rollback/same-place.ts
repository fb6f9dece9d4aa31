/** Whether a rollback that goes on, or back, is still at the place where it was begun: the configuration may be another by now, or another host's. */
import type { DatabaseConfig } from "../../config/config.ts";
import { HoldfastError } from "../../errors.ts";
import { parseDatabaseUrl } from "../../postgres/connection.ts";
import type { JournalEntry } from "../../rollback/journal/journal.ts";
import { stateOf } from "../../rollback/journal/state.ts";
import type { BegunRollback } from "../../rollback/plan/outcome.ts";
import type { Platform } from "../../rollback/platform/platform.ts";
import { besideName } from "./database-steps.ts";

/** What names a place; files, say, may be corrected on the way. */
const naming = ["project", "context", "namespace", "database"] as const;

/** @throws HoldfastError `refused` where steps would be done to another database or another deployment than those before them */
export function requireSamePlace({ id, plan }: Pick<BegunRollback, "id" | "plan">, { address }: Pick<Platform, "address">, database: Pick<DatabaseConfig, "name" | "url">, entries: readonly JournalEntry[]): void {
  const { address: then } = plan.now.state;
  const moved = naming.find((key) => then[key] !== address[key]);
  if (moved !== undefined) throw elsewhere(id, database, `${moved} ${then[moved] ?? "none"}`, `${moved} ${address[moved] ?? "none"}`);
  const live = parseDatabaseUrl(database.url).database;
  const copy = stateOf(entries).facts.get("restore-beside")?.["beside"];
  if (live === undefined || typeof copy !== "string" || copy === besideName(live, id)) return;
  throw elsewhere(id, database, `the database whose copy is ${copy}`, `database ${live}`);
}

function elsewhere(id: string, { name }: Pick<DatabaseConfig, "name">, then: string, now: string): HoldfastError {
  return new HoldfastError("refused", `${id} was begun at ${then}, but configured is ${now}`, {
    hints: [`Correct databases.${name} (its URL, or its rollback), then run the command again.`, "If that place is gone, end it as it stands with `holdfast rollback abort --leave-as-is REASON`.", "Nothing was changed."],
  });
}
