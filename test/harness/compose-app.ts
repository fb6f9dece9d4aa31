/**
 * The application under Docker Compose: a database in a volume, a one-shot migration job, `app` behind a health check on a
 * loopback port, and two replicas of `worker`. Releases: 1.4.1; 1.4.2 adds a column that 1.4.1 can live with; 1.5.0 renames and
 * drops columns that both read, and is unhealthy itself.
 */
import { execa } from "execa";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished } from "vitest";

import type { ComposeSettings } from "../../src/config/rollback-settings.ts";
import { docker } from "./containers.ts";
import { freePort } from "./owned-folders.ts";

export type Release = "1.4.1" | "1.4.2" | "1.5.0";

/** The migrations of all releases on the host, in Prisma's layout: a folder each with its migration.sql. */
export const migrationsFolder = join(import.meta.dirname, "../fixtures/app/migrations");

/** What each release adds, in order. */
export const migrationOf = {
  "1.4.1": "20260105090000_patients_and_visits",
  "1.4.2": "20260302090000_patient_email",
  "1.5.0": "20260420090000_full_name",
} as const satisfies Record<Release, string>;

export interface AppOptions {
  /** Repository of the application's image; `holdfast-test/app` unless the test builds its own. */
  readonly image?: string;
  /** Added to compose.yaml below the service `app`, as YAML with four spaces. */
  readonly appLines?: readonly string[];
  /** False: `worker` says that it has no health check. */
  readonly workerChecked?: boolean;
}

