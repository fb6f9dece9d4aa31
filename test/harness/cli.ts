/** The command line as operators use it: a process of its own, its own folder, its own keys. */
import { execa } from "execa";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

import { generateKeys } from "../../src/app/keys/generate-keys.ts";

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** stdout as JSON; throws if it is none. */
  json<T>(): T;
}

export interface Workbench {
  readonly folder: string;
  /** HOLDFAST_* and DATABASE_URL; change it as a test needs. */
  readonly env: Record<string, string>;
  /** Runs holdfast to its end. */
  run(...args: string[]): Promise<Outcome>;
  /** Runs holdfast and fails the test unless it exits with 0. */
  ok(...args: string[]): Promise<Outcome>;
  /** Starts holdfast, to send it signals. */
  start(...args: string[]): RunningCli;
}

/** A holdfast that is running; awaiting it gives its end, whatever its exit code. */
export type RunningCli = ReturnType<typeof spawnCli>;

const starter = join(import.meta.dirname, "..", "..", "bin", "dev.js");

function spawnCli(args: readonly string[], folder: string, env: Readonly<Record<string, string>>) {
  return execa(process.execPath, [starter, ...args], { env: { PATH: process.env["PATH"], HOME: folder, ...env }, extendEnv: false, cwd: folder, reject: false, stdin: "ignore" });
}

/** Runs one command to its end, for those who bring their own folder and environment. @throws Error unless it exits with 0 */
export async function holdfast(args: readonly string[], folder: string, env: Readonly<Record<string, string>>): Promise<string> {
  const { exitCode, stdout, stderr } = await spawnCli(args, folder, env);
  if (exitCode !== 0) throw new Error(`holdfast ${args.join(" ")} exited with ${exitCode ?? "a signal"}\n${stdout}\n${stderr}`);
  return stdout;
}

/** A fresh workbench with keys and the location of a file repository; removed after the test. */
export async function workbench(databaseUrl: string, extra: Record<string, string> = {}): Promise<Workbench> {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-test-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const keys = await generateKeys(join(folder, "keys"));
  const env: Record<string, string> = {
    DATABASE_URL: databaseUrl,
    HOLDFAST_DATABASE: "ehr",
    HOLDFAST_REPOSITORY: `file://${join(folder, "repository")}`,
    HOLDFAST_RECIPIENTS: keys.recipient,
    HOLDFAST_IDENTITY_FILE: keys.files.identity,
    HOLDFAST_SIGNING_KEY_FILE: keys.files.signingKey,
    HOLDFAST_TRUSTED_SIGNERS: keys.files.trustedSigners,
    HOLDFAST_STATE_DIR: join(folder, "state"),
    XDG_CONFIG_HOME: join(folder, "config"),
    ...extra,
  };
  const start: Workbench["start"] = (...args) => spawnCli(args, folder, env);
  const run: Workbench["run"] = async (...args) => {
    const { exitCode = -1, stdout, stderr } = await start(...args);
    return { code: exitCode, stdout, stderr, json: <T>() => JSON.parse(stdout) as T };
  };
  const ok: Workbench["ok"] = async (...args) => {
    const outcome = await run(...args);
    if (outcome.code !== 0) throw new Error(`holdfast ${args.join(" ")} exited with ${outcome.code}\n${outcome.stdout}\n${outcome.stderr}`);
    return outcome;
  };
  return { folder, env, run, ok, start };
}
