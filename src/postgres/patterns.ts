/** Table patterns of a dump filter, as pg_dump matches them: `schema.table` with `*`, `?` and double quotes. */
import { HoldfastError } from "../errors.ts";
import type { DumpFilter } from "./dump.ts";
import type { TableName } from "./truth/tables.ts";

/** A name pattern as a regular expression: unquoted letters fold to lower case, `*` and `?` are wild. */
function namePattern(pattern: string): RegExp {
  let source = "";
  let quoted = false;
  for (const { 0: character, index } of pattern.matchAll(/./gsu)) {
    if (character === '"') {
      if (quoted && pattern[index + 1] === '"') source += '"';
      quoted = !quoted;
    } else if (!quoted && character === "*") source += ".*";
    else if (!quoted && character === "?") source += ".";
    else source += (quoted ? character : character.toLowerCase()).replace(/[\\^$.*+?()[\]{}|/]/, "\\$&");
  }
  return new RegExp(`^${source}$`, "su");
}

/** Splits `schema.table` at the first dot outside quotes. */
function splitPattern(pattern: string): [schema: RegExp, table: RegExp] {
  let quoted = false;
  for (const { 0: character, index } of pattern.matchAll(/./gsu)) {
    if (character === '"') quoted = !quoted;
    if (character === "." && !quoted) return [namePattern(pattern.slice(0, index)), namePattern(pattern.slice(index + 1))];
  }
  // pg_dump would look for it along the search path, and the truth would count other tables than the dump holds.
  throw new HoldfastError("configuration", `the table pattern ${pattern} names no schema`, { hints: [`Write it as public.${pattern}, or *.${pattern} for every schema.`] });
}

/** Whether a dump with this filter holds the rows of a table. */
export function tableFilter(filter: DumpFilter): (table: TableName) => boolean {
  const tables = (patterns: readonly string[]): ((schema: string, table: string) => boolean) => {
    const split = patterns.map(splitPattern);
    return (schema, table) => split.some(([s, t]) => s.test(schema) && t.test(table));
  };
  const schemas = (patterns: readonly string[]): ((schema: string) => boolean) => {
    const split = patterns.map(namePattern);
    return (schema) => split.some((pattern) => pattern.test(schema));
  };
  const includedTables = tables(filter.includeTables);
  const includedSchemas = schemas(filter.includeSchemas);
  const excludedTables = tables([...filter.excludeTables, ...filter.excludeTableData]);
  const excludedSchemas = schemas(filter.excludeSchemas);
  const all = filter.includeTables.length + filter.includeSchemas.length === 0;
  return ({ schema, name: table }) => (all || includedTables(schema, table) || includedSchemas(schema)) && !excludedTables(schema, table) && !excludedSchemas(schema);
}
