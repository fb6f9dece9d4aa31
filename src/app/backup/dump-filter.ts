/** What the configuration of a database leaves out, in pg_dump's terms. */
import type { DatabaseConfig } from "../../config/config.ts";
import type { DumpFilter } from "../../postgres/dump.ts";

export function filterOf(database: DatabaseConfig): DumpFilter {
  return {
    includeTables: database.include.tables,
    includeSchemas: database.include.schemas,
    excludeTables: database.exclude.tables,
    excludeSchemas: database.exclude.schemas,
    excludeTableData: database.excludeTableData,
  };
}