export interface ContainerFacts {
  readonly id: string;
  readonly name: string;
  readonly image: string;
  readonly running: boolean;
  readonly startedAt: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface ComposeApp {
  readonly project: string;
  /** With compose.yaml and .env. */
  readonly folder: string;
  /** As the configuration says it: the services `app` and `worker` belong to the release. */
  readonly settings: ComposeSettings;
  readonly healthUrl: string;
  /** The database `ehr` as the host reaches it, as superuser; up after the first {@link deploy}. */
  readonly databaseUrl: string;
  readonly password: string;
  /** The value of SESSION_SECRET in compose.yaml. */
  readonly sessionSecret: string;
  /** As an operator deploys: the release goes into .env, then `docker compose up -d`, which runs the migrations first. */
  deploy(release: Release): Promise<void>;
  /** Waits until every container is healthy, or counts as unhealthy. */
  settled(): Promise<void>;
  /** Waits until /api/health answers with this status. */
  answers(status: 200 | 503): Promise<unknown>;
  /** `docker compose`, with project, file and environment file named. */
  compose(...args: string[]): Promise<string>;
  sql(script: string): Promise<string>;
  /** Containers of a service by name, the stopped ones too. */
  containers(service: string): Promise<ContainerFacts[]>;
  /** Content id of a release's image. */
  imageId(release: Release): Promise<string>;
}

async function bodyOf(answer: Response): Promise<unknown> {
  return answer.json().catch(() => undefined);
}

const yamlOf = (project: string, ports: { app: number; db: number }, sessionSecret: string, options: AppOptions): string => `\
name: ${project}
x-app: &app
  image: \${APP_IMAGE}:\${APP_RELEASE}
  environment:
    DATABASE_URL: postgresql://postgres:\${DB_PASSWORD}@db:5432/ehr?schema=public&connection_limit=5
    SESSION_SECRET: ${sessionSecret}
    LOG_LEVEL: info
services:
  db:
    image: holdfast-test/app-db:local
    environment:
      POSTGRES_DB: ehr
      POSTGRES_PASSWORD: \${DB_PASSWORD}
    volumes:
      - data:/var/lib/postgresql
    ports:
      - 127.0.0.1:${ports.db}:5432
    healthcheck:
      test: pg_isready -q -h 127.0.0.1 -U postgres
      interval: 1s
      retries: 60
  migrate:
    <<: *app
    command: migrate
    restart: "no"
    depends_on:
      db:
        condition: service_healthy
  app:
    <<: *app
    ports:
      - 127.0.0.1:${ports.app}:8080
    depends_on:
      migrate:
        condition: service_completed_successfully
${(options.appLines ?? []).map((line) => `    ${line}\n`).join("")}\
  worker:
    <<: *app
    command: worker
${options.workerChecked === false ? "    healthcheck:\n      disable: true\n" : ""}\
    deploy:
      replicas: 2
    depends_on:
      migrate:
        condition: service_completed_successfully
volumes:
  data:
`;

const prefix = "holdfast-test-app";
const lines = (text: string): string[] => text.split("\n").filter((line) => line !== "");

/** Removes a project with its containers, networks and volumes, whatever its files say now. */
export async function removeProject(project: string): Promise<void> {
  const own = ["--filter", `label=com.docker.compose.project=${project}`];
  const all = async (...list: string[]) => lines(await docker(...list, ...own));
  const containers = await all("ps", "-aq");
  if (containers.length > 0) await execa("docker", ["rm", "-f", "-v", ...containers], { reject: false });
  // What its checkpoints hold on to.
  const holders = lines(await docker("ps", "-aq", "--filter", `label=holdfast.project=${project}`));
  if (holders.length > 0) await execa("docker", ["rm", "-f", ...holders], { reject: false });
  const tags = lines(await docker("images", "--format", "{{.Repository}}:{{.Tag}}", `holdfast-checkpoint/${project}/*`));
  if (tags.length > 0) await execa("docker", ["rmi", ...tags], { reject: false });
  for (const network of await all("network", "ls", "-q")) await execa("docker", ["network", "rm", network], { reject: false });
  for (const volume of await all("volume", "ls", "-q")) await execa("docker", ["volume", "rm", volume], { reject: false });
}

function lives(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Removes the projects that tests left behind which were killed; those of tests that run are left alone. */
export async function sweepApps(): Promise<void> {
  const label = '{{.Label "com.docker.compose.project"}}';
  const projects = (await Promise.all([["ps", "-a"], ["network", "ls"], ["volume", "ls"]].map((list) => docker(...list, "--format", label)))).flatMap(lines);
  for (const project of new Set(projects)) {
    const pid = new RegExp(`^${prefix}-(\\d+)-`).exec(project)?.[1];
    if (pid !== undefined && !lives(Number(pid))) await removeProject(project);
  }
}

/** A project of its own in a temporary folder, removed after the test with its volume. Nothing runs before the first deploy. */
export async function composeApp(options: AppOptions = {}): Promise<ComposeApp> {
  const project = `${prefix}-${process.pid}-${randomBytes(3).toString("hex")}`;
  const folder = await mkdtemp(join(tmpdir(), "holdfast-test-"));
  onTestFinished(async () => {
    await removeProject(project);
    await rm(folder, { recursive: true, force: true });
  }, 60_000);
  const password = `pw-${randomBytes(8).toString("hex")}`;
  const sessionSecret = `session-${randomBytes(8).toString("hex")}`;
  const ports = { app: await freePort(), db: await freePort() };
  const image = options.image ?? "holdfast-test/app";
  const file = join(folder, "compose.yaml");
  const envFile = join(folder, ".env");
  await writeFile(file, yamlOf(project, ports, sessionSecret, options));
  const write = (release: Release) => writeFile(envFile, `APP_IMAGE=${image}\nAPP_RELEASE=${release}\nDB_PASSWORD=${password}\n`, { mode: 0o600 });
  await write("1.4.1");

  const compose = async (...args: string[]) => (await execa("docker", ["compose", "--project-name", project, "--file", file, "--env-file", envFile, ...args], { stdin: "ignore" })).stdout;
  const containers = async (service?: string): Promise<ContainerFacts[]> => {
    const ids = lines(await docker("ps", "-aq", "--filter", `label=com.docker.compose.project=${project}`, ...(service === undefined ? [] : ["--filter", `label=com.docker.compose.service=${service}`])));
    if (ids.length === 0) return [];
    // One may go between the two questions, as when a step was killed and its Compose still works.
    const told = await docker("inspect", ...ids).catch((error: unknown) => (String(error).includes("No such object") ? undefined : Promise.reject(error as Error)));
    if (told === undefined) return containers(service);
    const all = JSON.parse(told) as { Id: string; Name: string; Image: string; State: { Running: boolean; StartedAt: string }; Config: { Labels: Record<string, string> } }[];
    return all
      .map((one) => ({ id: one.Id, name: one.Name.slice(1), image: one.Image, running: one.State.Running, startedAt: one.State.StartedAt, labels: one.Config.Labels }))
      .sort((one, other) => one.name.localeCompare(other.name));
  };
  const healthUrl = `http://127.0.0.1:${ports.app}/api/health`;

  return {
    project,
    folder,
    settings: { project, files: [file], envFiles: [envFile], profiles: [], services: ["app", "worker"], context: undefined },
    healthUrl,
    databaseUrl: `postgresql://postgres:${password}@127.0.0.1:${ports.db}/ehr`,
    password,
    sessionSecret,
    deploy: async (release) => {
      await write(release);
      await compose("up", "--detach", "--quiet-pull");
    },
    settled: async () => {
      const waiting = async () => lines(await docker("ps", "--format", "{{.Names}}", "--filter", `label=com.docker.compose.project=${project}`, "--filter", "health=starting"));
      await expect.poll(waiting, { timeout: 90_000, interval: 300 }).toEqual([]);
    },
    answers: async (status) => {
      const until = Date.now() + 60_000;
      for (;;) {
        const answer = await fetch(healthUrl, { signal: AbortSignal.timeout(10_000) }).catch(() => undefined);
        const body = answer === undefined ? undefined : await bodyOf(answer);
        if (answer?.status === status) return body;
        if (Date.now() > until) throw new Error(`${healthUrl} does not answer ${status}, but ${answer?.status ?? "nothing"}: ${JSON.stringify(body)}`);
        await sleep(100);
      }
    },
    compose,
    sql: async (script) => (await execa("docker", ["compose", "--project-name", project, "--file", file, "--env-file", envFile, "exec", "-T", "db", "psql", "-h", "/tmp", "-U", "postgres", "-d", "ehr", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-f", "-"], { input: script })).stdout,
    containers,
    imageId: (release) => docker("image", "inspect", "--format", "{{.Id}}", `${image}:${release}`),
  };
}
