/** Looking at a deploy of a real database with an application that answers over HTTP, and at what is known of it afterwards. */
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

import { readAudit } from "../../../src/app/audit.ts";
import { verifyBackups } from "../../../src/app/backup/verify-backup.ts";
import { listDatabaseCheckpoints, showCheckpoint } from "../../../src/app/checkpoint/show-checkpoints.ts";
import { verifyCheckpoint } from "../../../src/app/checkpoint/verify-checkpoint.ts";
import { checkRepository } from "../../../src/app/repository/check-repository.ts";
import { openWorkplace } from "../../../src/app/context.ts";
import { renderCheckpoint, renderCheckpoints } from "../../../src/cli/checkpoint-view.ts";
import { type DeployedEntry, listDeployed } from "../../../src/rollback/checkpoint/records.ts";
import { openAs, type Deployment, deployment } from "../../harness/checkpoints.ts";
import { containing } from "../../harness/context.ts";

const look = (there: Deployment, of?: string) => verifyCheckpoint(there.on.context, { of, runsOn: there.platform });

async function seen({ on }: Deployment): Promise<DeployedEntry[]> {
  const workplace = await openWorkplace(on.context);
  try {
    return await listDeployed(workplace.repository, "ehr");
  } finally {
    await workplace.close();
  }
}

test("a deploy that brought its images, its migration and its version is good, and that is signed", async () => {
  const there = await deployment();
  const { id } = await there.checkpoint();
  await there.deploy();
  const { deployed, running, warnings } = await look(there, "1.4.2");
  expect(deployed).toMatchObject({ checkpoint: id, release: "1.4.2", verdict: "good", problems: [], health: { healthy: true, version: "1.4.2" }, ledgers: [{ head: "2_widen" }], errorBudget: null });
  expect([running, warnings]).toEqual(["1.4.1", []]);
  expect((await seen(there)).map((entry) => entry.deployed)).toEqual([deployed]);
  expect((await readAudit(there.on.context, { last: 1 }))[0]).toMatchObject({ action: "checkpoint verify", outcome: "ok", subject: { checkpoint: id, release: "1.4.2", verdict: "good" } });
});

test("a bad deploy ends with 24, which nothing else does, names the way back, and is recorded all the same", async () => {
  const there = await deployment();
  const { id } = await there.checkpoint();
  there.platform.deploy("1.4.2");
  there.app.answer = undefined;
  const failure: unknown = await look(there).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: "deploy-bad", exitCode: 24, message: containing("the deploy of 1.4.2 is bad: the health check did not pass often enough in a row: 0 of "), hints: [containing("holdfast rollback plan --to 1.4.1 --database ehr"), containing("verify again")] });
  const [entry] = await seen(there);
  expect(entry?.deployed).toMatchObject({ checkpoint: id, verdict: "bad", problems: [containing("status 503, but must be 200"), "1 migration of the release is not applied: 2_widen"] });
  expect((await readAudit(there.on.context, { last: 1 }))[0]).toMatchObject({ action: "checkpoint verify", outcome: "failed", code: "deploy-bad", subject: { verdict: "bad" } });
});

describe("a deploy of which a replica does not run", () => {
  const stuck = "deployment worker: 0 of 2 replicas are there";
  const seenFor = async (looks: number) => {
    const there = await deployment();
    await there.checkpoint();
    await there.deploy();
    let looked = 0;
    return { ...there, platform: { ...there.platform, observe: () => Promise.resolve(looked++ < looks ? [{ workload: "deployment/worker", replicas: [], problem: stuck }] : []) } };
  };

  test("is bad, although the application is healthy", async () => {
    const there = await seenFor(Number.POSITIVE_INFINITY);
    await expect(look(there)).rejects.toMatchObject({ code: "deploy-bad", message: `the deploy of 1.4.2 is bad: ${stuck}` });
    expect((await seen(there))[0]?.deployed).toMatchObject({ verdict: "bad", problems: [stuck], health: { healthy: true } });
  });

  test("is waited for as long as the health check is", async () => {
    expect((await look(await seenFor(1))).deployed.verdict).toBe("good");
  });
});

test("an application that is well only in between is not healthy", async () => {
  const there = await deployment();
  await there.checkpoint();
  await there.deploy();
  let asked = 0;
  const well = there.app.answer;
  Object.defineProperty(there.app, "answer", { get: () => (asked++ % 3 === 2 ? undefined : well) });
  await expect(look(there)).rejects.toMatchObject({ code: "deploy-bad", message: containing("did not pass often enough in a row") });
});

test("what was expected of {release} is asked of the release that came", async () => {
  const there = await deployment();
  const rollback = there.on.context.config.databases.get("ehr")!.rollback!;
  const asking = { ...rollback, health: { ...there.app.settings, expect: { version: "{release}" } } };
  const strict = openAs(there.on, { rollback: asking });
  await there.checkpoint();
  await there.deploy();
  there.app.answer = { version: "1.4.2-rc1" };
  await expect(verifyCheckpoint(strict, { runsOn: there.platform })).rejects.toMatchObject({ message: containing("version=1.4.2-rc1, but must be 1.4.2") });
  there.app.answer = { version: "1.4.2" };
  expect((await verifyCheckpoint(strict, { runsOn: there.platform })).deployed.verdict).toBe("good");
});

