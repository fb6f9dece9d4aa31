/** What doctor sees of a Compose project on a real engine. */
import { rename } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";

import { databaseNamed } from "../../src/app/context.ts";
import { checkRollback } from "../../src/app/doctor/doctor-rollback.ts";
import type { DoctorCheck } from "../../src/app/doctor/doctor.ts";
import type { ComposeSettings } from "../../src/config/rollback-settings.ts";
import { openAs } from "../harness/checkpoints.ts";
import { composeApp, sweepApps } from "../harness/compose-app.ts";
import { bench, containing } from "../harness/context.ts";
import { composed } from "../harness/rehearsals.ts";

beforeAll(sweepApps);

test("a project that runs is shown; a context, a service, a container or a file that is not there is named", async () => {
  const app = await composeApp();
  await app.deploy("1.4.1");
  await app.settled();
  const place = await bench(app.databaseUrl, { database: composed(app) });
  const look = async (change: Partial<ComposeSettings> = {}): Promise<(name: string) => DoctorCheck | undefined> => {
    const { rollback } = databaseNamed(place.context.config);
    const at = openAs(place, { rollback: { ...rollback!, compose: { ...app.settings, ...change } } });
    const area = await checkRollback(at, databaseNamed(at.config));
    return (name) => area!.checks.find((check) => check.name === name);
  };
  const well = await look();
  expect(well("platform")).toMatchObject({ outcome: "ok", detail: expect.stringMatching(/^project \S+, .*context default: app holdfast-test\/app:1\.4\.1 \(1\), worker holdfast-test\/app:1\.4\.1 \(2\)$/) as string });
  expect(well("health")).toMatchObject({ outcome: "ok", detail: containing("version 1.4.1") });
  expect((await look({ context: "holdfast-no-such-context" }))("platform")).toMatchObject({ outcome: "fail", code: "configuration", detail: containing("holdfast-no-such-context"), hint: expect.stringMatching(/\.$/) as string });
  expect((await look({ services: ["app", "printer"] }))("platform")).toMatchObject({ outcome: "fail", detail: containing("define no service printer"), hint: containing("Correct the services") });
  await app.compose("rm", "--stop", "--force", "worker");
  expect((await look())("platform")).toMatchObject({ outcome: "warn", detail: containing("nothing runs of worker") });
  await rename(join(app.folder, "compose.yaml"), join(app.folder, "moved.yaml"));
  const moved = await look();
  await rename(join(app.folder, "moved.yaml"), join(app.folder, "compose.yaml"));
  expect(moved("platform")).toMatchObject({ outcome: "fail", detail: containing("compose.yaml") });
}, 300_000);
