/**
 * A database as PostgreSQL's own programs and plain SQL show it. Nothing here comes from Holdfast's comparison, so that
 * two databases which look alike here are alike whatever that comparison says.
 */
import { join } from "node:path";
import { inject } from "vitest";

import { identifier } from "../../src/postgres/session.ts";
import { runTool } from "../../src/process/run.ts";
import { targetOf, withSession } from "./postgres.ts";

/** What pg_dump writes, by the title it gives each object ("Name: people; Type: TABLE; …"). */
export type DumpText = ReadonlyMap<string, string>;

export interface Contents {
  /** By name: how many rows, and the MD5 of their sorted texts. */
  readonly tables: Readonly<Record<string, string>>;
  readonly sequences: Readonly<Record<string, string>>;
  /** By OID: owner, grants, and the MD5 of the bytes. */
  readonly largeObjects: Readonly<Record<string, string>>;
}

async function pgTool(name: string, database: string, args: readonly string[]): Promise<string> {
  const { stdout } = await runTool([join(inject("postgres").binaries, name)], [...args], { env: targetOf(database).env });
  // Random in every run of the newer minor releases.
  return stdout.replace(/^\\(?:un)?restrict .*$/gm, "");
}

/** All that pg_dump says of a database, its settings and grants included, with NAME for the database's name. */
export async function dumpText(database: string, ...args: string[]): Promise<DumpText> {
  const text = await pgTool("pg_dump", database, ["--create", ...args]);
  const anonymous = text.replaceAll(/(?<=\b(?:DATABASE|connect|Name:) )"?(\w+)"?/g, (found, name) => (name === database ? "NAME" : found));
  const entries = new Map<string, string>();
  for (const entry of anonymous.split(/^--\n-- (?=(?:Data for )?Name: )/m)) {
    const [title = "", ...lines] = entry.split("\n");
    const body = lines.join("\n").replace(/\n--\n-- PostgreSQL database dump complete\n--\n+$/, "");
    entries.set(title, (entries.get(title) ?? "") + body);
  }
  return entries;
}

/** The titles whose texts differ, or that only one of the two has. */
export function differingTitles(a: DumpText, b: DumpText): string[] {
  return [...new Set([...a.keys(), ...b.keys()])].filter((title) => a.get(title) !== b.get(title));
}

/** Roles, memberships, tablespaces. */
export function globalsText(): Promise<string> {
  return pgTool("pg_dumpall", "postgres", ["--globals-only"]);
}

interface Listed {
  readonly schema: string;
  readonly name: string;
  readonly columns: readonly string[];
}

/** Every row of every table (partitions, inheriting tables and materialized views each for itself), sequence and large object. */
export async function contentsOf(database: string): Promise<Contents> {
  return withSession(database, async (session) => {
    const listed = await session.rows<Listed>(`
      SELECT n.nspname AS schema, c.relname AS name,
        ARRAY(SELECT a.attname FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attname) AS columns
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind IN ('r', 'p', 'm') AND c.relispopulated AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema')`);
    const tables: Record<string, string> = {};
    for (const { schema, name, columns } of listed) {
      const row = `ROW(${columns.map((column) => `t.${identifier(column)}`).join(", ")})::text COLLATE "C"`;
      const { rows, digest } = await session.row<{ rows: number; digest: string }>(`
        SELECT count(*) AS rows, md5(coalesce(string_agg(r, chr(10) ORDER BY r), '')) AS digest
        FROM (SELECT ${row} AS r FROM ONLY ${identifier(schema)}.${identifier(name)} AS t OFFSET 0) q`);
      tables[`${schema}.${name}`] = `${rows} rows, ${digest}`;
    }
    const sequences: Record<string, string> = {};
    for (const { schema, name } of await session.rows<Listed>(`
      SELECT n.nspname AS schema, c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'S' AND c.relpersistence <> 't'`)) {
      const { state } = await session.row<{ state: string }>(`SELECT concat(last_value, ' ', is_called) AS state FROM ${identifier(schema)}.${identifier(name)}`);
      sequences[`${schema}.${name}`] = state;
    }
    const large = await session.rows<{ oid: string; text: string }>(`
      SELECT m.oid::text, concat(pg_get_userbyid(m.lomowner), ' ', m.lomacl, ' ', length(lo_get(m.oid)), ' bytes, ', md5(lo_get(m.oid))) AS text
      FROM pg_largeobject_metadata m`);
    return { tables, sequences, largeObjects: Object.fromEntries(large.map(({ oid, text }) => [oid, text])) };
  });
}