describe("the hook for the error budget", () => {
  test.each([
    ["that exits with 0 is heard", "echo \"burn rate 0.2 for $HOLDFAST_RELEASE\"", { passed: true, detail: "burn rate 0.2 for 1.4.2" }],
    ["that exits otherwise makes the deploy bad", "echo 'burn rate 14' >&2; exit 3", { passed: false, detail: "sh exited with 3: burn rate 14" }],
  ])("%s", async (_what, script, errorBudget) => {
    const there = await deployment({ rollback: { errorBudget: ["sh", "-c", script] } });
    await there.checkpoint();
    await there.deploy();
    await look(there).catch(() => undefined);
    expect((await seen(there))[0]?.deployed).toMatchObject({ errorBudget, verdict: errorBudget.passed ? "good" : "bad" });
  });

  test("that is not there does not count as a yes", async () => {
    const there = await deployment({ rollback: { errorBudget: ["/nowhere/budget"] } });
    await there.checkpoint();
    await there.deploy();
    await expect(look(there)).rejects.toMatchObject({ message: containing("the error budget does not hold: budget could not be run") });
  });
});

test("what is looked at is what the checkpoint is of, and nothing else", async () => {
  const there = await deployment();
  await there.checkpoint();
  const elsewhere = { ...there.platform, address: { project: "ehr-staging", files: "/srv/ehr/compose.yaml" } };
  await expect(verifyCheckpoint(there.on.context, { runsOn: elsewhere })).rejects.toMatchObject({ code: "refused", message: containing("but the configuration names compose (project ehr-staging") });
  expect(await seen(there)).toEqual([]);
});

test("without a checkpoint, with an unknown one or with one that a stranger changed there is nothing to look at", async () => {
  const there = await deployment();
  await expect(look(there)).rejects.toMatchObject({ code: "not-found", message: "there is no checkpoint yet" });
  const { id } = await there.checkpoint();
  await expect(look(there, "9.9")).rejects.toMatchObject({ code: "not-found", message: containing("no checkpoint was taken before 9.9") });
  const file = join(there.on.folder, "repository", "ehr", "checkpoints", `${id}.json`);
  await writeFile(file, (await readFile(file, "utf8")).replace('"1.4.1"', '"1.4.0"'));
  await expect(look(there, "1.4.2")).rejects.toMatchObject({ code: "integrity", exitCode: 17 });
  expect(await seen(there)).toEqual([]);
});

test("the next checkpoint knows what runs from the last good deploy, and refuses a ledger that moved since", async () => {
  const there = await deployment();
  await there.checkpoint();
  await there.deploy();
  await look(there);
  const quiet = openAs(there.on, { rollback: { ...there.on.context.config.databases.get("ehr")!.rollback!, health: undefined } });
  const next = { release: "1.4.3", coming: { how: "unknown" }, context: quiet } as const;
  expect((await there.checkpoint(next)).checkpoint).toMatchObject({ running: "1.4.2", pending: null });
  await there.sql("INSERT INTO _prisma_migrations (id, checksum, finished_at, migration_name) VALUES ('x', 'y', now(), '3_early')");
  await expect(there.checkpoint({ ...next, release: "1.4.4" })).rejects.toMatchObject({ code: "refused", message: containing("applied since: 3_early") });
});

test("a checkpoint that was taken and is gone is damage to the repository", async () => {
  const there = await deployment();
  const { id } = await there.checkpoint();
  const check = async () => (await checkRepository(there.on.context, { level: "stat", repair: false, graceMs: 0 })).findings.filter(({ kind }) => kind.startsWith("checkpoint"));
  expect(await check()).toEqual([]);
  const file = join(there.on.folder, "repository", "ehr", "checkpoints", `${id}.json`);
  await rm(file);
  expect(await check()).toEqual([expect.objectContaining({ kind: "checkpoint", severity: "damage", key: `ehr/checkpoints/${id}.json`, detail: containing("but it is gone") })]);
});

test("a list shows each checkpoint with what came of its deploy, and those that cannot be trusted", async () => {
  const there = await deployment();
  const { id } = await there.checkpoint();
  await there.deploy();
  await look(there);
  await writeFile(join(there.on.folder, "repository", "ehr", "checkpoints", "9.9.9-20261121T020000Z.json"), JSON.stringify({ release: "9.9.9", running: "1.4.1" }));
  const listed = await listDatabaseCheckpoints(there.on.context);
  expect(listed.map(({ entry, deployed }) => [entry.id, entry.problem?.code, deployed.length])).toEqual(expect.arrayContaining([[id, undefined, 1], ["9.9.9-20261121T020000Z", "integrity", 0]]));
  const text = renderCheckpoints(listed);
  expect(text).toMatch(new RegExp(`${id} +1\\.4\\.1 +\\d{4}-\\S+ \\S+ UTC +compose +ehr-\\S+ +good`));
  expect(text).toMatch(/9\.9\.9-20261121T020000Z +- +- +- +- +UNTRUSTED/);
  expect(text).toContain("is not signed");
});

test("a page shows the images, the looks, and whether the backup is there and was verified", async () => {
  const there = await deployment();
  const { checkpoint, id } = await there.checkpoint();
  const page = async () => renderCheckpoint(await showCheckpoint(there.on.context, "1.4.2"));
  expect(await page()).toContain("there, never verified");
  expect(await page()).toContain("the deploy was not verified; `holdfast checkpoint verify 1.4.2` does it");
  await verifyBackups(there.on.context, { choice: { id: checkpoint.backup.id }, level: "hash" });
  await there.deploy();
  await look(there);
  expect(await page()).toMatch(/there, verified \(hash\) /);
  expect(await page()).toMatch(new RegExp(`service/app +1 +- +app:1\\.4\\.1 +sha256:\\S+ +holdfast/app:${id}`));
  expect(await page()).toMatch(/UTC +good/);
  await rm(join(there.on.folder, "repository", "ehr", "backups", checkpoint.backup.id), { recursive: true });
  expect((await showCheckpoint(there.on.context, id)).boundTo).toMatchObject({ state: "gone", verification: null });
  expect(await page()).toContain(`GONE: backup ${checkpoint.backup.id} is not in the repository any more`);
});
