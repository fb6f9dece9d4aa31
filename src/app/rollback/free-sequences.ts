/** Numbers that come from a sequence of no table, as of invoices: after a restore they are handed out a second time. */
import type { Manifest } from "../../catalog/manifest.ts";
import type { Server } from "../../postgres/server.ts";
import { openSession, SqlError } from "../../postgres/session.ts";
import { sequenceText } from "../../postgres/truth/compare-sequences.ts";
import { readSequences } from "../../postgres/truth/sequences.ts";
import type { PreflightFinding } from "../../rollback/finding.ts";

interface Named {
  readonly schema: string;
  readonly name: string;
}

const ownedSql = `
  SELECT n.nspname AS schema, c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind = 'S' AND EXISTS (
    SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i'))`;

const nameOf = ({ schema, name }: Named): string => `${schema}.${name}`;

/** For a rollback that puts a backup in the place of the database. What a sequence of a table has given out went with the table's rows. */
export async function freeSequencesFinding(server: Server, { truth }: Pick<Manifest, "truth">, signal: AbortSignal): Promise<PreflightFinding> {
  const base = { id: "sequences", title: "no number is handed out twice" };
  const then = new Map(truth.sequences.map((sequence) => [nameOf(sequence), sequence]));
  const session = await openSession(server.target(), { signal });
  try {
    const owned = new Set((await session.rows<Named>(ownedSql)).map(nameOf));
    const moved = (await readSequences(session)).filter((sequence) => !owned.has(nameOf(sequence))).flatMap((sequence) => {
      const before = then.get(nameOf(sequence));
      return before === undefined || sequenceText(before) === sequenceText(sequence) ? [] : [`${nameOf(sequence)} goes back from ${sequenceText(sequence)} to ${sequenceText(before)}`];
    });
    if (moved.length === 0) return { ...base, outcome: "ok", detail: "no sequence that belongs to no table has moved since the snapshot" };
    return { ...base, outcome: "warn", detail: moved.join("; "), hint: "What has gone out under these numbers, an invoice perhaps, would get a namesake: after the rollback set them forward with setval()." };
  } catch (error) {
    if (!(error instanceof SqlError)) throw error;
    return { ...base, outcome: "warn", detail: `the sequences could not be read: ${error.message}`, hint: "Grant SELECT on all sequences to the role of the database's URL, or compare them by hand." };
  } finally {
    await session.close();
  }
}
