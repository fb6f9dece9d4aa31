/** Rollbacks of a Compose project on a real engine: what ran comes back, and nothing that somebody else did is overwritten. */
import { execa } from "execa";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, onTestFinished, test, vi } from "vitest";

import { composePlatform } from "../../src/rollback/platform/compose/compose-platform.ts";
import type { PlatformState } from "../../src/rollback/platform/platform.ts";
import { composeApp, migrationOf, sweepApps } from "../harness/compose-app.ts";
import { docker } from "../harness/containers.ts";
import { stepBench } from "../harness/steps.ts";
import { asRead, caught, finding, idsOf, imagesOf, never, released, startOf } from "./compose-scene.ts";

const fixture = join(import.meta.dirname, "../fixtures/compose-step.ts");

beforeAll(sweepApps);

/** What runs, without the hash that Compose counts with or without dependencies. */
const stateOf = (state: PlatformState) => state.workloads.map(({ resolved, ...rest }) => ({ ...rest, resolved: { ...resolved, "x-holdfast": null } }));

test("what runs is captured by content, with no secret in it, whatever the shell says", async () => {
  const app = await composeApp({ workerChecked: false, appLines: ["labels:", "  owner: billing", "  webhook: https://hooks.example/T0/abc123def456ghi789"] });
  await app.deploy("1.4.1");
  // What an operator's shell holds must not lead elsewhere.
  for (const [name, value] of [["COMPOSE_FILE", "/no/such.yaml"], ["COMPOSE_PROJECT_NAME", "other"], ["COMPOSE_PROFILES", "other"], ["DOCKER_HOST", "tcp://127.0.0.1:1"], ["DOCKER_CONTEXT", "none"], ["APP_RELEASE", "9.9.9"]] as const) vi.stubEnv(name, value);
  onTestFinished(() => { vi.unstubAllEnvs(); });
  const platform = composePlatform(app.settings);
  const state = await platform.capture(never);
  vi.unstubAllEnvs();
  expect(asRead(state)).toEqual(state);
  expect(state).toMatchObject({ platform: "compose", address: { project: app.project, files: join(app.folder, "compose.yaml"), envFiles: join(app.folder, ".env"), context: "default" } });
  const id = await app.imageId("1.4.1");
  expect(state.workloads).toMatchObject([
    { kind: "service", name: "app", replicas: 1, revision: null, healthChecked: true, images: [{ container: "app", reference: "holdfast-test/app:1.4.1", id, pinned: null }] },
    { kind: "service", name: "worker", replicas: 2, revision: null, healthChecked: false, images: [{ container: "worker", reference: "holdfast-test/app:1.4.1", id, pinned: null }] },
  ]);
  const text = JSON.stringify(state);
  for (const secret of [app.password, app.sessionSecret, "abc123def456ghi789"]) expect(text).not.toContain(secret);
  expect(state.workloads[0]!.resolved).toMatchObject({
    environment: { LOG_LEVEL: "info", DATABASE_URL: expect.stringMatching(/^scrypt:[0-9a-f]{64}$/) as string, SESSION_SECRET: expect.stringMatching(/^scrypt:/) as string },
    labels: { owner: "billing", webhook: expect.stringMatching(/^scrypt:/) as string },
  });
  expect(state.settings.map(({ kind, name }) => [kind, name])).toEqual([["compose-file", join(app.folder, "compose.yaml")], ["env-file", join(app.folder, ".env")]]);
  // The same again is the same; another release is not.
  expect(await platform.capture(never)).toEqual(state);
  expect(finding(await platform.preflight(state, state, never), "health-check")).toMatchObject({ outcome: "warn", detail: "without one: worker" });

  // As most do it: the files are changed for the next release before the checkpoint is made.
  await writeFile(join(app.folder, ".env"), (await readFile(join(app.folder, ".env"), "utf8")).replace("APP_RELEASE=1.4.1", "APP_RELEASE=1.4.2"));
  const early = await platform.capture(never);
  expect(early.workloads).toEqual(state.workloads);
  expect(early.settings[1]).not.toEqual(state.settings[1]);
  expect(finding(await platform.preflight(state, early, never), "settings")).toMatchObject({ outcome: "warn", detail: `changed: ${join(app.folder, ".env")}` });
}, 120_000);

