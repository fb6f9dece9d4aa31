/** What a plan tells of that no table shows. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";

import { freeSequencesFinding } from "../../src/app/rollback/free-sequences.ts";
import type { RollbackPlan } from "../../src/app/rollback/make-plan.ts";
import type { Server } from "../../src/postgres/server.ts";
import { type DatabasePlace, databasePlace, renaming } from "../harness/database-rollbacks.ts";
import { runSql, targetOf } from "../harness/postgres.ts";
import { manifestOf } from "../unit/catalog/fixture.ts";

const plan = async (place: DatabasePlace, ...flags: string[]): Promise<RollbackPlan> => (await place.ok("rollback", "plan", ...flags, "--json")).json<RollbackPlan>();
const finding = ({ preflight }: RollbackPlan, id: string) => preflight.find((each) => each.id === id);

test("numbers of no table that would be handed out twice are named, and those of tables are not", async () => {
  const place = await databasePlace();
  await place.sql("CREATE SEQUENCE invoices; CREATE SEQUENCE still; SELECT nextval('invoices') FROM generate_series(1, 3); SELECT nextval('still');\n");
  await place.deploys("2.0.0", "1.0.0", renaming);
  expect(finding(await plan(place), "sequences")).toMatchObject({ outcome: "ok" });
  await place.sql("SELECT nextval('invoices') FROM generate_series(1, 2); INSERT INTO patients (full_name) VALUES ('Ada'); CREATE SEQUENCE later; SELECT nextval('later');\n");
  expect(finding(await plan(place), "sequences")).toMatchObject({ outcome: "warn", detail: "public.invoices goes back from 5 to 3" });
  expect(finding(await plan(place, "--accept-incompatible", "the form is switched off", "--strategy", "images-only"), "sequences")).toBeUndefined();
});

test("sequences that may not be read are told, and keep nobody from a plan", async () => {
  const { name } = await databasePlace();
  await runSql(name, "CREATE SEQUENCE hidden;\n");
  const server = { target: () => targetOf(name, { PGOPTIONS: "-c role=pg_monitor" }) } as unknown as Server;
  const found = await freeSequencesFinding(server, { truth: manifestOf("2026-11-21T02:00:00Z").truth }, new AbortController().signal);
  expect(found).toMatchObject({ outcome: "warn", detail: expect.stringMatching(/^the sequences could not be read: permission denied/) as string });
});

test("a rollback that cannot be trusted is told, since nobody knows whether it has ended, and keeps nobody from another", async () => {
  const place = await databasePlace();
  await place.deploys("2.0.0", "1.0.0", renaming);
  expect(finding(await plan(place), "other-rollback")).toMatchObject({ outcome: "ok", detail: "none is" });
  const id = "rollback-ehr-20261121T020000Z-7f3a";
  const forged = join(place.folder, "repository/ehr/rollbacks", id);
  await mkdir(forged, { recursive: true });
  await writeFile(join(forged, "plan.json"), "{}");
  const told = finding(await plan(place), "other-rollback");
  expect([told?.outcome, told?.detail]).toEqual(["warn", expect.stringMatching(new RegExp(`^whether it has ended cannot be told of ${id}: .* is not signed`))]);
  await place.ok("rollback", "--confirm", place.name);
});
