/** The commands as an operator and his pipeline use them: configuration from a file, answers as text and JSON, exit codes. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";

import { application, applied, prismaLedger } from "../../harness/checkpoints.ts";
import { workbench } from "../../harness/cli.ts";
import { source } from "../../harness/databases.ts";
import { runSql } from "../../harness/postgres.ts";

test("a deploy from its checkpoint to a look at it, good and bad", async () => {
  const database = await source(`CREATE TABLE people (id int PRIMARY KEY); ${prismaLedger}; ${applied("1_init")}`);
  const app = await application("1.4.1");
  const bench = await workbench(database.url);
  const migrations = join(bench.folder, "migrations");
  for (const name of ["1_init", "2_widen"]) {
    await mkdir(join(migrations, name), { recursive: true });
    await writeFile(join(migrations, name, "migration.sql"), "SELECT 1;");
  }
  await writeFile(join(bench.folder, "holdfast.yaml"), `databases:\n  ehr:\n    rollback:\n      platform: none\n      migrations: ${migrations}\n      health: { url: "${app.settings.url}?key=sesame", times: 2, interval: 1s, timeout: 3s }\n`);
  await bench.ok("repository", "init");
  expect((await bench.ok("checkpoint", "list")).stdout).toBe("no checkpoints yet; take one before a deploy with `holdfast checkpoint create --release NAME`");

  const created = (await bench.ok("checkpoint", "create", "--release", "1.4.2", "--reason", "CHG-217", "--json")).json<{ id: string; running: string; pending: string[]; backup: { id: string }; warnings: string[] }>();
  expect(created).toMatchObject({ running: "1.4.1", pending: ["2_widen"], warnings: [], platform: "none", healthy: true, verdict: null });
  const again = await bench.ok("checkpoint", "create", "--release", "1.4.2", "--reuse-within", "30m", "--migration", "2_widen");
  expect(again.stdout).toContain(`backup ${created.backup.id} (reused), 1 migration to come\nAfter the deploy of 1.4.2: holdfast checkpoint verify 1.4.2`);

  await runSql(database.name, applied("2_widen"));
  const late = await bench.run("checkpoint", "create", "--release", "1.4.3", "--migration", "2_widen", "--json");
  expect([late.code, late.json<{ error: { code: string } }>().error.code]).toEqual([19, "refused"]);

  app.answer = { status: "healthy", version: "1.4.2", database: "connected" };
  expect((await bench.ok("checkpoint", "verify")).stdout).toBe("1.4.2 is good: status 200, status=healthy, database=connected");
  app.answer = { status: "degraded", version: "1.4.2", database: "connected" };
  const bad = await bench.run("checkpoint", "verify", "1.4.2", "--json");
  expect([bad.code, bad.json<{ error: { code: string; hints: string[] } }>().error]).toEqual([24, expect.objectContaining({ code: "deploy-bad", hints: expect.arrayContaining([expect.stringContaining("holdfast rollback plan --to 1.4.1")]) as unknown })]);

  const [listed] = (await bench.ok("checkpoint", "list", "--json")).json<{ verdict: string }[]>();
  expect(listed).toMatchObject({ verdict: "bad" });
  const page = (await bench.ok("checkpoint", "show", created.id)).stdout;
  expect(page).toMatch(/^goes back to +1\.4\.1$/m);
  expect(page).toMatch(/^reason +CHG-217$/m);
  expect(page).not.toContain("sesame");
  expect((await bench.run("checkpoint", "show", "9.9")).code).toBe(16);
  expect((await bench.run("checkpoint", "create", "--release", "1.4.3", "--reuse-within", "soon")).code).toBe(2);
});
