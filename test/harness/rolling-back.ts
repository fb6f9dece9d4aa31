/** Rollbacks of the application under Compose, by the command line and by processes that are killed. */
import { execa } from "execa";
import { cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { onTestFinished } from "vitest";

import type { RollbackResult } from "../../src/app/rollback/carry-out.ts";
import { openSession, type SessionTarget } from "../../src/postgres/session.ts";
import { type Workbench, workbench } from "./cli.ts";
import { compileCache } from "./compile-cache.ts";
import { type AppOptions, type ComposeApp, composeApp, migrationOf, migrationsFolder, type Release } from "./compose-app.ts";

export interface RollingBack extends Workbench {
  readonly app: ComposeApp;
  /** Takes the checkpoint before a release, with its migrations in a folder, and deploys it. */
  deployAfterCheckpoint(release: Release): Promise<string>;
}

/** Release 1.4.1 runs, with a few patients, and nothing was ever backed up. */
export async function rollingBack(options: AppOptions = {}): Promise<RollingBack> {
  const app = await composeApp(options);
  await app.deploy("1.4.1");
  await app.answers(200);
  const { project, files, envFiles, services } = app.settings;
  const here = await workbench(app.databaseUrl, {
    HOLDFAST_ROLLBACK_COMPOSE_PROJECT: project,
    HOLDFAST_ROLLBACK_COMPOSE_FILES: files.join(","),
    HOLDFAST_ROLLBACK_COMPOSE_ENV_FILES: envFiles.join(","),
    HOLDFAST_ROLLBACK_COMPOSE_SERVICES: services.join(","),
    HOLDFAST_ROLLBACK_HEALTH_URL: app.healthUrl,
    HOLDFAST_ROLLBACK_HEALTH_TIMEOUT: "60s",
    // The plugins of the engine's client lie in the home folder, which is another one here.
    DOCKER_CONFIG: process.env["DOCKER_CONFIG"] ?? join(homedir(), ".docker"),
  });
  await here.ok("repository", "init");
  return {
    ...here,
    app,
    deployAfterCheckpoint: async (release) => {
      const checkpoint = await takeCheckpoint(here, release);
      await app.deploy(release);
      return checkpoint;
    },
  };
}

/** The ids of all patients, to be compared. */
export const patientsOf = ({ app }: Pick<RollingBack, "app">): Promise<string> => app.sql("SELECT string_agg(id::text, ',' ORDER BY id) FROM patients");

/** The application's database, and those that are kept beside it. */
export const databasesOf = async ({ app }: Pick<RollingBack, "app">): Promise<string[]> => (await app.sql("SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres' ORDER BY 1")).trim().split("\n");

/** Release 1.5.0 renames columns, is unhealthy, and somebody wrote three rows since. */
export async function badReleaseOnCompose(): Promise<RollingBack & { readonly checkpoint: string; readonly before: string }> {
  const here = await rollingBack();
  await here.app.sql("INSERT INTO patients (name) SELECT 'before' FROM generate_series(1, 40)");
  const before = await patientsOf(here);
  const checkpoint = await here.deployAfterCheckpoint("1.5.0");
  await here.app.answers(503);
  await here.app.sql("INSERT INTO patients (full_name) SELECT 'in between' FROM generate_series(1, 3)");
  return { ...here, checkpoint, before };
}

/** The migrations as that release brings them. */
export async function migrationsUpTo(release: Release): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-test-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  for (const [of, name] of Object.entries(migrationOf)) {
    await mkdir(join(folder, name), { recursive: true });
    await cp(join(migrationsFolder, name), join(folder, name), { recursive: true });
    if (of === release) break;
  }
  return folder;
}

export interface Ending {
  /** Undefined where it was killed. */
  readonly code: number | undefined;
  readonly result: RollbackResult | undefined;
  readonly error: { readonly code: string; readonly message: string; readonly hints: readonly string[] } | undefined;
  /** What was told, an event a line. */
  readonly told: string;
}

/** Takes the checkpoint before a release. @returns its id */
export async function takeCheckpoint(here: Workbench, release: Release): Promise<string> {
  here.env["HOLDFAST_ROLLBACK_MIGRATIONS"] = await migrationsUpTo(release);
  return (await here.ok("checkpoint", "create", "--release", release, "--json")).json<{ id: string }>().id;
}

/** What a query finds in an application's database, as JSON. */
export async function rowsOf(target: SessionTarget, sql: string): Promise<string> {
  const session = await openSession(target);
  try {
    await session.execute("SET search_path = public");
    return JSON.stringify(await session.rows(sql));
  } finally {
    await session.close();
  }
}

/** A rollback in a process of its own. @param killAt - the event at which it dies by SIGKILL, as "step-finished swap" */
export async function rollBack(here: Pick<Workbench, "env" | "folder">, args: readonly string[], killAt?: string): Promise<Ending> {
  const script = join(import.meta.dirname, "../fixtures/roll-back.ts");
  const { exitCode, stdout, stderr } = await execa(process.execPath, [script, ...args], {
    env: { ...compileCache, PATH: process.env["PATH"], HOME: here.folder, ...here.env, ...(killAt !== undefined && { KILL_AT: killAt }) }, extendEnv: false, cwd: here.folder, reject: false, stdin: "ignore",
  });
  const said = stdout === "" ? undefined : (JSON.parse(stdout) as RollbackResult & { error?: Ending["error"] });
  return { code: exitCode, result: said?.error === undefined ? said : undefined, error: said?.error, told: stderr };
}

export interface Downtime {
  /** Milliseconds of the longest time without a good answer. */
  readonly longestMs: number;
  readonly answers: number;
}

/** A client that asks every 100 ms until it is stopped. */
export function pollingClient(url: string): { stop(): Promise<Downtime> } {
  const stopped = new AbortController();
  const running = (async (): Promise<Downtime> => {
    let lastGood = performance.now();
    let longestMs = 0;
    let answers = 0;
    while (!stopped.signal.aborted) {
      const good = await fetch(url, { signal: AbortSignal.timeout(5_000), headers: { connection: "close" } }).then(async (answer) => { await answer.body?.cancel(); return answer.status === 200; }, () => false);
      if (good) {
        longestMs = Math.max(longestMs, performance.now() - lastGood);
        lastGood = performance.now();
        answers += 1;
      }
      await sleep(100);
    }
    return { longestMs: Math.max(longestMs, performance.now() - lastGood), answers };
  })();
  return { stop: () => { stopped.abort(); return running; } };
}

/** The engine's own word on a project's containers, from now on: "start NAME", "die NAME". It keeps only the last few itself. */
export function watchEngine(project: string): { /** Waits until a line of it matches. */ until(wanted: RegExp): Promise<void>; stop(): Promise<string[]> } {
  let seen = "";
  const watching = execa("docker", ["events", "--filter", `label=com.docker.compose.project=${project}`, "--filter", "event=start", "--filter", "event=die", "--format", "{{.Action}} {{.Actor.Attributes.name}}"], { stdin: "ignore", reject: false, buffer: false });
  watching.stdout.setEncoding("utf8").on("data", (text: string) => { seen += text; });
  onTestFinished(() => { watching.kill(); });
  return {
    until: (wanted) => new Promise((resolve) => {
      const look = (): void => {
        if (!wanted.test(seen)) return;
        watching.stdout.off("data", look);
        resolve();
      };
      watching.stdout.on("data", look);
      look();
    }),
    stop: async () => {
      watching.kill();
      await watching;
      return seen.trim().split("\n");
    },
  };
}
