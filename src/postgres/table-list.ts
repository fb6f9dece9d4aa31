/**
 * Which entries of an archive make one table whole: its rows, keys, indexes, sequences, triggers, policies and grants,
 * and what these need (types, functions, schemas). `pg_restore --table` leaves the keys and indexes out.
 */
import { HoldfastError } from "../errors.ts";
import { type CommandLine, startTool } from "../process/run.ts";

/** An entry of an archive's table of contents. */
export interface ArchiveEntry {
  readonly id: number;
  /** The line as `pg_restore --list` prints it and `--use-list` takes it. */
  readonly line: string;
  /** `TABLE`, `TABLE DATA`, `FK CONSTRAINT`… */
  readonly kind: string;
  /** Schema, name and owner, as one text: names may hold spaces. */
  readonly rest: string;
  readonly needs: readonly number[];
}

/** Reads the table of contents from the beginning of an archive; the rest of it is not fetched. */
export async function listArchive(pgRestore: CommandLine, archive: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<ArchiveEntry[]> {
  const tool = startTool(pgRestore, ["--format=custom", "--list", "--verbose"], signal ? { signal } : {});
  tool.stdin.on("error", () => undefined);
  let text = "";
  const read = (async () => {
    for await (const chunk of tool.stdout.setEncoding("utf8")) text += chunk as string;
  })();
  for await (const chunk of archive) {
    if (!tool.stdin.writable) break;
    if (!tool.stdin.write(chunk)) await Promise.race([new Promise((resolve) => tool.stdin.once("drain", resolve)), tool.done.catch(() => undefined)]);
  }
  tool.stdin.end();
  await Promise.all([read, tool.done]);
  return parseList(text);
}

const kinds = /^(TABLE DATA|TABLE ATTACH|TABLE|SEQUENCE SET|SEQUENCE OWNED BY|SEQUENCE|FK CONSTRAINT|CHECK CONSTRAINT|CONSTRAINT|INDEX ATTACH|INDEX|MATERIALIZED VIEW DATA|MATERIALIZED VIEW|FOREIGN TABLE|DEFAULT ACL|DEFAULT|EVENT TRIGGER|TRIGGER|POLICY|ROW SECURITY|RULE|STATISTICS|COMMENT|ACL|VIEW|[A-Z]+(?: [A-Z]+)*?) (.*)$/;

export function parseList(text: string): ArchiveEntry[] {
  const entries: { id: number; line: string; kind: string; rest: string; needs: number[] }[] = [];
  for (const line of text.split("\n")) {
    const depends = /^;\s+depends on: (.*)$/.exec(line);
    if (depends) {
      entries.at(-1)?.needs.push(...(depends[1] ?? "").split(" ").map(Number));
      continue;
    }
    const entry = /^(\d+); \d+ \d+ (.*)$/.exec(line);
    const [, kind, rest] = kinds.exec(entry?.[2] ?? "") ?? [];
    if (entry && kind !== undefined && rest !== undefined) entries.push({ id: Number(entry[1]), line, kind, rest, needs: [] });
  }
  return entries;
}

/** Entries that go with a table that is chosen. */
const belonging = new Set(["TABLE DATA", "MATERIALIZED VIEW DATA", "SEQUENCE", "SEQUENCE SET", "SEQUENCE OWNED BY", "DEFAULT", "CONSTRAINT", "CHECK CONSTRAINT", "FK CONSTRAINT", "INDEX", "INDEX ATTACH", "TABLE ATTACH", "TRIGGER", "POLICY", "ROW SECURITY", "RULE", "STATISTICS", "COMMENT", "ACL"]);
const relations = new Set(["TABLE", "MATERIALIZED VIEW", "FOREIGN TABLE"]);

/**
 * Chooses the entries that restore some tables whole; a foreign key comes along only if both its tables do.
 * @param names - `schema.table`, or `table` for the schema public
 * @throws HoldfastError `not-found` naming a table that the archive does not have
 */
export function entriesOfTables(entries: readonly ArchiveEntry[], names: readonly string[]): ArchiveEntry[] {
  const byId = new Map(entries.map((entry) => [entry.id, entry]));
  const tables = new Set(names.map((name) => findTable(entries, name).id));
  for (const { kind, needs } of entries) {
    const [child, parent] = needs;
    if (kind === "TABLE ATTACH" && child !== undefined && parent !== undefined && tables.has(parent)) tables.add(child);
  }
  const chosen = new Set(tables);
  for (let before = -1; before !== chosen.size; ) {
    before = chosen.size;
    for (const entry of entries) {
      if (chosen.has(entry.id)) for (const need of entry.needs) if (byId.has(need)) chosen.add(need);
      const needsTables = entry.needs.filter((need) => relations.has(byId.get(need)?.kind ?? ""));
      if (belonging.has(entry.kind) && entry.needs.some((need) => isOwned(byId.get(need), chosen)) && needsTables.every((need) => tables.has(need))) chosen.add(entry.id);
    }
  }
  return entries.filter((entry) => chosen.has(entry.id));
}

/** Whether a chosen entry brings what depends on it along: a table does, a function or type that it merely uses does not. */
function isOwned(entry: ArchiveEntry | undefined, chosen: ReadonlySet<number>): boolean {
  return entry !== undefined && chosen.has(entry.id) && (relations.has(entry.kind) || belonging.has(entry.kind));
}

function findTable(entries: readonly ArchiveEntry[], name: string): ArchiveEntry {
  const dot = name.indexOf(".");
  const [schema, table] = dot < 0 ? ["public", name] : [name.slice(0, dot), name.slice(dot + 1)];
  const found = entries.find((entry) => relations.has(entry.kind) && entry.rest.startsWith(`${schema} ${table} `));
  if (found) return found;
  throw new HoldfastError("not-found", `the backup has no table ${schema}.${table}`, { hints: ["`holdfast backup show ID --tables` lists the tables."] });
}
