/** Whole drills whose scratch is a container without network, of a source that is on this machine. */
import { execa } from "execa";
import { chmod, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, onTestFinished, test } from "vitest";

import type { CleanResult } from "../../src/app/drill/clean-drills.ts";
import type { DrillJson } from "../../src/cli/drill-result.ts";
import { serverBinaries } from "../../src/postgres/binaries.ts";
import { startCluster } from "../../src/postgres/cluster.ts";
import { runScript } from "../../src/postgres/session.ts";
import { clinicSql } from "../../src/quickstart/clinic.ts";
import { type Workbench, workbench } from "../harness/cli.ts";
import { docker, sweep } from "../harness/containers.ts";

let binaries: string;
beforeAll(async () => {
  await sweep();
  binaries = (await serverBinaries())!;
});

/** A clinic with a backup, drilled in containers; `tempDir` can be entered by a container's user. */
async function clinic(): Promise<Workbench & { readonly tempDir: string }> {
  const cluster = await startCluster({ binaries });
  onTestFinished(() => cluster.stop());
  const env = { PGHOST: cluster.socket, PGPORT: String(cluster.port), PGUSER: cluster.user };
  const psql = [join(binaries, "psql")] as const;
  await runScript({ psql, env: { ...env, PGDATABASE: "postgres" } }, "CREATE DATABASE clinic TEMPLATE template0;\n");
  await runScript({ psql, env: { ...env, PGDATABASE: "clinic" } }, clinicSql({ patients: 200 }));
  const tempDir = await mkdtemp(join(tmpdir(), "holdfast-docker-"));
  await chmod(tempDir, 0o755);
  onTestFinished(() => rm(tempDir, { recursive: true, force: true }));
  const here = await workbench(`postgresql://${cluster.user}@localhost:${cluster.port}/clinic?host=${encodeURIComponent(cluster.socket)}`, {
    HOLDFAST_DIGESTS: "all", HOLDFAST_DRILL_SCRATCH: "docker", HOLDFAST_DRILL_IMAGE: "holdfast-test/drill-postgres:{major}", HOLDFAST_TEMP_DIR: tempDir,
  });
  await here.ok("repository", "init");
  await here.ok("backup");
  return { ...here, tempDir };
}

const scratches = async (tempDir: string): Promise<string[]> => (await docker("ps", "-a", "--filter", "name=holdfast-drill-", "--format", "{{.Names}} {{.Mounts}}")).split("\n").filter((line) => line.includes(tempDir));

test.each(["tmpfs", "volume"])("a drill in a container with its data in a %s passes, and leaves neither container nor folder", async (storage) => {
  const here = await clinic();
  here.env["HOLDFAST_DRILL_STORAGE"] = storage;
  const drill = (await here.ok("drill", "restore", "--json")).json<DrillJson>();
  expect(drill).toMatchObject({ verdict: "pass", method: { provider: "docker", description: expect.stringContaining("without network") as string }, scratchRemoved: { removed: true } });
  expect(drill.checks.find(({ id }) => id === "amcheck")).toMatchObject({ outcome: "pass" });
  expect(await readdir(here.tempDir)).toEqual([]);
  expect(await scratches(here.tempDir)).toEqual([]);
});

test("what drills in containers leave that are killed is gone after drill clean", async () => {
  const here = await clinic();
  for (const step of ["provision", "provision", "restore", "checks", "remove"]) {
    const running = here.start("drill", "restore", "--log-format", "json");
    let heard = "";
    running.stderr.on("data", (chunk: Buffer) => {
      heard += chunk.toString();
      if (heard.includes(`"step-started","step":"${step}"`)) setTimeout(() => running.kill("SIGKILL"), Math.random() * (step === "provision" ? 2_000 : 100));
    });
    await running;
  }
  expect((await here.ok("drill", "clean", "--json")).json<CleanResult>().left).toEqual([]);
  expect(await readdir(here.tempDir)).toEqual([]);
  expect(await scratches(here.tempDir)).toEqual([]);
  expect((await execa("docker", ["volume", "ls", "-q", "--filter", "label=holdfast.drill"], { reject: false })).stdout).toBe("");
});
