import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, inject, onTestFinished, test } from "vitest";

import type { RollbackPlan } from "../../../src/app/rollback/make-plan.ts";
import { serverUser, startCluster } from "../../../src/postgres/cluster.ts";
import { runTool } from "../../../src/process/run.ts";
import { workbench } from "../../harness/cli.ts";

test("the database of a standby is not moved: the plan says so before anything is begun", async () => {
  const { binaries } = inject("postgres");
  const cluster = await startCluster({ binaries, tcp: true });
  onTestFinished(() => cluster.stop());
  const here = await workbench(`postgresql://postgres:${cluster.password}@127.0.0.1:${cluster.port}/postgres`, { HOLDFAST_ROLLBACK_PLATFORM: "none" });
  await here.ok("repository", "init");
  await here.ok("checkpoint", "create", "--release", "2.0.0", "--running", "1.0.0", "--no-migrations");
  const asked = ["rollback", "plan", "--strategy", "restore-and-swap", "--json"] as const;
  const finding = async () => (await here.ok(...asked)).json<RollbackPlan>().preflight.find(({ id }) => id === "database");
  expect(await finding()).toMatchObject({ outcome: "ok" });

  await writeFile(join(cluster.folder, "data", "standby.signal"), "");
  const user = await serverUser();
  await runTool([join(binaries, "pg_ctl")], ["-D", join(cluster.folder, "data"), "-m", "fast", "-w", "-l", join(cluster.folder, "data", "standby.log"), "restart"], { cwd: "/", ...(user && { user }) });
  expect(await finding()).toMatchObject({ outcome: "blocked", detail: "the server is a standby: the database can only be moved at its primary" });
  expect(await here.run("rollback", "--strategy", "restore-and-swap", "--confirm", "postgres")).toMatchObject({ code: 19 });
}, 120_000);
