import { expect, test } from "vitest";

import { fingerprintOf } from "../../../src/postgres/truth/catalog.ts";
import { compareCatalog } from "../../../src/postgres/truth/compare-catalog.ts";
import { type CompareOptions, compareTruth, type Expected } from "../../../src/postgres/truth/compare.ts";
import type { CatalogEntry, SequenceTruth, Truth } from "../../../src/postgres/truth/truth.ts";

const entries: readonly CatalogEntry[] = [
  { kind: "table", identity: "public.a", sha256: "11" },
  { kind: "index", identity: "public.a_pkey", sha256: "22" },
  { kind: "owner", identity: "table public.a", sha256: "33" },
  { kind: "database-acl", identity: "database", sha256: "44" },
];

const sequence = (lastValue: string): SequenceTruth => ({ schema: "public", name: "a_id_seq", lastValue, isCalled: true, increment: "1" });

const truth: Truth = {
  server: { version: "15.19", versionNum: 150_019, settings: { TimeZone: "UTC", max_connections: "100" } },
  database: { name: "ehr", encoding: "UTF8", collate: "C.UTF-8", ctype: "C.UTF-8", provider: "libc", collationVersion: "2.36", owner: "o", bytes: 1 },
  tables: [
    { schema: "public", name: "a", kind: "table", rows: 3, digest: "d1" },
    { schema: "public", name: "m", kind: "materialized-view", rows: 2, digest: "d2" },
    { schema: "public", name: "f", kind: "foreign" },
  ],
  sequences: [sequence("5")],
  largeObjects: { count: 2, digest: "d3" },
  extensions: [{ name: "citext", version: "1.6", schema: "public" }],
  collations: [{ name: '"de-x-icu"', provider: "icu", version: "153.120" }],
  schema: fingerprintOf(entries),
  migrations: [{ tool: "prisma", table: "public._prisma_migrations", count: 3, head: "c", failed: 0, sha256: "55" }],
};

/** `what object severity` of every difference. */
const found = (copy: Partial<Truth>, options?: CompareOptions, expected: Expected = truth): string[] =>
  compareTruth(expected, { ...truth, ...copy }, options).map(({ what, object, severity }) => `${what} ${object} ${severity}`);

const changed = (kind: string, sha256: string): Truth["schema"] => fingerprintOf(entries.map((entry) => (entry.kind === kind ? { ...entry, sha256 } : entry)));

test("equal truths have no differences, whatever their names, sizes and capacities", () => {
  expect(found({ database: { ...truth.database, name: "ehr_copy", owner: "somebody", bytes: 2 }, server: { ...truth.server, settings: { TimeZone: "UTC", max_connections: "7" } } })).toEqual([]);
});

test("a difference says what was expected and what was found", () => {
  expect(compareTruth(truth, { ...truth, tables: truth.tables.slice(1), largeObjects: { count: 1 } })).toEqual([
    { what: "table", object: "public.a", expected: "table", found: "none", severity: "differs" },
    { what: "large-objects", object: "large objects", expected: "2", found: "1", severity: "differs" },
  ]);
});

test.each<[string, Partial<Truth>, string[]]>([
  ["another encoding", { database: { ...truth.database, encoding: "LATIN1" } }, ["encoding database differs"]],
  ["another locale", { database: { ...truth.database, collate: "C" } }, ["locale database differs"]],
  ["another collation library", { database: { ...truth.database, collationVersion: "2.41" } }, ["collation database note"]],
  ["another ICU", { collations: [{ name: '"de-x-icu"', provider: "icu", version: "154" }] }, ['collation "de-x-icu" note']],
  ["another minor version", { server: { ...truth.server, version: "15.20", versionNum: 150_020 } }, ["server version note"]],
  ["another time zone", { server: { ...truth.server, settings: { TimeZone: "Europe/Berlin" } } }, ["setting TimeZone note"]],
  ["another version of an extension", { extensions: [{ name: "citext", version: "1.7", schema: "public" }] }, ["extension citext note"]],
  ["an extension in another schema", { extensions: [{ name: "citext", version: "1.6", schema: "ext" }] }, ["extension citext differs"]],
  ["no extension", { extensions: [] }, ["extension citext differs"]],
  ["an extension more", { extensions: [...truth.extensions, { name: "plpgsql", version: "1.0", schema: "pg_catalog" }] }, ["extension plpgsql note"]],
  ["a table more", { tables: [...truth.tables, { schema: "public", name: "z", kind: "table", rows: 0 }] }, ["table public.z differs"]],
  ["a refilled materialized view", { tables: truth.tables.map((table) => (table.name === "m" ? { ...table, digest: "other" } : table)) }, ["digest public.m note"]],
  ["a missing sequence", { sequences: [] }, ["sequence public.a_id_seq differs"]],
  ["another head of the ledger", { migrations: [{ ...truth.migrations[0]!, head: "b", count: 2 }] }, ["migration prisma public._prisma_migrations differs"]],
  ["a lost ledger", { migrations: [] }, ["migration prisma public._prisma_migrations differs"]],
  ["another table's definition", { schema: changed("table", "99") }, ["schema table differs"]],
  ["the database's own grants", { schema: changed("database-acl", "99") }, ["schema database-acl note"]],
])("%s is told", (_, copy, expected) => {
  expect(found(copy)).toEqual(expected);
});

