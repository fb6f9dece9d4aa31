/** Table patterns of a dump filter, as pg_dump matches them: `schema.table` with `*`, `?` and double quotes. */
import type { DumpFilter } from "./dump.ts";

/** A name pattern as a regular expression: unquoted letters fold to lower case, `*` and `?` are wild. */
function namePattern(pattern: string): RegExp {
  let source = "";
  let quoted = false;
  for (const [index, character] of [...pattern].entries()) {
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
  for (const [index, character] of [...pattern].entries()) {
    if (character === '"') quoted = !quoted;
    if (character === "." && !quoted) return [namePattern(pattern.slice(0, index)), namePattern(pattern.slice(index + 1))];
  }
  return [/^.*$/su, namePattern(pattern)];
}

/** Whether a dump with this filter holds the rows of a table. */
export function tableFilter(filter: DumpFilter): (schema: string, table: string) => boolean {
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
  return (schema, table) => (all || includedTables(schema, table) || includedSchemas(schema)) && !excludedTables(schema, table) && !excludedSchemas(schema);
}
