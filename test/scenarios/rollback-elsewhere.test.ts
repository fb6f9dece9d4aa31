/** A rollback goes on, and goes back, where it was begun and nowhere else. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";

import { requireSamePlace } from "../../src/app/rollback/same-place.ts";
import { besideName } from "../../src/app/rollback/database-steps.ts";
import type { JournalEntry } from "../../src/rollback/journal/journal.ts";
import { badRelease as bad, columns, way as back } from "../harness/database-rollbacks.ts";
import { createDatabase, urlOf } from "../harness/postgres.ts";
import { begunOf } from "../unit/rollback/rollback-fixture.ts";

interface Failure { readonly error: { readonly code: string; readonly message: string } }

test("with another database configured, neither resume nor abort does anything; with the right one it goes on", async () => {
  const place = await bad();
  const { name: other } = await createDatabase();
  const maintenance = (on: string): Promise<void> => writeFile(join(place.folder, "holdfast.yaml"), `databases: { ehr: { rollback: { platform: none, maintenance: { on: ["${on}"], off: ["true"] } } } }\n`);
  await maintenance("false");
  expect(await place.run(...back(place))).toMatchObject({ code: 22 });
  await maintenance("true");
  const before = await place.databases();

  const right = place.env["DATABASE_URL"]!;
  place.env["DATABASE_URL"] = urlOf(other);
  for (const command of ["resume", "abort"]) {
    const refused = await place.run("rollback", command, "--json");
    expect([refused.code, refused.json<Failure>().error.message]).toEqual([19, expect.stringMatching(new RegExp(`^rollback-ehr-\\S+ was begun at database ${place.name}, but configured is database ${other}$`))]);
  }
  expect(await place.databases()).toEqual(before);
  expect((await place.ok("backup", "list", "--json")).stdout).not.toContain("\"safety\"");

  place.env["DATABASE_URL"] = right;
  await place.ok("rollback", "resume");
  expect(await columns(place)).toEqual({ columns: "id,name", rows: 4 });
  expect((await place.ok("backup", "list", "--json")).stdout).toContain("\"safety\"");
});

test("where the platform does not name the database, the copy beside it does; files of Compose may be corrected on the way", () => {
  const begun = begunOf("2026-11-21T02:00:00.000Z", "s");
  const facts = { beside: besideName("ehr_live", begun.id) };
  const copied = { run: begun.id, sequence: 1, previous: null, at: begun.startedAt, by: { user: "ann", host: "db1", operator: null, pid: 1 }, kind: "step-done", step: "restore-beside", facts, found: false } satisfies JournalEntry;
  const at = (database: string, project: string, entries: readonly JournalEntry[] = [copied]) => () => { requireSamePlace(begun, { address: { project, files: "/srv/ehr/corrected.yaml" } }, { name: "ehr", url: `postgresql://db/${database}` }, entries); };
  expect(at("ehr_live", "ehr")).not.toThrow();
  expect(at("ehr_staging", "ehr")).toThrow(/was begun at the database whose copy is ehr_live_holdfast_back_\w+, but configured is database ehr_staging/);
  expect(at("ehr_staging", "ehr", [])).not.toThrow();
  expect(at("ehr_live", "staging")).toThrow(/was begun at project ehr, but configured is project staging/);
});
