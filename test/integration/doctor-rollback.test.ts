/** What doctor says about the next rollback, each check seen to hold and seen not to, on real parts but for the platform. */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";

import { databaseNamed, requireSigner, trustedSigners } from "../../src/app/context.ts";
import { diagnose, type DoctorCheck } from "../../src/app/doctor/doctor.ts";
import { checkRollback } from "../../src/app/doctor/doctor-rollback.ts";
import { openConfiguredStore } from "../../src/app/open-configured-store.ts";
import { backupFolder, checkpointKey } from "../../src/catalog/layout.ts";
import { openRepository, type Repository } from "../../src/catalog/repository.ts";
import type { Signer } from "../../src/catalog/signatures.ts";
import type { RollbackSettings } from "../../src/config/rollback-settings.ts";
import type { Checkpoint } from "../../src/rollback/checkpoint/checkpoint.ts";
import { publishBegun } from "../../src/rollback/plan/records.ts";
import { publishRehearsal } from "../../src/rollback/rehearsal/records.ts";
import { containing } from "../harness/context.ts";
import { deployment, type Deployment, openAs, rollbackDefaults } from "../harness/checkpoints.ts";
import { begunOf, rehearsalOf } from "../unit/rollback/rollback-fixture.ts";
import { sample } from "../unit/runbook/sample.ts";

const day = 86_400_000;
let place: Deployment;
beforeEach(async () => { place = await deployment(); });

/** Looks at a host whose rollbacks are configured so, some days later. */
async function examine(rollback: Partial<RollbackSettings> = {}, days = 0): Promise<(name: string) => readonly DoctorCheck[]> {
  const { context } = place.on;
  const at = openAs(place.on, { rollback: { ...databaseNamed(context.config).rollback!, ...rollback } });
  const area = await checkRollback({ ...at, clock: { now: () => new Date(Date.now() + days * day) } }, databaseNamed(at.config));
  return (name) => area!.checks.filter((check) => check.name === name);
}

test("nothing is said of rollbacks where none is configured, and one area of them where they are", async () => {
  const without = openAs(place.on, { rollback: undefined });
  expect(await checkRollback(without, databaseNamed(without.config))).toBeUndefined();
  const { checks } = await diagnose(place.on.context);
  expect(checks.filter(({ area }) => area === "rollback ehr").map(({ name, outcome }) => `${name} ${outcome}`)).toEqual([
    "platform ok", "health ok", "migrations skip", "runbooks ok", "unfinished ok", "checkpoint warn",
  ]);
});

