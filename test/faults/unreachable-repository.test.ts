import { readdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";

import { readAudit, verifyAudit } from "../../src/app/audit.ts";
import { knownRepository, rememberRepository } from "../../src/audit/known.ts";
import { expectFault, expectHoldsExactly, lastEntry } from "./leftovers.ts";
import { contextOf, useScene } from "./scene.ts";

const scene = useScene();

test("a run whose repository is gone is remembered, and the next run that reaches it brings the entry", async () => {
  const bench = await scene().bench();
  await bench.ok("backup", "verify", "latest", "--level", "stat");
  const away = `${bench.repository}-unmounted`;
  await rename(bench.repository, away);
  await expectFault("not initialised", bench, ["backup", "--reason", "nightly"], { holds: "unknown" });
  await expectFault("not initialised", bench, ["restore", "latest", "--into", "nowhere"], { holds: "unknown" });
  await expect(readdir(bench.repository)).rejects.toThrow("ENOENT");

  await rename(away, bench.repository);
  await bench.ok("backup", "verify", "latest", "--level", "stat");
  const { context } = await contextOf(bench);
  const entries = (await readAudit(context, {})).slice(-3);
  expect(entries).toMatchObject([
    { action: "backup", outcome: "failed", code: "not-found", reason: "nightly", subject: { database: "ehr" }, recordedAt: expect.any(String) as unknown },
    { action: "restore", outcome: "failed", code: "not-found", subject: { database: "ehr", target: "nowhere" }, recordedAt: expect.any(String) as unknown },
    { action: "verify", outcome: "ok", recordedAt: null },
  ]);
  expect(await verifyAudit(context)).toMatchObject({ problems: [], warnings: [], unsigned: 0 });
  expect(await readdir(join(bench.folder, "state", "timeline", `${await repositoryId(bench)}.pending`))).toEqual([]);
  await expectHoldsExactly(bench, [scene().backup.id]);
});

test("a signing key that cannot be read is remembered too", async () => {
  const bench = await scene().bench();
  await bench.ok("backup", "verify", "latest", "--level", "stat");
  const key = bench.env["HOLDFAST_SIGNING_KEY_FILE"] ?? "";
  bench.env["HOLDFAST_SIGNING_KEY_FILE"] = join(bench.folder, "no-such-key.pem");
  expect((await bench.run("backup")).code).toBe(10);
  bench.env["HOLDFAST_SIGNING_KEY_FILE"] = key;
  await bench.ok("backup", "verify", "latest", "--level", "stat");
  const { context } = await contextOf(bench);
  expect((await readAudit(context, {})).at(-2)).toMatchObject({ action: "backup", outcome: "failed", code: "configuration" });
});

test("where no repository was ever opened nothing is kept", async () => {
  const bench = await scene().bench({}, "none");
  await expectFault("not initialised", bench, ["backup"], { holds: "unknown" });
  await expect(readdir(join(bench.folder, "state"))).rejects.toThrow("ENOENT");
});

test("a state folder that cannot be written does not fail a run whose repository takes the entry", async () => {
  const bench = await scene().bench();
  await writeFile(join(bench.folder, "state"), "a file where the folder belongs");
  await bench.ok("backup", "verify", "latest", "--level", "stat");
  bench.env["HOLDFAST_STATE_DIR"] = join(bench.folder, "elsewhere");
  expect(await lastEntry(bench)).toMatchObject({ action: "verify", outcome: "ok" });
});

test("a location is remembered with the repository that was opened there last", async () => {
  const { folder } = await scene().bench({}, "none");
  const [one, other] = ["3f2b7c1e-0000-4000-8000-000000000001", "3f2b7c1e-0000-4000-8000-000000000002"];
  expect(await knownRepository(folder, "file:///a")).toBeUndefined();
  await rememberRepository(folder, "file:///a", one);
  await rememberRepository(folder, "file:///b", other);
  expect(await knownRepository(folder, "file:///a")).toBe(one);
  await rememberRepository(folder, "file:///a", other);
  expect(await knownRepository(folder, "file:///a")).toBe(other);
  for (const name of await readdir(join(folder, "repositories"))) await writeFile(join(folder, "repositories", name), "../../somewhere\n");
  expect(await knownRepository(folder, "file:///a")).toBeUndefined();
});

async function repositoryId(bench: { readonly folder: string }): Promise<string> {
  const names = await readdir(join(bench.folder, "state", "timeline"));
  return names.find((name) => name.endsWith(".jsonl"))?.replace(".jsonl", "") ?? "";
}
