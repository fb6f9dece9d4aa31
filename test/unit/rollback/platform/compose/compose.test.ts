/** What is decided without an engine: names, the environment of the tool, and which Compose is accepted. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";

import type { ComposeSettings } from "../../../../../src/config/rollback-settings.ts";
import type { PlatformState } from "../../../../../src/rollback/platform/platform.ts";
import { changesBy } from "../../../../../src/rollback/platform/compose/bring-up.ts";
import { dockerFor, envFilesOf, withheld } from "../../../../../src/rollback/platform/compose/command.ts";
import type { Container } from "../../../../../src/rollback/platform/compose/engine.ts";
import { repositoryOf, tagOf } from "../../../../../src/rollback/platform/compose/pin.ts";

const never = new AbortController().signal;
const settings: ComposeSettings = { project: "ehr", files: ["/srv/ehr/compose.yaml"], envFiles: ["/srv/ehr/.env"], profiles: ["web"], services: ["app"], context: undefined };

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "holdfast-test-"));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** A `docker` that answers as it is told. */
async function fakeDocker(script: string): Promise<string> {
  const path = await folder();
  await writeFile(join(path, "docker"), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  vi.stubEnv("PATH", `${path}:/usr/bin:/bin`);
  onTestFinished(() => { vi.unstubAllEnvs(); });
  return path;
}

test("project, files, environment files, profiles and context are named in every command", async () => {
  await fakeDocker('case "$*" in *version*) echo v2.26.1;; *) echo "$@";; esac');
  const docker = dockerFor(settings);
  expect(await docker.compose(["config"], { signal: never })).toBe("--context default compose --project-name ehr --project-directory /srv/ehr --env-file /srv/ehr/.env --profile web --file /srv/ehr/compose.yaml config\n");
  expect(await docker.compose(["up"], { signal: never, model: "{}" })).toContain(" --file - up\n");
  expect(await dockerFor({ ...settings, context: "site" }).docker(["ps"], never)).toBe("--context site ps\n");
});

test("what the shell says of projects and engines is withheld", async () => {
  expect(Object.keys(withheld({ COMPOSE_FILE: "x", COMPOSE_PROJECT_NAME: "x", COMPOSE_REMOVE_ORPHANS: "1", DOCKER_HOST: "x", DOCKER_CONTEXT: "x", DOCKER_CONFIG: "x", PATH: "x" }))).toEqual(["COMPOSE_FILE", "COMPOSE_PROJECT_NAME", "COMPOSE_REMOVE_ORPHANS", "DOCKER_HOST", "DOCKER_CONTEXT"]);
  await fakeDocker("env | grep -E '^(COMPOSE|DOCKER)_' | sort");
  for (const name of ["COMPOSE_FILE", "DOCKER_HOST", "DOCKER_CONFIG"]) vi.stubEnv(name, "/elsewhere");
  expect(await dockerFor(settings).docker(["ps"], never)).toBe("DOCKER_CONFIG=/elsewhere\n");
});

test.each(["1.29.2", "", "docker-compose version 1.29.2, build 5becea4c"])("version '%s' of Compose is refused", async (version) => {
  await fakeDocker(`echo "${version}"`);
  await expect(dockerFor(settings).compose(["config"], { signal: never })).rejects.toMatchObject({ code: "configuration", message: `docker compose is of version ${version === "" ? "unknown" : version}; version 2 or later is needed` });
});

test.each([
  ["docker: 'compose' is not a docker command.", "docker has no Compose plugin"],
  ["Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?", "this host's engine does not answer: Cannot connect to the Docker daemon"],
  ["permission denied while trying to connect to the Docker daemon socket", "this user may not use this host's engine"],
])("'%s' is told", async (said, message) => {
  await fakeDocker(`echo "${said}" >&2; exit 1`);
  await expect(dockerFor(settings).compose(["config"], { signal: never })).rejects.toMatchObject({ code: "configuration", message: expect.stringContaining(message) as string });
});

test("a value that Compose cannot interpolate is not repeated", async () => {
  await fakeDocker('case "$*" in *version*) echo 2.26.1;; *) echo \'invalid interpolation format for services.app.environment.PW: "hunter2\\${". You may need\' >&2; exit 1;; esac');
  const error: unknown = await dockerFor(settings).compose(["config"], { signal: never }).catch((caught: unknown) => caught);
  expect(String(error)).toContain("invalid interpolation format for services.app.environment.PW: …");
  expect(String(error)).not.toContain("hunter2");
});

test("without docker, that is said", async () => {
  vi.stubEnv("PATH", await folder());
  onTestFinished(() => { vi.unstubAllEnvs(); });
  await expect(dockerFor(settings).docker(["ps"], never)).rejects.toMatchObject({ code: "configuration", message: "docker is not installed, or not in PATH" });
});

test("the .env beside the files is named where no other is", async () => {
  const path = await folder();
  const own = { ...settings, files: [join(path, "compose.yaml")], envFiles: [] };
  expect(envFilesOf(own)).toEqual([]);
  await writeFile(join(path, ".env"), "A=1\n");
  expect(envFilesOf(own)).toEqual([join(path, ".env")]);
  expect(envFilesOf({ ...own, envFiles: ["/other"] })).toEqual(["/other"]);
});

test("a checkpoint's id becomes a tag, and a service a repository", () => {
  expect(tagOf("1.4.2-20261121T020000Z")).toBe("1.4.2-20261121T020000Z");
  expect(tagOf("release/1+2")).toMatch(/^release-1-2-[0-9a-f]{12}$/);
  expect(tagOf("release/1 2")).not.toBe(tagOf("release/1+2"));
  expect(tagOf("x".repeat(300))).toHaveLength(128);
  expect(repositoryOf("ehr", "app")).toBe("holdfast-checkpoint/ehr/app");
  expect(repositoryOf("ehr", "My_App")).toMatch(/^holdfast-checkpoint\/ehr\/my-app-[0-9a-f]{8}$/);
});

const state = (image: string, hash: string, replicas: number): PlatformState => ({
  platform: "compose",
  address: { project: "ehr" },
  settings: [],
  workloads: [{ kind: "service", name: "app", replicas, revision: null, configSha256: "0".repeat(64), healthChecked: true, images: [{ container: "app", reference: "app", id: image, pinned: null }], resolved: { "x-holdfast": { hashes: [hash] } } }],
});
const container = (image: string, configHash: string): Container => ({ id: "1", name: "ehr-app-1", service: "app", image, reference: "app", configHash, createdAt: new Date(0), startedAt: "", running: true, status: "running", exitCode: 0, health: null, environment: [], command: [], labels: {}, replaces: null });
const expected = { now: state("new", "n", 2), target: state("old", "o", 1), hashes: new Map([["app", "t"]]), nowHashes: new Map([["app", "u"]]) };

test("only what the plan knew or wants may be replaced", () => {
  const changes = (containers: Container[], resumed = false) => changesBy(containers, expected, resumed).length;
  expect(changes([container("new", "n"), container("new", "u")])).toBe(0);
  expect(changes([container("new", "n"), container("old", "t")])).toBe(0);
  // The checkpoint's own hash on the target's image is somebody else's doing: the plan saw the release that came after it.
  expect(changes([container("old", "o"), container("new", "n")])).toBe(1);
  expect(changes([container("new", "x"), container("new", "n")])).toBe(1);
  expect(changes([container("other", "n"), container("new", "n")])).toBe(1);
  expect(changes([container("new", "n"), container("new", "n"), container("new", "n")])).toBe(1);
  expect(changes([])).toBe(1);
  expect(changes([], true)).toBe(0);
});
