/** Compose projects as people write them, unlike the one application that the other tests have. */
import { execa } from "execa";
import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, onTestFinished, test } from "vitest";

import type { ComposeSettings } from "../../src/config/rollback-settings.ts";
import { composePlatform } from "../../src/rollback/platform/compose/compose-platform.ts";
import { removeProject, sweepApps } from "../harness/compose-app.ts";
import { docker } from "../harness/containers.ts";
import { asRead, finding, never } from "./compose-scene.ts";

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
  const here = await composeProject(`services:\n  app:\n    build: .${sleeping}\n  mailer:\n    build: .${sleeping}\n    scale: 0\n`, ["app", "mailer"]);
  const { project } = here.settings;
  onTestFinished(async () => { await execa("docker", ["rmi", "--force", `${project}-app`, `${project}-mailer`], { reject: false }); });
  const build = async (release: string): Promise<void> => {
    await here.write("Dockerfile", `FROM holdfast-test/app:1.4.1\nLABEL holdfast-test.built=${release}\n`);
    await here.compose("build", "--quiet");
    await here.compose("up", "--detach");
  };
  await build("1");
  const platform = composePlatform(here.settings);
  const target = asRead(await platform.pin(await platform.capture(never), "2-20261121T020000Z", never));
  expect(target.workloads).toMatchObject([
    { name: "app", replicas: 1, images: [{ reference: `${project}-app`, id: await docker("image", "inspect", "--format", "{{.Id}}", `${project}-app`) }] },
    { name: "mailer", replicas: 0, images: [{ reference: `${project}-mailer`, id: await docker("image", "inspect", "--format", "{{.Id}}", `${project}-mailer`) }] },
  ]);
  expect(finding(await platform.preflight(target, target, never), "next-deploy")).toMatchObject({ outcome: "ok" });

  await build("2");
  expect(finding(await platform.preflight(target, asRead(await platform.capture(never)), never), "next-deploy")).toMatchObject({
    outcome: "warn",
    detail: `another image has the name by now: app ${project}-app, mailer ${project}-mailer`,
    hint: "Set the files back after the rollback, and give the names back with `docker tag`: the next `docker compose up` would bring these back.",
  });
}, 120_000);