test("images come back in one step, with their configuration, and no migration job runs again", async () => {
  const { app, platform, target, now } = await released((deployed) => deployed.answers(200));
  const jobs = await app.containers("migrate");
  const database = await idsOf(app, "db");

  const findings = await platform.preflight(target, now, never);
  expect(findings.filter(({ outcome }) => outcome === "blocked")).toEqual([]);
  expect(finding(findings, "jobs")).toMatchObject({ outcome: "ok", detail: "left alone although services wait for them: migrate" });
  expect(finding(findings, "next-deploy")).toMatchObject({ outcome: "warn", detail: "the files name app holdfast-test/app:1.4.2, worker holdfast-test/app:1.4.2" });

  const step = startOf(platform, target, now);
  const bench = stepBench();
  expect(await step.isDone(bench)).toBe(false);
  await bench.perform(step);
  expect(await step.isDone(bench)).toBe(true);
  // Another process, which has only the plan, sees it as well.
  expect(await startOf(composePlatform(app.settings), target, now).isDone(bench)).toBe(true);
  const id = await app.imageId("1.4.1");
  expect([...await imagesOf(app, "app"), ...await imagesOf(app, "worker")]).toEqual([id, id, id]);
  expect(await app.answers(200)).toMatchObject({ version: "1.4.1" });
  await app.settled();
  expect(await platform.observe(target, never)).toEqual([
    { workload: "app", replicas: [{ name: `${app.project}-app-1`, images: [id], ready: true, start: expect.any(String) as string }], problem: undefined },
    { workload: "worker", replicas: [1, 2].map((at) => ({ name: `${app.project}-worker-${at}`, images: [id], ready: true, start: expect.any(String) as string })), problem: undefined },
  ]);
  expect((await platform.observe(now, never)).map(({ problem }) => problem)).toEqual([
    `app: ${app.project}-app-1 runs ${id} in place of ${await app.imageId("1.4.2")}`,
    expect.stringContaining(`worker: ${app.project}-worker-1 runs ${id}`),
  ]);
  expect((await app.containers("migrate")).map(({ id: job, startedAt }) => [job, startedAt])).toEqual(jobs.map(({ id: job, startedAt }) => [job, startedAt]));
  expect(await idsOf(app, "db")).toEqual(database);
  expect(await app.sql("SELECT count(*) FROM _prisma_migrations")).toBe("2");

  // Done again, nothing is made anew, and what runs is still described by the files; a normal deployment goes on from there.
  const made = [...await idsOf(app, "app"), ...await idsOf(app, "worker")];
  await bench.perform(step);
  expect([...await idsOf(app, "app"), ...await idsOf(app, "worker")]).toEqual(made);
  const after = await platform.capture(never);
  expect(after.workloads.map(({ name, configSha256 }) => [name, configSha256])).toEqual(target.workloads.map(({ name, configSha256 }) => [name, configSha256]));
  expect(after.workloads.map(({ resolved }) => resolved["x-holdfast"])).toEqual([expect.objectContaining({ described: true }), expect.objectContaining({ described: true })]);

  await app.deploy("1.4.2");
  await bench.perform(step);
  await bench.undo(step);
  expect(await app.answers(200)).toMatchObject({ version: "1.4.2" });
  expect(stateOf(await platform.capture(never))).toEqual(stateOf(now));
  expect(await step.isDone(bench)).toBe(false);
  expect(await app.sql(`SELECT count(*) FROM _prisma_migrations WHERE migration_name = '${migrationOf["1.4.2"]}'`)).toBe("1");
}, 240_000);

test("maintenance stops what ran, and its undo starts exactly that", async () => {
  const { app, platform, target, now } = await released(({ project }) => docker("stop", `${project}-worker-2`));
  expect(now.workloads[1]!.replicas).toBe(2);
  const bench = stepBench();
  const stop = platform.stopWriters(now);
  expect(await stop.isDone(bench)).toBe(false);
  await bench.perform(stop);
  expect(await stop.isDone(bench)).toBe(true);
  expect([...await app.containers("app"), ...await app.containers("worker")].map(({ running }) => running)).toEqual([false, false, false]);
  expect((await app.containers("db")).map(({ running }) => running)).toEqual([true]);

  // Undone after the next step was: the writers stay stopped until the undo of the maintenance, which may come after the database's.
  const start = startOf(platform, target, now);
  await bench.perform(start);
  expect(await app.answers(200)).toMatchObject({ version: "1.4.1" });
  expect(await stop.isDone(bench)).toBe(false);
  await bench.undo(start);
  expect([...await app.containers("app"), ...await app.containers("worker")].map(({ running }) => running)).toEqual([false, false, false]);
  await bench.undo(stop);
  await bench.undo(stop);
  expect([...await app.containers("app"), ...await app.containers("worker")].map(({ name, running }) => [name, running])).toEqual([[`${app.project}-app-1`, true], [`${app.project}-worker-1`, true], [`${app.project}-worker-2`, false]]);
  expect(await app.answers(200)).toMatchObject({ version: "1.4.2" });
}, 240_000);

