/** The deploy after a rollback: its checkpoint must know what was brought back, and be to be had. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";

import { adding, databasePlace, renaming, way as back } from "../harness/database-rollbacks.ts";

interface Created { readonly running: string; readonly pending: readonly string[]; readonly warnings: readonly string[] }

const phone = { name: "20260303000000_phone", sql: "ALTER TABLE patients ADD COLUMN phone text;" };

test("the checkpoint of the release that mends it goes back to what the rollback brought back, with the migration that stayed", async () => {
  const place = await databasePlace();
  await place.deploys("2.0.0", "1.0.0", adding);
  await place.ok("checkpoint", "verify");
  await place.ok(...back(place));
  await place.brings(phone);
  const created = (await place.ok("checkpoint", "create", "--release", "2.0.1", "--json")).json<Created>();
  expect(created).toMatchObject({ running: "1.0.0", pending: [phone.name] });
  expect((await place.ok("checkpoint", "create", "--release", "2.0.1", "--running", "1.0.0", "--json")).json<Created>()).toMatchObject({ running: "1.0.0", pending: [phone.name] });
});

test("while a rollback stands half-way nobody knows what runs, and a checkpoint warns of it", async () => {
  const place = await databasePlace();
  await writeFile(join(place.folder, "holdfast.yaml"), "databases: { ehr: { rollback: { platform: none, maintenance: { on: [\"false\"], off: [\"true\"] } } } }\n");
  await place.deploys("2.0.0", "1.0.0", renaming);
  await place.ok("checkpoint", "verify");
  expect(await place.run(...back(place))).toMatchObject({ code: 22 });
  const unknown = await place.run("checkpoint", "create", "--release", "2.0.1", "--no-migrations");
  expect([unknown.code, unknown.stderr]).toEqual([2, expect.stringContaining("no deploy was verified since the last rollback")]);
  const said = (await place.ok("checkpoint", "create", "--release", "2.0.1", "--running", "2.0.0", "--no-migrations", "--json")).json<Created>();
  expect(said.warnings.join("\n")).toMatch(/^rollback-ehr-\S+ has not ended, so what runs may stand half-way/m);
});
