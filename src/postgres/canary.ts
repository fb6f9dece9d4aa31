/**
 * The canary: a row that each backup leaves at the source just before its snapshot, and that a restored copy must hold.
 * Counts and digests were read from the source by us; the canary was put there, so its absence convicts a backup that
 * was taken of another server, or of a snapshot older than it says.
 */
import { createHash, randomBytes } from "node:crypto";

import { HoldfastError } from "../errors.ts";
import { identifier, literal, openSession, type Session, type SessionTarget, SqlError } from "./session.ts";
import type { CanaryTruth, Truth } from "./truth/truth.ts";

const kept = 10;

/** Splits `schema.table` as the configuration writes it. */
export function canaryTable(table: string): { readonly schema: string; readonly name: string } {
  const [schema = "", name = ""] = table.split(".");
  return { schema, name };
}

/**
 * Writes a canary in a transaction of its own, making the table if there is none, and removes all but the last ten.
 * @param table - `schema.table`
 * @throws HoldfastError with the statements that would let it
 */
export async function plantCanary(target: SessionTarget, table: string, signal?: AbortSignal): Promise<CanaryTruth> {
  const { schema, name } = canaryTable(table);
  const relation = `${identifier(schema)}.${identifier(name)}`;
  const token = randomBytes(32).toString("hex");
  const session = await openSession(target, signal ? { signal } : {});
  try {
    await session.execute("BEGIN READ WRITE");
    const { there } = await session.row<{ there: boolean }>(`SELECT to_regclass(${literal(relation)}) IS NOT NULL AS there`);
    if (!there) await session.execute(definition(relation));
    await session.execute(`INSERT INTO ${relation} (written_at, token) VALUES (now(), ${literal(token)})`);
    const { at } = await session.row<{ at: string }>(`SELECT to_char(written_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS at FROM ${relation} WHERE token = ${literal(token)}`);
    await session.execute(`DELETE FROM ${relation} WHERE id NOT IN (SELECT id FROM ${relation} ORDER BY id DESC LIMIT ${kept})`);
    await session.execute("COMMIT");
    return { schema, table: name, sha256: createHash("sha256").update(token).digest("hex"), writtenAt: at };
  } catch (error) {
    throw error instanceof SqlError ? await refused(session, error, table, relation) : error;
  } finally {
    await session.close();
  }
}

const definition = (relation: string): string =>
  `CREATE TABLE ${relation} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, written_at timestamptz NOT NULL, token text NOT NULL)`;

async function refused(session: Session, error: SqlError, table: string, relation: string): Promise<HoldfastError> {
  await session.execute("ROLLBACK").catch(() => undefined);
  const message = `the canary could not be written to ${table}: ${error.message}`;
  const without = "Or take `canary` out of the configuration: then no canary is written, and drills say that they looked for none.";
  if (error.sqlState === "25006" || error.sqlState === "0A000") {
    return new HoldfastError("configuration", message, { hints: ["A standby takes no writes: back up the primary.", without], cause: error });
  }
  const { user } = await session.row<{ user: string }>("SELECT quote_ident(current_user) AS user");
  if (error.sqlState === "42501") {
    const hint = `Let the table's or the schema's owner run: ${definition(relation).replace("TABLE", "TABLE IF NOT EXISTS")}; GRANT SELECT, INSERT, DELETE ON ${relation} TO ${user}; the schema needs GRANT USAGE as well.`;
    return new HoldfastError("database-unreachable", message, { hints: [hint, without], cause: error });
  }
  const wrongTable = error.sqlState.startsWith("42") || error.sqlState.startsWith("23") || error.sqlState === "3F000";
  return new HoldfastError(wrongTable ? "configuration" : "dump-failed", message, { hints: [`The table must be as this makes it: ${definition(relation)}`, without], cause: error });
}

/** How many rows of the copy hold the canary that was written with the backup; undefined if the copy lacks its table. */
export async function findCanary(session: Session, { schema, table, sha256 }: NonNullable<Truth["canary"]>): Promise<number | undefined> {
  const relation = `${identifier(schema)}.${identifier(table)}`;
  const { there } = await session.row<{ there: boolean }>(`SELECT to_regclass(${literal(relation)}) IS NOT NULL AS there`);
  if (!there) return undefined;
  const { found } = await session.row<{ found: number }>(`SELECT count(*) AS found FROM ${relation} WHERE encode(sha256(convert_to(token, 'UTF8')), 'hex') = ${literal(sha256)}`);
  return found;
}
