/**
 * Sequences stand outside every snapshot: pg_dump writes what they hold at the moment it asks. So the backup reads them
 * before and after the dump, and the copy has to lie between (compare-sequences.ts).
 */
import { identifier, type Session } from "../session.ts";
import { notOfExtension, userSchema } from "./catalog/query.ts";
import { releasingLocks } from "./locks.ts";
import { byName } from "./tables.ts";
import type { SequenceTruth } from "./truth.ts";

interface ListedSequence {
  readonly schema: string;
  readonly name: string;
  readonly increment: string;
  readonly readable: boolean;
}

const listSql = `
  SELECT n.nspname AS schema, c.relname AS name, s.seqincrement::text AS increment, NOT (c.relpersistence = 'u' AND pg_is_in_recovery()) AS readable
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_sequence s ON s.seqrelid = c.oid
  WHERE c.relpersistence <> 't' AND ${userSchema("n")}
    AND (${notOfExtension("pg_class", "c.oid")} OR EXISTS (SELECT FROM pg_extension e WHERE c.oid = ANY (e.extconfig)))`;

const batchSequences = 200;

export async function readSequences(session: Session): Promise<SequenceTruth[]> {
  const listed = (await session.rows<ListedSequence>(listSql)).toSorted(byName);
  const found: SequenceTruth[] = [];
  for (let start = 0; start < listed.length; start += batchSequences) {
    const batch = listed.slice(start, start + batchSequences);
    const queries = batch.map(({ schema, name, readable }, at) =>
      readable
        ? `SELECT ${at} AS at, s.last_value::text AS "lastValue", s.is_called AS "isCalled" FROM ${identifier(schema)}.${identifier(name)} s`
        : `SELECT ${at}, NULL::text, false`,
    );
    const answers = await releasingLocks(session, () =>
      session.rows<{ at: number; lastValue: string | null; isCalled: boolean }>(queries.join("\nUNION ALL\n")),
    );
    for (const { at, lastValue, isCalled } of answers.toSorted((a, b) => a.at - b.at)) {
      const sequence = batch[at];
      if (sequence !== undefined) found.push({ schema: sequence.schema, name: sequence.name, lastValue, isCalled, increment: sequence.increment });
    }
  }
  return found;
}
