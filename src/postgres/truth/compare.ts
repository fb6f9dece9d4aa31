/** Compares a restored copy with the truth. Pure: reads nothing, decides nothing but equal or not, and how much it matters. */
import { compareSchema } from "./compare-catalog.ts";
import { mayHaveBeen, sequenceText } from "./compare-sequences.ts";
import { absent, type Difference, type DifferenceKind, majorOf, pairs } from "./difference.ts";
import { behaviourSettings } from "./server.ts";
import type { TableName } from "./tables.ts";
import type { LedgerTruth, SequenceTruth, TableTruth, Truth } from "./truth.ts";

/** The truth of the source, with its sequences as they stood after the dump. */
export interface Expected extends Truth {
  /** Absent: the copy's sequences must equal `sequences` exactly. */
  readonly sequencesAfter?: readonly SequenceTruth[];
}

export interface CompareOptions {
  /** What was restored. `schema`: no rows are expected. `data`: into tables that were there, so the schema is not compared. */
  readonly scope?: "all" | "schema" | "data";
  /** Only some tables were restored: those alone are compared, by rows and digests. */
  readonly tables?: (table: TableName) => boolean;
  /** Kinds of catalog entries that the restore left out: `owner`, `acl`… */
  readonly leaveOut?: readonly string[];
  /** Database settings and grants were brought over and count. */
  readonly databaseLevel?: boolean;
  /** Kinds of difference that the operator chose to have, which are then notes: `locale` on a machine without the source's. */
  readonly noteOnly?: readonly DifferenceKind[];
}

/** An empty list means equal in everything that both sides know. Digests that one side lacks are not compared. */
export function compareTruth(expected: Expected, found: Truth, options: CompareOptions = {}): Difference[] {
  const scope = options.scope ?? "all";
  const selected = options.tables !== undefined;
  const otherMajor = majorOf(expected.server.versionNum) !== majorOf(found.server.versionNum);
  const withData = scope !== "schema";
  const differences = [
    ...(withData || selected ? compareTables(expected.tables, found.tables, options) : []),
    ...(withData && !selected
      ? [...compareSequences(expected, found), ...compareLargeObjects(expected, found), ...compareLedgers(expected.migrations, found.migrations)]
      : []),
    ...(scope !== "data" && !selected
      ? [...compareExtensions(expected, found), ...compareSchema(expected.schema, found.schema, { ...options, otherMajor })]
      : []),
    ...compareSurroundings(expected, found),
  ];
  return differences.map((difference) => (options.noteOnly?.includes(difference.what) === true ? { ...difference, severity: "note" } : difference));
}

const nameOf = ({ schema, name }: TableName): string => `${schema}.${name}`;

function compareTables(expected: readonly TableTruth[], found: readonly TableTruth[], options: CompareOptions): Difference[] {
  const kept = (tables: readonly TableTruth[]) => tables.filter((table) => options.tables?.(table) ?? true);
  return [...pairs(kept(expected), kept(found), nameOf)].flatMap(([object, before, after]): Difference[] => {
    if (before?.kind !== after?.kind || before === undefined || after === undefined) return [{ what: "table", object, expected: before?.kind ?? absent, found: after?.kind ?? absent, severity: "differs" }];
    // A restore fills materialized views anew, so a copy of one that was out of date at the source is right and different.
    const severity = before.kind === "materialized-view" ? "note" : "differs";
    if (options.scope === "schema" || before.rows === undefined) return [];
    if (before.rows !== after.rows) return [{ what: "rows", object, expected: String(before.rows), found: String(after.rows ?? absent), severity }];
    if (before.digest === undefined || after.digest === undefined || before.digest === after.digest) return [];
    return [{ what: "digest", object, expected: before.digest, found: after.digest, severity }];
  });
}

function compareSequences(expected: Expected, found: Truth): Difference[] {
  const after = new Map((expected.sequencesAfter ?? []).map((sequence) => [nameOf(sequence), sequence]));
  return [...pairs(expected.sequences, found.sequences, nameOf)].flatMap(([object, before, copy]): Difference[] => {
    const last = after.get(object) ?? before;
    if (before === undefined || last === undefined || copy === undefined) {
      return [{ what: "sequence", object, expected: before ? sequenceText(before) : absent, found: copy ? sequenceText(copy) : absent, severity: "differs" }];
    }
    if (mayHaveBeen(copy, before, last)) return [];
    const [from, to] = [sequenceText(before), sequenceText(last)];
    return [{ what: "sequence", object, expected: from === to ? from : `${from} to ${to}`, found: sequenceText(copy), severity: "differs" }];
  });
}

function compareLargeObjects({ largeObjects: expected }: Truth, { largeObjects: found }: Truth): Difference[] {
  const differs = { what: "large-objects", object: "large objects", severity: "differs" } as const;
  if (expected.count !== found.count) return [{ ...differs, expected: String(expected.count), found: String(found.count) }];
  if (expected.digest === undefined || found.digest === undefined || expected.digest === found.digest) return [];
  return [{ ...differs, expected: expected.digest, found: found.digest }];
}

function compareLedgers(expected: readonly LedgerTruth[], found: readonly LedgerTruth[]): Difference[] {
  const text = (ledger: LedgerTruth | undefined) =>
    ledger === undefined ? absent : `${ledger.count} migrations, ${ledger.failed} failed, head ${ledger.head ?? absent} (${ledger.sha256.slice(0, 12)})`;
  return [...pairs(expected, found, ({ tool, table }) => `${tool} ${table}`)].flatMap(([object, before, after]): Difference[] =>
    text(before) === text(after) ? [] : [{ what: "migration", object, expected: text(before), found: text(after), severity: "differs" }],
  );
}

/**
 * A dump names no version of an extension: CREATE EXTENSION installs what the server has, so another version is a note.
 * So is one more than expected: the server's template database may bring it.
 */
function compareExtensions({ extensions: expected }: Truth, { extensions: found }: Truth): Difference[] {
  return [...pairs(expected, found, ({ name }) => name)].flatMap(([object, before, after]): Difference[] => {
    const text = (side: typeof before) => (side === undefined ? absent : `${side.version} in ${side.schema}`);
    if (text(before) === text(after)) return [];
    return [{ what: "extension", object, expected: text(before), found: text(after), severity: before === undefined || before.schema === after?.schema ? "note" : "differs" }];
  });
}

/** What the copy's server brings along. Only encoding and locale are the copy's own; the rest is worth a note. */
function compareSurroundings(expected: Truth, found: Truth): Difference[] {
  const note = (what: DifferenceKind, object: string, before: string | undefined, after: string | undefined): Difference[] =>
    before === after ? [] : [{ what, object, expected: before ?? absent, found: after ?? absent, severity: "note" }];
  const locale = ({ database }: Truth) => [database.provider, database.collate, database.ctype, ...(database.icuLocale === undefined ? [] : [database.icuLocale])].join(" ");
  const differs = (differences: Difference[]): Difference[] => differences.map((difference) => ({ ...difference, severity: "differs" }));
  return [
    ...differs(note("encoding", "database", expected.database.encoding, found.database.encoding)),
    ...differs(note("locale", "database", locale(expected), locale(found))),
    ...note("collation", "database", expected.database.collationVersion, found.database.collationVersion),
    ...[...pairs(expected.collations, found.collations, ({ name }) => name)].flatMap(([name, before, after]) => note("collation", name, before?.version, after?.version)),
    ...note("server", "version", expected.server.version, found.server.version),
    ...behaviourSettings.flatMap((name) => note("setting", name, expected.server.settings[name], found.server.settings[name])),
  ];
}
