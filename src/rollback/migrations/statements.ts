/** A whole script's effects, in its order. Imported when the first migration has to be read: it brings the parser. */
import type { Effect } from "./effect.ts";
import type { NewObjects } from "./new-objects.ts";
import { parseSql } from "./sql.ts";
import { effectsOf } from "./statement.ts";

/** @throws HoldfastError `refused` if it is no SQL */
export async function effectsOfSql(sql: string, news: NewObjects): Promise<Effect[]> {
  return (await parseSql(sql)).flatMap((statement) => effectsOf(statement, news));
}