test("what somebody else deployed since the plan is detected, and not overwritten", async () => {
  const { app, platform, target, now } = await released();
  const file = join(app.folder, "compose.yaml");
  await writeFile(file, (await readFile(file, "utf8")).replace("LOG_LEVEL: info", "LOG_LEVEL: debug"));
  await app.compose("up", "--detach", "--no-deps", "worker");
  const workers = await idsOf(app, "worker");
  const bench = stepBench();
  for (const step of [startOf(platform, target, now), platform.stopWriters(now)]) {
    expect(await caught(bench.perform(step))).toMatchObject({ code: "refused", message: expect.stringMatching(new RegExp(`^somebody else changed project ${app.project} since the plan was made: ${app.project}-worker-1 runs sha256:`)) as string });
  }
  expect(bench.facts.size).toBe(0);
  expect(await idsOf(app, "worker")).toEqual(workers);
  expect(await imagesOf(app, "app")).toEqual([await app.imageId("1.4.2")]);
  expect(finding(await platform.preflight(target, now, never), "changed")).toMatchObject({ outcome: "blocked" });
  // Who took containers away is told of as well.
  const later = await platform.capture(never);
  await docker("rm", "--force", `${app.project}-worker-2`);
  expect(await caught(bench.perform(startOf(platform, target, later)))).toMatchObject({ code: "refused", message: expect.stringContaining("worker has 1 containers, and had 2") as string });
  // A new plan, of what stands now, goes.
  await bench.perform(startOf(platform, target, await platform.capture(never)));
  expect(await imagesOf(app, "worker")).toEqual(Array.from({ length: 2 }, () => target.workloads[1]!.images[0]!.id));
}, 240_000);

test("a run that was killed half-way is taken up", async () => {
  const { app, platform, target, now } = await released();
  const id = await app.imageId("1.4.1");
  const seen = new Set<string>();
  // As Compose goes: the new container is created, the old dies and is destroyed, the new is started.
  for (const moment of ["create", "destroy", "start"]) {
    const events = execa("docker", ["events", "--filter", `label=com.docker.compose.project=${app.project}`, "--filter", `event=${moment}`, "--format", "{{.Action}}"], { reject: false, buffer: false });
    const child = execa(process.execPath, [fixture], { input: JSON.stringify({ settings: app.settings, target, now }), reject: false });
    await once(events.stdout, "data");
    child.kill("SIGKILL");
    expect((await child).signal, moment).toBe("SIGKILL");
    events.kill();
    await events;
    seen.add([...await app.containers("app"), ...await app.containers("worker")].map(({ name, image, running }) => `${name.includes("_") ? "makeshift " : ""}${image === id ? "new" : "old"} ${running ? "runs" : "stopped"}`).sort().join(", "));
    const bench = stepBench();
    bench.facts.set("start-previous", { begun: true });
    const step = startOf(platform, target, now);
    if (!(await step.isDone(bench))) await bench.perform(step);
    expect(await step.isDone(bench)).toBe(true);
    expect([...await imagesOf(app, "app"), ...await imagesOf(app, "worker")]).toEqual([id, id, id]);
    expect((await app.containers("worker")).map(({ name }) => name)).toEqual([`${app.project}-worker-1`, `${app.project}-worker-2`]);
    await bench.undo(step);
    expect(stateOf(await platform.capture(never))).toEqual(stateOf(now));
  }
  // Otherwise the moments have to be chosen anew.
  expect([...seen].join("; "), "what the kills left").toContain("makeshift");
  expect(seen.size, [...seen].join("\n")).toBeGreaterThan(1);
}, 300_000);
