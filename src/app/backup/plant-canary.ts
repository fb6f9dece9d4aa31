/** The canary of a backup, if the configuration wants one, and if the dump would carry it. */
import type { DatabaseConfig } from "../../config/config.ts";
import { HoldfastError } from "../../errors.ts";
import { canaryTable, plantCanary } from "../../postgres/canary.ts";
import { isPartial } from "../../postgres/dump.ts";
import { tableFilter } from "../../postgres/patterns.ts";
import type { Server } from "../../postgres/server.ts";
import type { CanaryTruth } from "../../postgres/truth/truth.ts";
import { filterOf } from "./dump-filter.ts";

/**
 * Call it before the snapshot is exported.
 * @throws HoldfastError `configuration` for a table that is not dumped: each drill would miss its rows
 */
export async function plantConfiguredCanary(server: Server, database: DatabaseConfig, signal: AbortSignal): Promise<CanaryTruth | undefined> {
  if (database.canary === undefined) return undefined;
  const { table } = database.canary;
  const filter = filterOf(database);
  if (isPartial(filter) && !tableFilter(filter)(canaryTable(table))) {
    throw new HoldfastError("configuration", `the rows of the canary's table ${table} are left out of the backup, so that no drill could find them`, {
      hints: [`Include ${table} in the backup of ${database.name}, or choose another table for \`canary\`.`],
    });
  }
  return plantCanary(server.target(), table, signal);
}
