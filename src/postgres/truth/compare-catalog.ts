/** Compares two catalogs object by object, and two fingerprints kind by kind. */
import { databaseKinds } from "./catalog/database.ts";
import { absent, type Difference, pairs } from "./difference.ts";
import type { CatalogEntry, SchemaTruth } from "./truth.ts";

export interface CompareCatalogOptions {
  /** Kinds that the restore left out on purpose: `owner` and `acl` with --no-owner or a role map. */
  readonly leaveOut?: readonly string[];
  /** The servers' majors differ, so the same object may be written in other words: then another definition is a note. */
  readonly otherMajor?: boolean;
  /** The settings and grants of the database itself were brought over too, so that they count. */
  readonly databaseLevel?: boolean;
}

function severityOf(kind: string, options: CompareCatalogOptions, bothThere: boolean): Difference["severity"] {
  if (databaseKinds.includes(kind) && options.databaseLevel !== true) return "note";
  return bothThere && options.otherMajor === true ? "note" : "differs";
}

/**
 * Names each object that is missing, extra or different. Pure; an empty list means equal.
 * Several entries of one identity (which the server's names rule out, but a format may not) are compared as one.
 */
export function compareCatalog(expected: readonly CatalogEntry[], found: readonly CatalogEntry[], options: CompareCatalogOptions = {}): Difference[] {
  const kept = (entries: readonly CatalogEntry[]) => merged(entries.filter((entry) => options.leaveOut?.includes(entry.kind) !== true));
  return [...pairs(kept(expected), kept(found), nameOf)].flatMap(([object, before, after]) => {
    if (before?.sha256 === after?.sha256) return [];
    const severity = severityOf((before ?? after)?.kind ?? "", options, before !== undefined && after !== undefined);
    return [{ what: "schema", object, expected: shortened(before), found: shortened(after), severity }];
  });
}

function merged(entries: readonly CatalogEntry[]): CatalogEntry[] {
  return [...Map.groupBy(entries, nameOf).values()].flatMap(([first, ...more]) =>
    first === undefined ? [] : [{ ...first, sha256: [first, ...more].map((entry) => entry.sha256).sort().join(" ") }],
  );
}

const nameOf = ({ kind, identity }: CatalogEntry): string => `${kind} ${identity}`;
const shortened = (entry: CatalogEntry | undefined): string => (entry === undefined ? absent : entry.sha256.slice(0, 12));

/** Compares fingerprints: names kinds only, since the manifest holds no more. */
export function compareSchema(expected: SchemaTruth, found: SchemaTruth, options: CompareCatalogOptions = {}): Difference[] {
  const list = (schema: SchemaTruth) =>
    Object.entries(schema.kinds).flatMap(([kind, digest]) => (options.leaveOut?.includes(kind) === true ? [] : [{ kind, ...digest }]));
  return [...pairs(list(expected), list(found), ({ kind }) => kind)].flatMap(([kind, before, after]) => {
    if (before?.sha256 === after?.sha256 && before?.count === after?.count) return [];
    const text = (side: typeof before) => (side === undefined ? absent : `${side.count} (${side.sha256.slice(0, 12)})`);
    return [{ what: "schema", object: kind, expected: text(before), found: text(after), severity: severityOf(kind, options, before?.count === after?.count) }];
  });
}