test("a digest that one side did not take is not compared, its rows are", () => {
  expect(found({ tables: [{ schema: "public", name: "a", kind: "table", rows: 3 }, ...truth.tables.slice(1)] })).toEqual([]);
  expect(found({ tables: [{ schema: "public", name: "a", kind: "table", rows: 4 }, ...truth.tables.slice(1)] })).toEqual(["rows public.a differs"]);
});

test("a sequence that moved during the dump may stand anywhere between", () => {
  const expected = { ...truth, sequencesAfter: [sequence("8")] };
  expect(found({ sequences: [sequence("7")] }, {}, expected)).toEqual([]);
  expect(compareTruth(expected, { ...truth, sequences: [sequence("9")] })).toEqual([
    { what: "sequence", object: "public.a_id_seq", expected: "5 to 8", found: "9", severity: "differs" },
  ]);
});

test("under another major, other words for the same object are a note, a missing object is not", () => {
  const server = { ...truth.server, version: "17.2", versionNum: 170_002 };
  expect(found({ server, schema: changed("index", "99") })).toEqual(["schema index note", "server version note"]);
  expect(found({ server, schema: fingerprintOf(entries.filter(({ kind }) => kind !== "index")) })).toEqual(["schema index differs", "server version note"]);
});

test("what the restore left out on purpose is not compared", () => {
  const without = fingerprintOf(entries.filter(({ kind }) => kind !== "owner"));
  expect(found({ schema: without })).toEqual(["schema owner differs"]);
  expect(found({ schema: without }, { leaveOut: ["owner", "acl"] })).toEqual([]);
  const empty = { tables: truth.tables.map((table) => ({ ...table, rows: 0 })), sequences: [sequence("1")], largeObjects: { count: 0 }, migrations: [] };
  expect(found({ ...empty, schema: changed("table", "99") }, { scope: "schema" })).toEqual(["schema table differs"]);
  expect(found({ schema: changed("table", "99"), extensions: [] }, { scope: "data" })).toEqual([]);
  expect(found({ tables: [truth.tables[0]!], sequences: [], schema: fingerprintOf([]) }, { tables: ({ name }) => name === "a" })).toEqual([]);
  expect(found({ tables: [] }, { tables: ({ name }) => name === "a" })).toEqual(["table public.a differs"]);
  expect(found({ database: { ...truth.database, collate: "C" } }, { noteOnly: ["locale"] })).toEqual(["locale database note"]);
  expect(found({ schema: changed("database-acl", "99") }, { databaseLevel: true })).toEqual(["schema database-acl differs"]);
});

test("catalogs are compared object by object", () => {
  const copy = [{ ...entries[0]!, sha256: "12" }, entries[2]!, entries[3]!, { kind: "view", identity: "public.v", sha256: "55" }];
  expect(compareCatalog(entries, copy)).toEqual([
    { what: "schema", object: "index public.a_pkey", expected: "22", found: "none", severity: "differs" },
    { what: "schema", object: "table public.a", expected: "11", found: "12", severity: "differs" },
    { what: "schema", object: "view public.v", expected: "none", found: "55", severity: "differs" },
  ]);
  expect(compareCatalog(entries, entries.toReversed())).toEqual([]);
  expect(compareCatalog([entries[0]!, entries[0]!], [entries[0]!])).toHaveLength(1);
});

test("a fingerprint depends on every entry and not on their order", () => {
  expect(fingerprintOf(entries.toReversed())).toEqual(fingerprintOf(entries));
  for (const [at, entry] of entries.entries()) {
    for (const other of [{ ...entry, sha256: "00" }, { ...entry, identity: "other" }, { ...entry, kind: "other" }]) {
      expect(fingerprintOf(entries.with(at, other)).fingerprint).not.toBe(fingerprintOf(entries).fingerprint);
    }
    expect(fingerprintOf(entries.toSpliced(at, 1)).fingerprint).not.toBe(fingerprintOf(entries).fingerprint);
  }
});
