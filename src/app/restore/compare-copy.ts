/** Holds a restored copy against the truth that was taken in the dump's snapshot. */
import { z } from "zod";

import { HoldfastError } from "../../errors.ts";
import { openSession } from "../../postgres/session.ts";
import { fingerprintOf, readCatalog } from "../../postgres/truth/catalog.ts";
import { compareCatalog } from "../../postgres/truth/compare-catalog.ts";
import { compareTruth, type CompareOptions } from "../../postgres/truth/compare.ts";
import type { Difference } from "../../postgres/truth/difference.ts";
import { readTruth } from "../../postgres/truth/read.ts";
import type { TableName } from "../../postgres/truth/tables.ts";
import type { CatalogEntry, TableTruth, Truth } from "../../postgres/truth/truth.ts";
import { openTextPart } from "../backup/open-part.ts";
import type { RestoreWork } from "./restore-backup.ts";

export interface Comparison {
  readonly tables: number;
  readonly rows: number;
  /** Differences that prove nothing wrong. */
  readonly notes: readonly Difference[];
}

/** The copy as it was read, and every point in which it is not as the source was. */
export interface CopyReading {
  readonly differences: readonly Difference[];
  readonly found: Truth;
  /** The tables that were restored and compared. */
  readonly tables: readonly TableTruth[];
  /** Objects of the source's catalog that were looked for; 0 if definitions were not compared. */
  readonly objects: number;
}

const shownDifferences = 20;

/**
 * Reads the copy as the source was read, and requires it to be equal.
 * @param chosen - the tables that were restored, if not all
 * @throws HoldfastError `restore-failed` naming what differs; `integrity` if the truth itself does not fit together
 */
export async function compareCopy(work: RestoreWork, database: string, chosen?: readonly TableName[]): Promise<Comparison> {
  const { differences, tables } = await readCopy(work, database, chosen);
  const wrong = differences.filter(({ severity }) => severity === "differs");
  if (wrong.length > 0) throw differsError(wrong, work.options.mode === "data-only");
  return { tables: tables.length, rows: tables.reduce((sum, table) => sum + (table.rows ?? 0), 0), notes: differences };
}

/** @throws HoldfastError `integrity` if the truth itself does not fit together */
export async function readCopy(work: RestoreWork, database: string, chosen?: readonly TableName[]): Promise<CopyReading> {
  const { manifest, server, context } = work;
  const options = compareOptions(work, chosen);
  const expected = await expectedCatalog(work);
  const session = await openSession(server.target(database), { signal: context.signal });
  try {
    await session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    const catalog = await readCatalog(session);
    const found = await readTruth(session, { digests: digestedTables(manifest.truth), catalog, ...(options.tables && { include: options.tables }) });
    const wholeSchema = options.tables === undefined && options.scope !== "data";
    const definitions = options.scope === "schema" ? expected.filter(isDefinition) : expected;
    const differences = [
      ...compareTruth({ ...manifest.truth, sequencesAfter: manifest.sequencesAfter }, found, options).filter(({ what }) => what !== "schema"),
      ...(wholeSchema ? compareCatalog(definitions, catalog, options) : []),
      ...(chosen ? compareChosen(expected, catalog, options) : []),
    ];
    const tables = options.scope === "schema" ? [] : found.tables.filter((table) => options.tables?.(table) ?? true);
    return { differences, found, tables, objects: wholeSchema ? definitions.length : 0 };
  } finally {
    await session.close();
  }
}

function differsError(wrong: readonly Difference[], inPlace: boolean): HoldfastError {
  const lines = wrong.slice(0, shownDifferences).map(({ what, object, expected, found }) => `${what} ${object}: expected ${expected}, found ${found}`);
  const more = wrong.length > shownDifferences ? [`and ${wrong.length - shownDifferences} more`] : [];
  return new HoldfastError("restore-failed", `the copy differs from its source in ${wrong.length} points: ${[...lines, ...more].join("; ")}`, {
    hints: [
      inPlace ? "The rows are in the tables: empty them before another attempt." : "The copy was dropped.",
      "Verify the backup with `holdfast backup verify ID --level archive`, and try another one.",
    ],
    details: { differences: wrong },
  });
}

function compareOptions({ options, manifest }: RestoreWork, chosen: readonly TableName[] | undefined): CompareOptions {
  const scope = options.mode === "schema-only" ? "schema" : options.mode === "data-only" ? "data" : "all";
  const leaveOut = options.roleMap.size > 0 ? [...grantKinds, ...roleKinds] : options.noOwner ? grantKinds : undefined;
  // A filtered dump lacks objects on purpose: what it does carry are the tables that its truth counts.
  const tables = chosen ? oneOf(chosen) : manifest.partial ? oneOf(manifest.truth.tables) : undefined;
  return {
    scope,
    ...(tables && { tables }),
    ...(leaveOut && { leaveOut }),
    databaseLevel: scope !== "data" && tables === undefined && leaveOut === undefined,
  };
}

/** Large objects are rows of a kind: their owners, grants and comments do not come with the definitions. */
function isDefinition({ identity }: CatalogEntry): boolean {
  return !/^large objects?\b/.test(identity);
}

/** Kinds of catalog entries that say to whom something belongs or is granted; a restore without owners leaves them out. */
const grantKinds = ["owner", "acl", "column-acl", "default-privileges"];
/** Further kinds that name roles, which a role map changes. */
const roleKinds = ["policy", "user-mapping"];

/** Of a restore of some tables: whatever is there must be as it was at the source; what is not there was left out. */
function compareChosen(expected: readonly CatalogEntry[], found: readonly CatalogEntry[], options: CompareOptions): Difference[] {
  const there = new Set(found.map(({ kind, identity }) => `${kind} ${identity}`));
  const definitions = ["table", "column", "index", "constraint", "trigger", "policy", "sequence", "statistics", "rule"];
  const kept = (entries: readonly CatalogEntry[]): CatalogEntry[] => entries.filter(({ kind, identity }) => definitions.includes(kind) && there.has(`${kind} ${identity}`));
  return compareCatalog(kept(expected), kept(found), options);
}

const fullName = ({ schema, name }: TableName): string => `${schema}.${name}`;

function oneOf(tables: readonly TableName[]): (table: TableName) => boolean {
  const names = new Set(tables.map(fullName));
  return (table) => names.has(fullName(table));
}

function digestedTables(truth: Truth): readonly string[] {
  const tables = truth.tables.filter((table) => table.digest !== undefined).map(fullName);
  return truth.largeObjects.digest === undefined ? tables : [...tables, "pg_largeobject"];
}

const catalogSchema = z.array(z.strictObject({ kind: z.string(), identity: z.string(), sha256: z.string() }));

/** The source's catalog, object by object; the manifest holds its fingerprint. */
async function expectedCatalog({ workplace, manifest, identity, context }: RestoreWork): Promise<CatalogEntry[]> {
  const entries = catalogSchema.parse(JSON.parse(await openTextPart(workplace.repository, manifest, "catalog", identity, context.signal)));
  if (fingerprintOf(entries).fingerprint !== manifest.truth.schema.fingerprint) {
    throw new HoldfastError("integrity", "part catalog does not have the schema fingerprint that the manifest states", { details: { part: "catalog" } });
  }
  return entries;
}
