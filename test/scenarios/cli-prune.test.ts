/** Pruning and holding as an operator does it. */
import { expect, test } from "vitest";

import { type Outcome, workbench } from "../harness/cli.ts";
import { createDatabase, runSql } from "../harness/postgres.ts";

const errorOf = (outcome: Outcome) => outcome.json<{ error: { code: string; message: string; hints: string[]; details?: Record<string, unknown> } }>().error;

test("backups are made, held, looked at, pruned and released from the command line", async () => {
  const database = await createDatabase();
  await runSql(database.name, "CREATE TABLE people (id int PRIMARY KEY); INSERT INTO people SELECT generate_series(1, 10)");
  const bench = await workbench(database.url);
  await bench.ok("repository", "init");
  const backup = async () => (await bench.ok("backup", "--json")).json<{ id: string; pruned?: unknown }>();
  const [first, second] = [await backup(), await backup()];
  expect([first.pruned, second.pruned]).toEqual([undefined, undefined]);

  const unasked = await bench.run("backup", "prune", "--json");
  expect(unasked.code).toBe(10);
  expect(errorOf(unasked)).toMatchObject({ message: "no retention is configured for ehr, so nothing is ever removed" });

  Object.assign(bench.env, { HOLDFAST_RETENTION_KEEP_LAST: "1", HOLDFAST_RETENTION_MINIMUM_COUNT: "1", HOLDFAST_RETENTION_MINIMUM_AGE: "0s" });
  expect((await bench.ok("backup", "hold", first.id, "--reason", "litigation 17")).stdout).toBe(`${first.id} is held until it is released`);
  const held = await bench.ok("backup", "prune", "--dry-run");
  expect(held.stdout).toMatch(new RegExp(`keep +${second.id} .* last 1 of 1; 1 of 1, the minimum count\\nkeep +${first.id} .* held until it is released: litigation 17\\nnothing would go; 2 stay$`));
  await bench.ok("backup", "release", first.id, "--reason", "settled");

  const tried = (await bench.ok("backup", "prune", "--dry-run", "--json")).json<{ dryRun: boolean; keep: { id: string }[]; remove: { id: string; reasons: string[] }[]; removed: string[] }>();
  expect(tried).toMatchObject({ dryRun: true, keep: [{ id: second.id }], remove: [{ id: first.id, reasons: ["no rule keeps it (last 1)", "less than an hour old, past the minimum age"] }], removed: [] });

  // A run that cannot prune has made its backup all the same.
  const warned = await bench.start("backup", "--json");
  expect(warned.exitCode).toBe(0);
  const third = JSON.parse(warned.stdout) as { id: string; pruned: { removed: string[] } };
  expect(third.pruned.removed.sort()).toEqual([first.id, second.id].sort());
  bench.env["HOLDFAST_RETENTION_REQUIRE_VERIFIED"] = "archive";
  const failed = await bench.run("backup", "--json");
  expect(failed.code).toBe(3);
  expect(errorOf(failed)).toMatchObject({ code: "done-with-warnings", message: expect.stringMatching(/^ehr-\S+ was backed up, but pruning failed: the policy would remove 2 backups of ehr/) as unknown, details: { database: "ehr", failed: [{ step: "pruning", code: "refused" }] } });
  expect((await bench.ok("backup", "list", "--json")).json<unknown[]>()).toHaveLength(2);

  const wrong = await bench.run("backup", "hold", first.id, "--reason", "too late", "--json");
  expect([wrong.code, errorOf(wrong).message]).toEqual([16, expect.stringContaining(`no backup ${first.id}`)]);
  expect((await bench.run("backup", "hold", third.id)).code).toBe(2);
  expect((await bench.run("backup", "hold", third.id, "--reason", "x", "--until", "tomorrow")).stderr).toContain("--until tomorrow is not an instant with a time zone");
  bench.env["HOLDFAST_RETENTION_TIME_ZONE"] = "Mars/Olympus";
  const zone = await bench.run("backup", "prune");
  expect(zone.code).toBe(10);
  expect(zone.stderr).toContain('HOLDFAST_RETENTION_TIME_ZONE is "Mars/Olympus", but must be an IANA time zone');
}, 180_000);