describe("the settings", () => {
  test("a health check that answers is shown with its answer; one that says no, or says nothing, is warned of", async () => {
    expect((await examine())("health")).toMatchObject([{ outcome: "ok", detail: containing("version 1.4.1") }]);
    place.app.answer = undefined;
    expect((await examine())("health")).toMatchObject([{ outcome: "warn", detail: containing("503"), hint: containing("rollback.health") }]);
    expect((await examine({ health: { ...place.app.settings, url: "http://127.0.0.1:1/api/health" } }))("health")).toMatchObject([{ outcome: "warn", detail: containing("no answer (ECONNREFUSED)") }]);
    expect((await examine({ health: undefined }))("health")).toMatchObject([{ outcome: "warn", detail: containing("no health check is configured") }]);
  });

  test("a folder of migrations is read; one that is not there, or holds none, fails", async () => {
    const folder = join(place.on.folder, "migrations");
    const look = async () => (await examine({ migrations: folder }))("migrations");
    expect(await look()).toMatchObject([{ outcome: "fail", code: "configuration", detail: containing("there is no such file or folder"), hint: containing("rollback.migrations") }]);
    await mkdir(join(folder, "1_init"), { recursive: true });
    expect(await look()).toMatchObject([{ outcome: "fail", detail: containing("holds no migration") }]);
    await writeFile(join(folder, "1_init", "migration.sql"), "SELECT 1;");
    await writeFile(join(folder, "1_init", "down.sql"), "SELECT 1;");
    expect(await look()).toMatchObject([{ outcome: "ok", detail: `1 migration in ${folder}, 1 with reviewed down-SQL` }]);
  });

  test("runbooks are read as they would be executed: one that cannot be fails by its line", async () => {
    const folder = join(place.on.folder, "runbooks");
    const look = async () => (await examine({ runbooks: folder }))("runbooks");
    expect(await look()).toMatchObject([{ outcome: "fail", code: "configuration", detail: containing(folder) }]);
    await mkdir(folder);
    await writeFile(join(folder, "sample.md"), sample);
    expect(await look()).toMatchObject([{ outcome: "ok", detail: expect.stringMatching(/^\d+ runbooks, 1 of them one's own$/) as string }]);
    await writeFile(join(folder, "sample.md"), sample.replace("id: sample", "id: Not An Id"));
    expect(await look()).toMatchObject([{ outcome: "fail", detail: expect.stringMatching(/^1 runbook cannot be executed; \S+sample\.md:\d+: /) as string, hint: containing("holdfast runbook check") }]);
  });

  test.each<[string, Partial<RollbackSettings>, string]>([
    ["a platform whose settings are missing", { platform: "compose" }, "rollback.compose is missing"],
    ["no platform", { platform: undefined }, "no platform is configured"],
    ["a Compose file that there is not", { platform: "compose", compose: { project: "none", files: ["/no/such/compose.yaml"], envFiles: [], profiles: [], services: ["app"], context: "holdfast-no-such-context" } }, "compose.yaml"],
    ["a context of the kubeconfig that there is not", { platform: "kubernetes", kubernetes: { context: "holdfast-no-such-context", namespace: "ehr", kubeconfig: "/no/such/kubeconfig", workloads: ["deployment/app"], rolloutTimeoutMs: 1000 } }, "deployment app cannot be looked at"],
  ])("%s fails", async (_, change, detail) => {
    expect((await examine({ ...rollbackDefaults, ...change }))("platform")).toMatchObject([{ outcome: "fail", code: "configuration", detail: containing(detail), hint: expect.stringMatching(/\S/) as string }]);
  });
});

/** Writes into the repository what runs would have written. */
async function leave<T>(write: (repository: Repository, signer: Signer) => Promise<T>): Promise<T> {
  const { config } = place.on.context;
  const store = await openConfiguredStore(config);
  try {
    return await write(await openRepository(store, await trustedSigners(config)), await requireSigner(config, "checkpoint"));
  } finally {
    await store.close();
  }
}

function rehearsed({ id, running, release }: Checkpoint, at: Date, verdict: "pass" | "fail"): Promise<string> {
  return leave(async (repository, signer) => {
    const draft = rehearsalOf(at.toISOString(), repository, { checkpoint: { id, sha256: "a".repeat(64), running, release }, verdict, summary: "it did not hold" });
    return (await publishRehearsal(repository, draft, { signer, ...place.on.context })).id;
  });
}

describe("what has been", () => {
  test("without a checkpoint, and with one that nobody has rehearsed, it says what to run", async () => {
    expect((await examine())("checkpoint")).toMatchObject([{ outcome: "warn", detail: containing("nothing could be gone back to"), hint: containing("holdfast checkpoint create") }]);
    const { checkpoint } = await place.checkpoint();
    const found = await examine({}, 2);
    expect(found("checkpoint")).toMatchObject([{ outcome: "ok", detail: expect.stringMatching(new RegExp(`^${checkpoint.id}, 2 d ago: back to 1\\.4\\.1, with backup ${checkpoint.backup.id}$`)) as string }]);
    expect(found("rehearsal")).toMatchObject([{ outcome: "warn", detail: containing("was never rehearsed"), hint: containing("holdfast rollback rehearse --to 1.4.1") }]);
  });

  test("a rehearsal that passed is told with its age, an old one and one that failed are warned of", async () => {
    const { checkpoint } = await place.checkpoint();
    const passed = await rehearsed(checkpoint, new Date(), "pass");
    expect((await examine({}, 30))("rehearsal")).toMatchObject([{ outcome: "ok", detail: `${passed} passed 30 d ago` }]);
    expect((await examine({}, 32))("rehearsal")).toMatchObject([{ outcome: "warn", detail: containing("longer than the 31 days that a drill counts") }]);
    await rehearsed(checkpoint, new Date(Date.now() + 60_000), "fail");
    expect((await examine({}, 1))("rehearsal")).toMatchObject([{ outcome: "warn", detail: containing("did not pass: it did not hold") }]);
  });

  test("a checkpoint whose backup is gone fails; one that was changed is named, and an earlier one counts", async () => {
    const { checkpoint: first } = await place.checkpoint();
    await place.deploy();
    const { checkpoint: second } = await place.checkpoint({ release: "1.4.3", coming: { how: "names", names: ["3_more"] } });
    const repository = join(place.on.folder, "repository");
    await writeFile(join(repository, checkpointKey("ehr", second.id)), "{}");
    expect((await examine())("checkpoint")).toMatchObject([{ outcome: "warn", detail: containing(`${second.id} is the newest, and does not count`) }, { outcome: "ok", detail: containing(first.id) }]);
    await rm(join(repository, backupFolder("ehr", first.backup.id)), { recursive: true });
    expect((await examine())("checkpoint")).toMatchObject([{ outcome: "warn" }, { outcome: "fail", code: "integrity", detail: containing("but its backup is gone") }]);
  });

  test("a rollback that has not ended fails, as the next one would", async () => {
    expect((await examine())("unfinished")).toMatchObject([{ outcome: "ok" }]);
    const id = await leave(async (repository, signer) => {
      const begun = begunOf(new Date().toISOString(), signer.id);
      await publishBegun(repository, begun, signer);
      return begun.id;
    });
    expect((await examine())("unfinished")).toMatchObject([{ outcome: "fail", code: "refused", detail: containing(`${id} was begun`), hint: containing(`holdfast rollback resume ${id}`) }]);
  });
});
