/**
 * What is unsound in a restored database by itself, without knowing its source. The comparison of the catalogs sees what
 * differs from the source; this sees what no restore should leave behind, and what a reader ought to know.
 */
import type { Session } from "./session.ts";

export interface Health {
  readonly indexes: number;
  readonly constraints: number;
  /**
   * `schema.index on schema.table`. pg_dump carries no invalid index (an incomplete one of a partitioned table apart,
   * which is `incomplete`), so one in a copy has come about in the restore.
   */
  readonly invalidIndexes: readonly string[];
  /** Foreign keys whose triggers are switched off: a restore that was cut short leaves them so, and no dump carries it. */
  readonly unenforcedKeys: readonly string[];
  /** The following are definitions: in a copy whose schema equals the truth, they are as the source has them. */
  readonly incompleteIndexes: readonly string[];
  readonly unvalidatedConstraints: readonly string[];
  readonly notEnforcedConstraints: readonly string[];
  readonly disabledTriggers: readonly string[];
  readonly withoutPrimaryKey: readonly string[];
}

const ofUsers = "n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_toast%' AND n.nspname NOT LIKE 'pg\\_temp%'";
const notOfExtension = "NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')";

/** Reads it in one or more statements of the caller's transaction, if there is one. */
export async function readHealth(session: Session): Promise<Health> {
  const { version } = await session.row<{ version: number }>("SELECT current_setting('server_version_num')::int AS version");
  const names = async (sql: string): Promise<string[]> => (await session.rows<{ name: string }>(sql)).map(({ name }) => name).sort();
  const indexes = (condition: string): Promise<string[]> =>
    names(`SELECT format('%s on %s', x.indexrelid::regclass, x.indrelid::regclass) AS name
      FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class c ON c.oid = x.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname NOT LIKE 'pg\\_temp%' AND NOT (x.indisvalid AND x.indisready AND x.indislive) AND ${condition}`);
  const constraints = (condition: string): Promise<string[]> =>
    names(`SELECT format('%I on %s', k.conname, CASE WHEN k.conrelid <> 0 THEN k.conrelid::regclass::text ELSE k.contypid::regtype::text END) AS name
      FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace WHERE ${ofUsers} AND ${condition}`);
  const triggers = (condition: string): Promise<string[]> =>
    names(`SELECT DISTINCT format('%I on %s', coalesce(k.conname, t.tgname), coalesce(k.conrelid, t.tgrelid)::regclass) AS name
      FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN pg_constraint k ON k.oid = t.tgconstraint AND k.contype = 'f'
      WHERE ${ofUsers} AND ${condition}`);
  const counts = await session.row<{ indexes: number; constraints: number }>(`
    SELECT (SELECT count(*) FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ${ofUsers}) AS indexes,
           (SELECT count(*) FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace WHERE ${ofUsers}) AS constraints`);
  return {
    ...counts,
    invalidIndexes: await indexes("i.relkind = 'i'"),
    incompleteIndexes: await indexes("i.relkind = 'I'"),
    unenforcedKeys: await triggers("k.oid IS NOT NULL AND t.tgisinternal AND t.tgenabled <> 'O'"),
    unvalidatedConstraints: await constraints(version >= 180_000 ? "NOT k.convalidated AND k.conenforced" : "NOT k.convalidated"),
    notEnforcedConstraints: version >= 180_000 ? await constraints("NOT k.conenforced") : [],
    disabledTriggers: await triggers("NOT t.tgisinternal AND t.tgenabled = 'D'"),
    withoutPrimaryKey: await names(`SELECT c.oid::regclass::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND ${ofUsers} AND ${notOfExtension} AND NOT EXISTS (SELECT FROM pg_index x WHERE x.indrelid = c.oid AND x.indisprimary)`),
  };
}
