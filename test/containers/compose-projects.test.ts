/** Compose projects as people write them, unlike the one application that the other tests have. */
import { execa } from "execa";
import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { beforeAll, expect, onTestFinished, test } from "vitest";

import type { ComposeSettings } from "../../src/config/rollback-settings.ts";
import { composePlatform } from "../../src/rollback/platform/compose/compose-platform.ts";
import { removeProject, sweepApps } from "../harness/compose-app.ts";
import { docker } from "../harness/containers.ts";
import { stepBench } from "../harness/steps.ts";
import { asRead, caught, finding, never, startOf } from "./compose-scene.ts";

beforeAll(sweepApps);

interface Project {
  readonly settings: ComposeSettings;
  readonly folder: string;
  write(file: string, text: string): Promise<void>;
  compose(...args: string[]): Promise<string>;
}

/** A project in a folder with a space in its name. Its containers only sleep, so that they are quickly there and quickly gone. */
async function composeProject(yaml: string, services: readonly string[]): Promise<Project> {
  const project = `holdfast-test-app-${process.pid}-${randomBytes(3).toString("hex")}`;
  const above = await mkdtemp(join(tmpdir(), "holdfast-test-"));
  const folder = join(above, "my clinic");
  onTestFinished(async () => {
    await removeProject(project);
    await rm(above, { recursive: true, force: true });
  }, 60_000);
  await mkdir(folder);
  const write: Project["write"] = (file, text) => writeFile(join(folder, file), text);
  await write("compose.yaml", yaml);
  const compose: Project["compose"] = async (...args) => (await execa("docker", ["compose", "--project-name", project, ...args], { cwd: folder, stdin: "ignore" })).stdout;
  return { settings: { project, files: [join(folder, "compose.yaml")], envFiles: [], profiles: [], services, context: undefined }, folder, write, compose };
}

const sleeping = `
    entrypoint: [sleep, "1000"]
    init: true
    stop_grace_period: 1s`;

test("a service that is built and has no name for its image is recorded, and the name is not taken for its contents", async () => {
  const here = await composeProject(`services:\n  app:\n    build: .\n    env_file: app.env${sleeping}\n  mailer:\n    build: .${sleeping}\n    scale: 0\n`, ["app", "mailer"]);
  const { project } = here.settings;
  onTestFinished(async () => { await execa("docker", ["rmi", "--force", `${project}-app`, `${project}-mailer`], { reject: false }); });
  const build = async (release: string): Promise<void> => {
    await here.write("Dockerfile", `FROM holdfast-test/app:1.4.1\nLABEL holdfast-test.built=${release}\n`);
    await here.compose("build", "--quiet");
    await here.compose("up", "--detach");
  };
  await here.write("app.env", "LOG_LEVEL=info\n");
  await build("1");
  const platform = composePlatform(here.settings);
  const target = asRead(await platform.pin(await platform.capture(never), "2-20261121T020000Z", never));
  expect(target.workloads).toMatchObject([
    { name: "app", replicas: 1, images: [{ reference: `${project}-app`, id: await docker("image", "inspect", "--format", "{{.Id}}", `${project}-app`) }] },
    { name: "mailer", replicas: 0, images: [{ reference: `${project}-mailer`, id: await docker("image", "inspect", "--format", "{{.Id}}", `${project}-mailer`) }] },
  ]);
  const findings = await platform.preflight(target, target, never);
  expect(finding(findings, "next-deploy")).toMatchObject({ outcome: "ok" });
  // The files do describe what ran, although Compose counts the files with variables in the hash, and `config --hash` does not.
  expect(finding(findings, "configuration")).toBeUndefined();

  await build("2");
  expect(finding(await platform.preflight(target, asRead(await platform.capture(never)), never), "next-deploy")).toMatchObject({
    outcome: "warn",
    detail: `another image has the name by now: app ${project}-app, mailer ${project}-mailer`,
    hint: "Set the files back after the rollback, and give the names back with `docker tag`: the next `docker compose up` would bring these back.",
  });
}, 120_000);

