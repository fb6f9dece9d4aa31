/** What a failed run must not leave anywhere, and what it must not have touched. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, inject } from "vitest";

import { readAudit } from "../../src/app/audit.ts";
import { verifyBackups } from "../../src/app/backup/verify-backup.ts";
import { manifestFile } from "../../src/catalog/layout.ts";
import { parseManifest } from "../../src/catalog/manifest.ts";
import { type ErrorCode, errorTable } from "../../src/errors.ts";
import { literal } from "../../src/postgres/session.ts";
import type { Outcome } from "../harness/cli.ts";
import { withSession } from "../harness/postgres.ts";
import { faultMatrix, type FaultName, messagePattern } from "./matrix.ts";
import { filesBelow } from "./place.ts";
import { contextOf, type FaultBench } from "./scene.ts";

/**
 * The repository holds exactly these published backups and nothing else, and each verifies: no partial backup, no
 * stray, temporary or lock file; what else is there are its marker, its timeline and locks that were given back.
 */
export async function expectHoldsExactly(bench: FaultBench, ids: readonly string[]): Promise<void> {
  const { place } = bench;
  const expected = new Set(["holdfast.json"]);
  for (const id of ids) {
    const folder = join("ehr", "backups", id);
    const { parts } = parseManifest(await place.read(join(folder, manifestFile)), id);
    for (const file of [manifestFile, `${manifestFile}.sig`, "key.age", "key.age.sig", ...parts.map((part) => part.file)]) expected.add(join(folder, file));
  }
  const found = await place.list();
  expect(found.filter((path) => !path.startsWith("timeline/") && !path.startsWith("ehr/locks/") && path !== "ehr/index.jsonl").sort()).toEqual([...expected].sort());
  expect(found.filter((path) => /(?:^|\/)\.(?:tmp|lock)-/.test(path))).toEqual([]);
  expect(await place.unfinished()).toEqual([]);
  for (const path of found.filter((name) => name.startsWith("ehr/locks/"))) {
    expect(JSON.parse((await place.read(path)).toString())).toMatchObject({ released: expect.any(String) as unknown });
  }
  if (ids.length === 0) return;
  const { context } = await contextOf({ folder: bench.folder, env: goodEnv(bench, { HOLDFAST_STATE_DIR: join(bench.folder, "other-state") }) });
  const verdicts = await verifyBackups(context, { choice: "all", level: "archive" });
  expect(verdicts.map(({ id, ok, error }) => ({ id, ok, error: error?.message })).sort((a, b) => a.id.localeCompare(b.id))).toEqual([...ids].sort().map((id) => ({ id, ok: true, error: undefined })));
}

/** The bench's own configuration, real client programs included, whatever the test broke in it. */
function goodEnv(bench: FaultBench, changed: Record<string, string> = {}): Record<string, string> {
  return { ...bench.good, HOLDFAST_PG_BIN: "", HOLDFAST_REPOSITORY: bench.place.url, ...changed };
}

/** No process of the run is left: whatever it started inherited its HOME. Nor is a backend, or a database of its making. */
export async function expectNothingRuns(bench: FaultBench): Promise<void> {
  expect(await processesAt(bench.folder)).toEqual([]);
  const database = literal(bench.scene.database);
  await withSession("postgres", async (admin) => {
    await expect.poll(() => admin.rows(`SELECT application_name, query FROM pg_stat_activity WHERE datname = ${database}`)).toEqual([]);
    const databases = await admin.rows<{ datname: string }>(`SELECT datname FROM pg_database WHERE starts_with(datname, ${database})`);
    expect(databases.map(({ datname }) => datname).join(", ")).toBe(bench.scene.database);
  });
}

async function processesAt(home: string): Promise<string[]> {
  const pids = (await readdir("/proc").catch(() => [])).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      const environment = await readFile(`/proc/${pid}/environ`, "utf8").catch(() => "");
      return environment.split("\0").includes(`HOME=${home}`) ? [await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")] : [];
    }),
  );
  return found.flat().map((command) => command.replaceAll("\0", " "));
}

