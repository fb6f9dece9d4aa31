/** PostgreSQL's own look into the files of a copy: whether B-trees are in order and lead to every row, and heaps are sound. */
import { randomBytes } from "node:crypto";

import { identifier, literal, type Session, SqlError } from "./session.ts";

export interface Coverage {
  readonly checked: number;
  readonly total: number;
  readonly checkedBytes: number;
  readonly totalBytes: number;
}

export interface Inspection {
  readonly version: string;
  readonly indexes: Coverage;
  /** Undefined where this amcheck cannot look into heaps (before PostgreSQL 14). */
  readonly heaps: Coverage | undefined;
  /** `schema.relation`, with the SQLSTATE or the number of damaged places. */
  readonly damaged: readonly { readonly relation: string; readonly how: string }[];
  /** What could not be looked at, by the SQLSTATE of the reason; those that the time did not suffice for are in none. */
  readonly refused: readonly { readonly relation: string; readonly sqlState: string }[];
  readonly seconds: number;
}

export type Amcheck = { readonly unavailable: string } | Inspection;

export interface AmcheckOptions {
  /** Milliseconds for all of it. */
  readonly budgetMs: number;
  /** Where functions of indexes look for names, as SET takes it. */
  readonly searchPath?: string | undefined;
}

interface Relation {
  readonly oid: number;
  readonly name: string;
  readonly bytes: number;
}

/**
 * Checks every B-tree and heap of users, the smallest first, for as long as the budget lasts. Makes the extension in a schema
 * of its own and removes it again: call it on a scratch, after whatever compares the schema, in no transaction.
 */
export async function runAmcheck(session: Session, { budgetMs, searchPath = "" }: AmcheckOptions): Promise<Amcheck> {
  const [extension] = await session.rows<{ version: string; schema: string | null }>(`
    SELECT coalesce(a.installed_version, a.default_version) AS version, n.nspname AS schema
      FROM pg_available_extensions a LEFT JOIN pg_extension e ON e.extname = a.name LEFT JOIN pg_namespace n ON n.oid = e.extnamespace WHERE a.name = 'amcheck'`);
  if (extension === undefined) return { unavailable: "the scratch's server does not offer the extension amcheck" };
  const schema = extension.schema ?? `holdfast_amcheck_${randomBytes(4).toString("hex")}`;
  const own = extension.schema === null;
  try {
    if (own) {
      await session.execute(`CREATE SCHEMA ${identifier(schema)}`);
      await session.execute(`CREATE EXTENSION amcheck SCHEMA ${identifier(schema)}`);
    }
    return await inspect(session, schema, extension.version, budgetMs, searchPath);
  } catch (error) {
    if (error instanceof SqlError && error.sqlState === "42501") return { unavailable: "the scratch's role may not make or use the extension amcheck" };
    throw error;
  } finally {
    await session.execute("SET statement_timeout = 0").catch(() => undefined);
    await session.execute("SET search_path = ''").catch(() => undefined);
    if (own) await session.execute(`DROP SCHEMA IF EXISTS ${identifier(schema)} CASCADE`).catch(() => undefined);
  }
}

async function inspect(session: Session, schema: string, version: string, budgetMs: number, searchPath: string): Promise<Inspection> {
  const started = performance.now();
  const { heapam } = await session.row<{ heapam: boolean }>(`SELECT EXISTS (SELECT FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = ${literal(schema)} AND p.proname = 'verify_heapam') AS heapam`);
  const indexes = await relations(session, "c.relkind = 'i' AND c.relam = (SELECT oid FROM pg_am WHERE amname = 'btree') AND EXISTS (SELECT FROM pg_index x WHERE x.indexrelid = c.oid AND x.indisvalid AND x.indisready)");
  const heaps = heapam ? await relations(session, "c.relkind IN ('r', 'm') AND c.relam = (SELECT oid FROM pg_am WHERE amname = 'heap')") : undefined;
  // The server's own schema first, so that nothing in the application's stands in for it in our statements.
  await session.rows(`SELECT set_config('search_path', ${literal(`pg_catalog, ${searchPath}`.replace(/, $/, ""))}, false)`);

  const damaged: { relation: string; how: string }[] = [];
  const refused: { relation: string; sqlState: string }[] = [];
  const each = async (list: readonly Relation[], look: (relation: Relation) => Promise<string | undefined>): Promise<Coverage> => {
    const done: Relation[] = [];
    for (const relation of list) {
      const left = Math.floor(budgetMs - (performance.now() - started));
      if (left <= 0) break;
      const how = await within(session, left, () => look(relation));
      if (how === "57014") continue;
      if (how !== undefined && isRefusal(how)) refused.push({ relation: relation.name, sqlState: how });
      else done.push(relation);
      if (how !== undefined && !isRefusal(how)) damaged.push({ relation: relation.name, how });
    }
    return { checked: done.length, total: list.length, checkedBytes: bytesOf(done), totalBytes: bytesOf(list) };
  };
  const heapsSeen = heaps && (await each(heaps, async ({ oid }) => {
    const { places } = await session.row<{ places: number }>(`SELECT count(*) AS places FROM ${identifier(schema)}.verify_heapam(${oid}::pg_catalog.oid::pg_catalog.regclass, on_error_stop => true, check_toast => true)`);
    return places === 0 ? undefined : `${places} damaged places on one page`;
  }));
  const indexesSeen = await each(indexes, async ({ oid }) => {
    await session.rows(`SELECT ${identifier(schema)}.bt_index_check(${oid}::pg_catalog.oid::pg_catalog.regclass, true)::pg_catalog.text AS checked`);
    return undefined;
  });
  return { version, indexes: indexesSeen, heaps: heapsSeen, damaged, refused, seconds: (performance.now() - started) / 1000 };
}

const bytesOf = (list: readonly Relation[]): number => list.reduce((sum, { bytes }) => sum + bytes, 0);

/** Damaged data and indexes, failing reads and internal errors tell of damage; anything else, of why nothing was seen. */
function isRefusal(how: string): boolean {
  return /^[0-9A-Z]{5}$/.test(how) && !/^(?:XX|58)/.test(how);
}

/** The SQLSTATE that the look ended with, what it found, or undefined if all is sound. */
async function within(session: Session, timeoutMs: number, look: () => Promise<string | undefined>): Promise<string | undefined> {
  await session.execute(`SET statement_timeout = ${timeoutMs}`);
  try {
    return await look();
  } catch (error) {
    if (error instanceof SqlError) return error.sqlState;
    throw error;
  }
}

/** What initdb makes, catalogs and their TOAST tables, has lower ones. */
const firstUserOid = 16_384;

function relations(session: Session, condition: string): Promise<Relation[]> {
  return session.rows<Relation>(`
    SELECT c.oid::int8 AS oid, c.oid::regclass::text AS name, pg_relation_size(c.oid) AS bytes
      FROM pg_class c
     WHERE ${condition} AND c.relpersistence <> 't' AND c.oid >= ${firstUserOid} ORDER BY pg_relation_size(c.oid), c.oid`);
}