test("a job that nobody waits for is not run again, and what was stopped is not started without a word", async () => {
  const here = await composeProject(`x-app: &app\n  image: holdfast-test/app:1.4.1${sleeping.replaceAll("\n    ", "\n  ")}\nservices:\n  app: { <<: *app }\n  reseed: { <<: *app, entrypoint: ["true"] }\n  mailer: { <<: *app, restart: unless-stopped }\n`, ["app", "reseed", "mailer"]);
  await here.compose("up", "--detach");
  await here.compose("stop", "mailer");
  await docker("wait", `${here.settings.project}-reseed-1`);
  const platform = composePlatform(here.settings);
  const target = asRead(await platform.capture(never));
  const findings = await platform.preflight(target, target, never);
  expect(finding(findings, "jobs")).toMatchObject({ outcome: "blocked", detail: "one-shot jobs among the services that are rolled back: reseed" });
  expect(finding(findings, "stopped")).toMatchObject({ outcome: "warn", detail: "stopped at the checkpoint, and started by the rollback: mailer" });
}, 120_000);

test("files that are read from another folder than they were deployed from are told of", async () => {
  const here = await composeProject(`services:\n  app:\n    image: holdfast-test/app:1.4.1${sleeping}\n    volumes: [./uploads:/uploads]\n`, ["app"]);
  await here.compose("--project-directory", dirname(here.folder), "--file", here.settings.files[0]!, "up", "--detach");
  const platform = composePlatform(here.settings);
  const state = asRead(await platform.capture(never));
  expect(finding(await platform.preflight(state, state, never), "directory")).toMatchObject({
    outcome: "warn",
    detail: `${here.settings.project}-app-1 was made in ${dirname(here.folder)}, but relative paths in the files are read from ${here.folder}, the folder of the first file`,
  });
  await here.compose("up", "--detach");
  const again = asRead(await platform.capture(never));
  expect(finding(await platform.preflight(again, again, never), "directory")).toBeUndefined();
}, 120_000);

test("what the coming release took out of the files is asked for by its name, and the engine is not blamed", async () => {
  const service = `services:\n  app:\n    image: holdfast-test/app:1.4.1${sleeping}\n`;
  const here = await composeProject(`${service}    networks: [edge]\nnetworks: { edge: {} }\n`, ["app"]);
  await here.compose("up", "--detach");
  const platform = composePlatform(here.settings);
  const target = asRead(await platform.capture(never));
  await here.write("compose.yaml", service);
  await here.compose("up", "--detach");
  const findings = await platform.preflight(target, asRead(await platform.capture(never)), never);
  expect(findings.filter(({ outcome }) => outcome === "blocked")).toMatchObject([{ id: "definitions", detail: expect.stringContaining('service "app" refers to undefined network edge') as string }]);

  await here.write("compose.yaml", service.replace("  app:", "  web:"));
  expect(await caught(platform.capture(never))).toMatchObject({ code: "configuration", hints: [expect.anything(), expect.stringContaining("bring the former files back")] as string[] });
}, 120_000);

test("a service that shares the network of another comes back beside it, and goes again", async () => {
  const yaml = (release: string): string => `x-app: &app\n  image: holdfast-test/app:${release}${sleeping.replaceAll("\n    ", "\n  ")}\nservices:\n  app: { <<: *app }\n  proxy: { <<: *app, network_mode: "service:app" }\n  helper: { <<: *app, volumes_from: [app] }\n`;
  const here = await composeProject(yaml("1.4.1"), ["app", "proxy", "helper"]);
  await here.compose("up", "--detach");
  const platform = composePlatform(here.settings);
  const target = asRead(await platform.capture(never));
  await here.write("compose.yaml", yaml("1.4.2"));
  await here.compose("up", "--detach");
  const now = asRead(await platform.capture(never));
  const bench = stepBench();
  const step = startOf(platform, target, now);
  const runs = async (release: string): Promise<void> => {
    const id = await docker("image", "inspect", "--format", "{{.Id}}", `holdfast-test/app:${release}`);
    const [app, ...others] = JSON.parse(await docker("inspect", ...["app", "proxy", "helper"].map((name) => `${here.settings.project}-${name}-1`))) as { Id: string; Image: string; HostConfig: { NetworkMode: string } }[];
    expect([app, ...others].map((one) => one?.Image)).toEqual([id, id, id]);
    expect(others[0]?.HostConfig.NetworkMode).toBe(`container:${app?.Id ?? ""}`);
  };
  await bench.perform(step);
  await runs("1.4.1");
  expect(await step.isDone(bench)).toBe(true);
  await bench.undo(step);
  await runs("1.4.2");
}, 120_000);
