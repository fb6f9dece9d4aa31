/** The application that rollbacks are shown with really reads its schema. */
import { readdir } from "node:fs/promises";
import { beforeAll, expect, test } from "vitest";

import { composeApp, migrationOf, migrationsFolder, sweepApps } from "../harness/compose-app.ts";

beforeAll(sweepApps);

const ledger = "SELECT string_agg(migration_name, ',' ORDER BY started_at) FROM _prisma_migrations WHERE finished_at IS NOT NULL";

test("each release migrates, is healthy on what it fits, and is unhealthy on what it does not", async () => {
  const app = await composeApp();
  await app.deploy("1.4.1");
  expect(await app.answers(200)).toEqual({ status: "healthy", version: "1.4.1", database: "connected" });
  await app.sql("INSERT INTO patients (name, phone) VALUES ('Ada', '1'); INSERT INTO visits (patient_id, note) VALUES (1, 'first')");
  await app.settled();
  expect((await app.containers("worker")).map(({ running }) => running)).toEqual([true, true]);

  await app.deploy("1.4.2");
  expect(await app.answers(200)).toEqual({ status: "healthy", version: "1.4.2", database: "connected" });
  expect(await app.sql(ledger)).toBe(`${migrationOf["1.4.1"]},${migrationOf["1.4.2"]}`);

  await app.deploy("1.5.0");
  expect(await app.answers(503)).toEqual({ status: "unhealthy", version: "1.5.0", database: "connected", problem: "column insurance_number does not exist" });
  expect(await app.sql("SELECT full_name FROM patients")).toBe("Ada");

  await app.compose("stop", "db");
  expect(await app.answers(503)).toEqual({ status: "unhealthy", version: "1.5.0", database: "unreachable" });
  await app.settled();
}, 180_000);

test("the migrations on the host are those of the images", async () => {
  expect((await readdir(migrationsFolder)).filter((name) => /^\d/.test(name)).sort()).toEqual(Object.values(migrationOf));
});
