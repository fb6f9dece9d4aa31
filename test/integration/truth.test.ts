/** Source and copy: what plain pg_dump and pg_restore bring back equals the truth, and whatever was changed in a copy is named. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";

import type { Session } from "../../src/postgres/session.ts";
import { openSession } from "../../src/postgres/session.ts";
import { catalogKinds, readCatalog } from "../../src/postgres/truth/catalog.ts";
import { compareCatalog } from "../../src/postgres/truth/compare-catalog.ts";
import { compareTruth } from "../../src/postgres/truth/compare.ts";
import type { Difference } from "../../src/postgres/truth/difference.ts";
import { readTruth } from "../../src/postgres/truth/read.ts";
import type { CatalogEntry, Truth } from "../../src/postgres/truth/truth.ts";
import { runTool } from "../../src/process/run.ts";
import { clinicSql } from "../../src/quickstart/clinic.ts";
import { dropDatabase, runSql, targetOf, withSession } from "../harness/postgres.ts";
import { clinicMutations, type Mutation, tortureMutations } from "./truth-mutations.ts";

interface Seen {
  readonly truth: Truth;
  readonly catalog: readonly CatalogEntry[];
}

async function see(session: Session): Promise<Seen> {
  const catalog = await readCatalog(session);
  return { catalog, truth: await readTruth(session, { digests: "all", catalog }) };
}

const snapshotOf = (database: string): Promise<Seen> =>
  withSession(database, async (session) => {
    await session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    return see(session);
  });

async function restoreInto(copy: string, source: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-truth-"));
  const archive = join(folder, "archive");
  try {
    await runTool([join(inject("postgres").binaries, "pg_dump")], ["-Fc", "-Z0", "-f", archive], { env: targetOf(source).env });
    await runTool([join(inject("postgres").binaries, "pg_restore")], ["--exit-on-error", "-d", copy, archive], { env: targetOf(copy).env });
  } finally {
    await rm(folder, { recursive: true });
  }
}

const named = (differences: readonly Difference[]): string[] => differences.map(({ what, object }) => `${what} ${object}`);

/** A database and its copy for a whole table of tests; each test changes the copy in a transaction that it rolls back. */
function roundTrip(title: string, script: () => Promise<string>, mutations: readonly Mutation[]): void {
  describe(title, () => {
    const source = `truth source of ${title}`;
    const copy = `truth copy of ${title}`;
    let expected: Seen;
    let session: Session;

    beforeAll(async () => {
      await withSession("postgres", async (admin) => {
        for (const name of [source, copy]) await admin.execute(`CREATE DATABASE "${name}" TEMPLATE template0`);
      });
      await runSql(source, await script());
      expected = await snapshotOf(source);
      await restoreInto(copy, source);
      session = await openSession(targetOf(copy));
    });
    afterAll(async () => {
      await session.close();
      await dropDatabase(source);
      await dropDatabase(copy);
    });

    test("a restored copy equals the truth of its source, object by object", async () => {
      const found = await snapshotOf(copy);
      expect(compareCatalog(expected.catalog, found.catalog)).toEqual([]);
      expect(compareTruth(expected.truth, found.truth)).toEqual([]);
      expect(found.truth.schema.fingerprint).toBe(expected.truth.schema.fingerprint);
      expect(found.catalog.length).toBeGreaterThan(100);
    });

    test.each(mutations)("a copy in which somebody $what is told apart", async ({ sql, objects = [], data = [] }) => {
      await session.execute("BEGIN");
      try {
        for (const statement of [sql].flat()) await session.execute(statement);
        const found = await see(session);
        const differences = compareTruth(expected.truth, found.truth);
        expect({ objects: named(compareCatalog(expected.catalog, found.catalog)), data: named(differences.filter(({ what }) => what !== "schema")) })
          .toEqual({ objects: objects.map((object) => `schema ${object}`), data });
        const kinds = [...new Set(compareCatalog(expected.catalog, found.catalog).map(({ object }) => object.split(" ")[0]))].sort();
        expect(named(differences.filter(({ what }) => what === "schema"))).toEqual(kinds.map((kind) => `schema ${kind ?? ""}`));
      } finally {
        await session.execute("ROLLBACK");
      }
    });
  });
}

roundTrip("the clinic", () => Promise.resolve(clinicSql({ patients: 60 })), clinicMutations);
roundTrip("every kind of object", () => readFile(join(import.meta.dirname, "../fixtures/sql/torture.sql"), "utf8"), tortureMutations);

/** A test server has no label provider, tablespaces outlive a rolled back transaction, and a subscription keeps its database from being dropped. */
const withoutMutation = ["security-label", "subscription", "tablespace"];

test("every kind of catalog entry is changed by some mutation", () => {
  const changed = [...clinicMutations, ...tortureMutations].flatMap(({ objects = [] }) => objects.map((object) => object.split(" ")[0]));
  expect(catalogKinds.filter((kind) => !changed.includes(kind)).sort()).toEqual(withoutMutation);
});
