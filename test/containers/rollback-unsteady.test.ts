/** A rollback after which something does not go on running: at some moment everything was there. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";

import type { RollbackResult } from "../../src/app/rollback/carry-out.ts";
import type { RollbackPlan } from "../../src/rollback/plan/plan.ts";
import { sweepApps } from "../harness/compose-app.ts";
import { rollingBack } from "../harness/rolling-back.ts";

beforeAll(sweepApps);

test("a service that ends over and over, since a file that it mounts is not the one of its release, fails the rollback, and the plan named the file", async () => {
  const here = await rollingBack({ workerChecked: false });
  const { folder, project } = here.app;
  const [file, mounted] = [join(folder, "compose.yaml"), join(folder, "worker.conf")];
  await writeFile(mounted, "of 1.4.1");
  const command = `["sh", "-c", "grep -q 1.4.1 /etc/worker.conf || { sleep 1; exit 3; }; exec /app/app.sh worker"]`;
  await writeFile(file, (await readFile(file, "utf8")).replace("    command: worker\n", `    command: ${command}\n    restart: always\n    volumes: ["./worker.conf:/etc/worker.conf"]\n`));
  await here.app.compose("up", "--detach", "--no-deps", "worker");
  await here.ok("checkpoint", "create", "--release", "1.4.2", "--no-migrations");
  await here.app.deploy("1.4.2");

  const target = (): Promise<RollbackPlan> => here.ok("rollback", "plan", "--to", "1.4.1", "--json").then((plan) => plan.json<RollbackPlan>());
  const finding = async () => (await target()).preflight.find(({ id }) => id === "mounted");
  expect(await finding()).toMatchObject({ outcome: "ok", detail: mounted });
  await writeFile(mounted, "of 1.4.2");
  expect(await finding()).toMatchObject({ outcome: "warn", detail: `changed: ${mounted}` });

  const failed = await here.run("rollback", "--to", "1.4.1", "--confirm", project);
  expect([failed.code, failed.stderr]).toEqual([22, expect.stringMatching(new RegExp(`did not come out as planned: worker: .*${project}-worker-\\d`))]);
  await writeFile(mounted, "of 1.4.1 again");
  expect((await here.ok("rollback", "resume", "--json")).json<RollbackResult>()).toMatchObject({ outcome: "done" });
}, 240_000);
