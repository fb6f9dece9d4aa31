/**
 * Which entries of an archive make one table whole: its rows, keys, indexes, sequences, triggers, policies and grants,
 * and what these need (types, functions, schemas). `pg_restore --table` leaves the keys and indexes out.
 */
import { HoldfastError } from "../errors.ts";
import { type CommandLine, startTool } from "../process/run.ts";
import type { TableName } from "./truth/tables.ts";

/** An entry of an archive's table of contents. */
export interface ArchiveEntry {
  readonly id: number;
  /** The line as `pg_restore --list` prints it and `--use-list` takes it. */
  readonly line: string;
  /** `TABLE`, `TABLE DATA`, `FK CONSTRAINT`… */
  readonly kind: string;
  readonly needs: readonly number[];
}

/** An archive's table of contents, from its beginning; the rest of the archive is not fetched. */
export interface ArchiveList {
  readonly entries: readonly ArchiveEntry[];
  /** What was read of the archive: enough for whatever needs no rows. */
  readonly head: readonly Uint8Array[];
  /** The ids of the entries that define and fill this very table. A printed line does not tell: names may hold spaces. */
  idsOf(table: TableName): Promise<ReadonlySet<number>>;
}

export async function listArchive(pgRestore: CommandLine, archive: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<ArchiveList> {
  const head: Uint8Array[] = [];
  const text = await list(pgRestore, ["--verbose"], archive, signal, head);
  return {
    entries: parseList(text),
    head,
    idsOf: async ({ schema, name }) => new Set(parseList(await list(pgRestore, [`--schema=${schema}`, `--table=${name}`], head, signal)).map(({ id }) => id)),
  };
}

async function list(pgRestore: CommandLine, args: string[], archive: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, signal?: AbortSignal, read?: Uint8Array[]): Promise<string> {
  const tool = startTool(pgRestore, ["--format=custom", "--list", ...args], signal ? { signal } : {});
  tool.stdin.on("error", () => undefined);
  let text = "";
  const reading = (async () => {
    for await (const chunk of tool.stdout.setEncoding("utf8")) text += chunk as string;
  })();
  for await (const chunk of archive) {
    if (!tool.stdin.writable) break;
    read?.push(chunk);
    if (!tool.stdin.write(chunk)) await Promise.race([new Promise((resolve) => tool.stdin.once("drain", resolve)), tool.done.catch(() => undefined)]);
  }
  tool.stdin.end();
  await Promise.all([reading, tool.done]);
  return text;
}

const kinds = /^(TABLE DATA|TABLE ATTACH|TABLE|SEQUENCE SET|SEQUENCE OWNED BY|SEQUENCE|FK CONSTRAINT|CHECK CONSTRAINT|CONSTRAINT|INDEX ATTACH|INDEX|MATERIALIZED VIEW DATA|MATERIALIZED VIEW|FOREIGN TABLE|DEFAULT ACL|DEFAULT|EVENT TRIGGER|TRIGGER|POLICY|ROW SECURITY|RULE|STATISTICS|SECURITY LABEL|COMMENT|ACL|VIEW|[A-Z]+) /;

export function parseList(text: string): ArchiveEntry[] {
  const entries: { id: number; line: string; kind: string; needs: number[] }[] = [];
  for (const line of text.split("\n")) {
    const depends = /^;\s+depends on: (.*)$/.exec(line);
    if (depends) {
      entries.at(-1)?.needs.push(...(depends[1] ?? "").split(" ").map(Number));
      continue;
    }
    const entry = /^(\d+); \d+ \d+ (.*)$/.exec(line);
    const [, kind] = kinds.exec(entry?.[2] ?? "") ?? [];
    if (entry && kind !== undefined) entries.push({ id: Number(entry[1]), line, kind, needs: [] });
  }
  return entries;
}

/** Entries that go with a table that is chosen. */
const belonging = new Set(["TABLE DATA", "MATERIALIZED VIEW DATA", "SEQUENCE", "SEQUENCE SET", "SEQUENCE OWNED BY", "DEFAULT", "CONSTRAINT", "CHECK CONSTRAINT", "FK CONSTRAINT", "INDEX", "INDEX ATTACH", "TABLE ATTACH", "TRIGGER", "POLICY", "ROW SECURITY", "RULE", "STATISTICS"]);
/** Entries that go with whatever they are about. */
const about = new Set(["COMMENT", "ACL", "SECURITY LABEL"]);
const relations = new Set(["TABLE", "MATERIALIZED VIEW", "FOREIGN TABLE"]);

/** `schema.table`, or `table` in the schema public; with double quotes where a name holds a dot or a quote. */
export function namesTable({ schema, name }: TableName, text: string): boolean {
  const written = (part: string): string[] => [part, `"${part.replaceAll('"', '""')}"`];
  if (schema === "public" && written(name).includes(text)) return true;
  // Of a list on the command line the outermost quotes of each element may have been taken off.
  const stripped = `"${text}"`;
  return written(schema).some((before) => written(name).some((after) => [text, stripped].includes(`${before}.${after}`)));
}

/**
 * The tables that `names` ask for.
 * @throws HoldfastError `not-found` naming one that the backup does not have, `usage` if a name may mean two
 */
export function findTables<T extends TableName>(tables: readonly T[], names: readonly string[]): T[] {
  const found = names.map((text) => {
    const [table, other] = tables.filter((candidate) => namesTable(candidate, text));
    if (table === undefined) throw new HoldfastError("not-found", `the backup has no table ${text}`, { hints: ["Tables are named as schema.table, in the letters of the database; without a schema, public is meant."] });
    if (other !== undefined) throw new HoldfastError("usage", `${text} may be the table "${table.schema}"."${table.name}" or "${other.schema}"."${other.name}"`, { hints: ['Put the names in double quotes: "schema"."table".'] });
    return table;
  });
  return [...new Set(found)];
}

export interface ChosenEntries {
  /** What to restore, in the archive's order. */
  readonly entries: ArchiveEntry[];
  /** The ids of the tables that come whole: those asked for, with their partitions and inheriting tables. */
  readonly tables: ReadonlySet<number>;
}

/**
 * Chooses the entries that restore tables whole, `asked` being their definitions; a foreign key comes along only if both
 * its tables do. Partitions and inheriting tables come with their parent, whose rows they hold.
 * @throws HoldfastError `refused` for a materialized view without the tables that it is computed from
 */
export function entriesOfTables(entries: readonly ArchiveEntry[], asked: ReadonlySet<number>): ChosenEntries {
  const byId = new Map(entries.map((entry) => [entry.id, entry]));
  const isRelation = (id: number): boolean => relations.has(byId.get(id)?.kind ?? "");
  const tables = new Set([...asked].filter(isRelation));
  for (let before = -1; before !== tables.size; ) {
    before = tables.size;
    for (const { id, kind, needs } of entries) {
      if (kind === "TABLE" && needs.some((need) => tables.has(need))) tables.add(id);
      if (kind === "TABLE ATTACH") {
        const [child, parent] = needs.filter(isRelation);
        if (child !== undefined && parent !== undefined && tables.has(parent)) tables.add(child);
      }
    }
  }
  for (const id of tables) if (byId.get(id)?.kind === "MATERIALIZED VIEW") requireSources(byId, id, tables);
  const chosen = new Set(tables);
  for (let before = -1; before !== chosen.size; ) {
    before = chosen.size;
    for (const entry of entries) {
      if (chosen.has(entry.id)) for (const need of entry.needs) if (byId.has(need)) chosen.add(need);
      if (about.has(entry.kind) && entry.needs.some((need) => chosen.has(need)) && entry.needs.every((need) => chosen.has(need) || !byId.has(need))) chosen.add(entry.id);
      const needsTables = entry.needs.filter(isRelation);
      if (belonging.has(entry.kind) && entry.needs.some((need) => isOwned(byId.get(need), chosen)) && needsTables.every((need) => tables.has(need))) chosen.add(entry.id);
    }
  }
  return { entries: entries.filter((entry) => chosen.has(entry.id)), tables };
}

const shown = ({ line }: ArchiveEntry): string => line.replace(/^\d+; \d+ \d+ /, "");

/** The names of some entries that define tables, out of those of the whole database. */
export async function tablesOfEntries<T extends TableName>(list: ArchiveList, ids: ReadonlySet<number>, tables: readonly T[]): Promise<T[]> {
  const printed = (name: string): string => name.replaceAll(/[\r\n]/g, " ");
  const found: T[] = [];
  for (const entry of list.entries.filter(({ id }) => ids.has(id))) {
    const candidates = tables.filter(({ schema, name }) => shown(entry).includes(` ${printed(schema)} ${printed(name)} `));
    const matches = await Promise.all(candidates.map(async (table) => candidates.length === 1 || (await list.idsOf(table)).has(entry.id)));
    found.push(...candidates.filter((_, at) => matches[at]));
  }
  return found;
}

/**
 * A parallel restore in passes. When two connections attach the last parts of a partitioned index at once, neither sees
 * the other's, and the whole stays invalid for ever: these are attached by one connection, between all others. Event
 * triggers come last, or they would fire for the passes behind them.
 */
export function passesOf(entries: readonly ArchiveEntry[], jobs: number): { readonly entries: ArchiveEntry[]; readonly jobs: number }[] {
  const isAttach = ({ kind }: ArchiveEntry): boolean => kind === "INDEX ATTACH";
  const late = new Set(entries.filter((entry) => isAttach(entry) || entry.kind === "EVENT TRIGGER").map(({ id }) => id));
  for (let before = -1; before !== late.size; ) {
    before = late.size;
    for (const { id, needs } of entries) if (needs.some((need) => late.has(need))) late.add(id);
  }
  return [
    { entries: entries.filter(({ id }) => !late.has(id)), jobs },
    { entries: entries.filter(isAttach), jobs: 1 },
    { entries: entries.filter((entry) => late.has(entry.id) && !isAttach(entry)), jobs },
  ].filter((pass) => pass.entries.length > 0);
}

/** Whether a chosen entry brings what depends on it along: a table does, a function or type that it merely uses does not. */
function isOwned(entry: ArchiveEntry | undefined, chosen: ReadonlySet<number>): boolean {
  return entry !== undefined && chosen.has(entry.id) && (relations.has(entry.kind) || belonging.has(entry.kind));
}

/** A materialized view is computed anew from its tables: without their rows it would come back empty, and pass for whole. */
function requireSources(byId: ReadonlyMap<number, ArchiveEntry>, view: number, tables: ReadonlySet<number>): void {
  const seen = new Set<number>();
  const visit = (id: number): void => {
    for (const need of byId.get(id)?.needs ?? []) {
      const entry = byId.get(need);
      if (entry === undefined || seen.has(need)) continue;
      seen.add(need);
      if (relations.has(entry.kind) && !tables.has(need)) {
        throw new HoldfastError("refused", `a materialized view is computed from one that was not asked for: ${shown(entry)}`, { hints: ["Name these tables in --tables too."] });
      }
      if (entry.kind === "VIEW" || relations.has(entry.kind)) visit(need);
    }
  };
  visit(view);
}