/** Neither the run's output nor any line of a timeline, here or in the repository, holds a secret or a row. */
export async function expectNoSecrets(bench: FaultBench, outcome: Outcome): Promise<void> {
  const { good } = bench;
  const identity = /AGE-SECRET-KEY-\S+/.exec(await readFile(good["HOLDFAST_IDENTITY_FILE"] ?? "", "utf8"))?.[0] ?? "no identity";
  const [, key = "no key"] = (await readFile(good["HOLDFAST_SIGNING_KEY_FILE"] ?? "", "utf8")).split("\n");
  const passwords = [inject("postgres").password, ...[good, bench.env].map((env) => new URL(env["DATABASE_URL"] ?? "").password)];
  const secretKeys = [good, bench.env].flatMap((env) => [env["HOLDFAST_REPOSITORY_SECRET_ACCESS_KEY"] ?? [], env["AWS_SECRET_ACCESS_KEY"] ?? []].flat());
  const remembered = (await bench.place.list().catch(() => [])).filter((path) => path.startsWith("timeline/"));
  const kept = await filesBelow(join(bench.folder, "state"));
  const logs = await Promise.all([...remembered.map((path) => bench.place.read(path)), ...kept.map((path) => readFile(join(bench.folder, "state", path)).catch(() => ""))]);
  const texts = [outcome.stdout, outcome.stderr, ...logs.map(String)];
  for (const secret of new Set([identity, key, ...passwords, ...secretKeys, "canary-note-"])) for (const text of texts) expect(text).not.toContain(secret);
}

/** The newest entry of the repository's timeline. */
export async function lastEntry(bench: FaultBench) {
  const { context } = await contextOf({ folder: bench.folder, env: goodEnv(bench) });
  return (await readAudit(context, {})).at(-1);
}

export interface Expectations {
  /** The action that the timeline remembers; none for what ends before there is a timeline. */
  readonly recorded?: string;
  /** Ids that must be there, whole, and nothing else; the good backup by default, `unknown` where the test harmed it. */
  readonly holds?: readonly string[] | "unknown";
}

/** Runs holdfast, and expects the row of the fault matrix: its exit code, its words, a hint, and nothing lost or left. */
export async function expectFault(name: FaultName, bench: FaultBench, args: readonly string[], expectations: Expectations = {}): Promise<Outcome> {
  return expectRow(name, bench, await bench.run(...args), expectations);
}

export async function expectRow(name: FaultName, bench: FaultBench, outcome: Outcome, { recorded, holds = [bench.scene.backup.id] }: Expectations = {}): Promise<Outcome> {
  const row = faultMatrix[name];
  const [, message = "", hint = ""] = /(?:^|\n)error: ([\s\S]*?)\n(?: {2}→ (.*)|\(exit )/.exec(outcome.stderr) ?? [];
  expect.soft(outcome.stderr).toContain(`(exit ${errorTable[row.code].exit}: ${errorTable[row.code].meaning})`);
  expect.soft(message).toMatch(messagePattern(row.reads));
  if (row.code !== "cancelled") expect.soft(hint).toMatch(/[.`>)]$/);
  expect.soft(outcome.stdout).toBe("");
  expect(outcome.code).toBe(errorTable[row.code].exit);
  await expectNoSecrets(bench, outcome);
  await expectNothingRuns(bench);
  if (recorded !== undefined) await expectRecorded(bench, recorded, row.code);
  if (holds !== "unknown") await expectHoldsExactly(bench, holds);
  return outcome;
}

export async function expectRecorded(bench: FaultBench, action: string, code: ErrorCode): Promise<void> {
  expect(await lastEntry(bench)).toMatchObject({ action, outcome: "failed", code, subject: { database: "ehr" } });
}
