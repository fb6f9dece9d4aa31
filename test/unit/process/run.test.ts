import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";

import { HoldfastError } from "../../../src/errors.ts";
import { registerSecret } from "../../../src/process/redact.ts";
import { runTool, startTool, ToolFailure } from "../../../src/process/run.ts";

const fixture = (name: string): string => join(import.meta.dirname, "../../fixtures/bin", name);
const shell = (script: string) => ["sh", "-c", script] as const;
const failureOf = (promise: Promise<unknown>): Promise<unknown> => promise.then(() => "no failure", (error: unknown) => error);

async function environmentOfChild(env?: Record<string, string | undefined>): Promise<Record<string, string>> {
  const { stdout } = await runTool(["env", "-0"], [], env ? { env } : {});
  return Object.fromEntries(stdout.split("\0").filter((line) => line !== "").map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]));
}

test("a child sees no secret of ours, only what it needs of the environment and what it is given", async () => {
  for (const name of ["DATABASE_URL", "HOLDFAST_REPOSITORY", "HOLDFAST_SIGNING_KEY_FILE", "AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "PGPASSWORD", "PGHOST", "PGPASSFILE", "PGOPTIONS", "SOME_TOKEN", "NODE_OPTIONS", "PSQLRC"]) vi.stubEnv(name, "ours");
  for (const name of ["DOCKER_HOST", "COMPOSE_PROJECT_NAME", "KRB5CCNAME", "HOME"]) vi.stubEnv(name, "passed on");
  onTestFinished(() => { vi.unstubAllEnvs(); });
  const env = await environmentOfChild({ PGHOST: "given", PATH: process.env["PATH"] });
  expect(Object.values(env)).not.toContain("ours");
  expect(env).toMatchObject({ PGHOST: "given", DOCKER_HOST: "passed on", COMPOSE_PROJECT_NAME: "passed on", KRB5CCNAME: "passed on", HOME: "passed on", PATH: process.env["PATH"] });
});

test("a child speaks English and keeps the operator's characters", async () => {
  vi.stubEnv("LANG", "de_DE.UTF-8");
  vi.stubEnv("LC_ALL", "fr_FR.UTF-8");
  vi.stubEnv("LC_MESSAGES", "de_DE.UTF-8");
  vi.stubEnv("LANGUAGE", "de");
  onTestFinished(() => { vi.unstubAllEnvs(); });
  const env = await environmentOfChild();
  expect(env).toMatchObject({ LANG: "de_DE.UTF-8", LC_CTYPE: "fr_FR.UTF-8", LC_MESSAGES: "C" });
  expect(env).not.toHaveProperty("LC_ALL");
  expect(env).not.toHaveProperty("LANGUAGE");
});

test("a variable that is given as undefined is taken away", async () => {
  expect(await environmentOfChild({ HOME: undefined })).not.toHaveProperty("HOME");
});

test("arguments reach the tool as they are, no shell reads them", async () => {
  const odd = ["$(touch x)", "a b", "'\"", "*", "-n", "ünï\n"];
  expect((await runTool(["printf", "%s|"], odd)).stdout).toBe(odd.map((word) => `${word}|`).join(""));
});

test("input is given whole, and a tool that has enough of it is not a failure", async () => {
  expect((await runTool(["cat"], [], { input: "a\0b\n" })).stdout).toBe("a\0b\n");
  expect((await runTool(["true"], [], { input: "x".repeat(1_000_000) })).stdout).toBe("");
});

test("a missing program is told apart from one that fails, and one that may not be executed likewise", async () => {
  expect(await failureOf(runTool(["/no/such/pg_dump"]))).toMatchObject({ name: "ToolFailure", tool: "pg_dump", missing: true, message: "pg_dump could not be run (ENOENT)" });
  const folder = await mkdtemp(join(tmpdir(), "holdfast-run-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, "psql"), "#!/bin/sh\n");
  await chmod(join(folder, "psql"), 0o644);
  expect(await failureOf(startTool([join(folder, "psql")]).done)).toMatchObject({ tool: "psql", missing: true });
});

test("a non-zero exit is a failure with its code and last words", async () => {
  const error = await failureOf(runTool(shell("echo one >&2; echo two >&2; exit 7")));
  expect(error).toBeInstanceOf(ToolFailure);
  expect(error).toMatchObject({ tool: "sh", exitCode: 7, signalName: undefined, missing: false, timedOut: false, lastLines: "one\ntwo", message: "sh exited with 7: one\ntwo" });
});

test("a tool that is killed by somebody else is a failure that names the signal", async () => {
  expect(await failureOf(runTool(shell("kill -KILL $$")))).toMatchObject({ signalName: "SIGKILL", message: "sh was ended by SIGKILL" });
});

test("a tool inside a container has its own name, not docker's", async () => {
  expect(await failureOf(runTool([fixture("half-then-3"), "exec", "-i", "-e", "PGHOST", "db", "/usr/bin/pg_dump"], ["--version"]))).toMatchObject({ tool: "pg_dump", exitCode: 3 });
  expect(await failureOf(runTool(["/no/such/docker", "exec", "-i", "db", "psql"], []))).toMatchObject({ tool: "psql", missing: true });
});

test("only the last lines are shown, without secrets", async () => {
  registerSecret("very-secret-word");
  const error = (await failureOf(runTool(shell("for n in $(seq 1 40); do echo line $n very-secret-word >&2; done; exit 1")))) as ToolFailure;
  expect(error.lastLines.split("\n")).toHaveLength(12);
  expect(error.lastLines).toContain("line 40 ***");
  expect(error.message).not.toContain("very-secret");
});

test("a tool that complains without end fills no memory, and its last words are kept", async () => {
  const before = process.memoryUsage().rss;
  for (const run of [() => runTool([fixture("complains-forever")]), () => startTool([fixture("complains-forever")]).done]) {
    expect(await failureOf(run())).toMatchObject({ exitCode: 4, lastLines: "pg_dump: error: the last words" });
  }
  expect(process.memoryUsage().rss - before).toBeLessThan(60 * 2 ** 20);
});

test("a tool that ignores the request to end is killed when its time is over", async () => {
  const error = await failureOf(runTool([fixture("deaf")], [], { timeout: 200, input: "" }));
  expect(error).toMatchObject({ timedOut: true, message: "deaf did not answer in time" });
});

test("cancelling ends the tool, deaf or not, and waits until it is gone", async () => {
  const stop = new AbortController();
  const tool = startTool([fixture("deaf")], [], { signal: stop.signal });
  await new Promise((resolve) => tool.stdout.once("data", resolve));
  stop.abort(new HoldfastError("cancelled", "cancelled by SIGTERM; nothing was published"));
  expect(await failureOf(tool.done)).toMatchObject({ code: "cancelled", message: "cancelled by SIGTERM; nothing was published" });
  await expect(readFile(`/proc/${String(tool.pid)}/cmdline`, "utf8").catch(() => "")).resolves.toBe("");
});

test("a signal that was given before the start lets nothing start", async () => {
  const marker = join(tmpdir(), `holdfast-never-${process.pid}`);
  expect(await failureOf(runTool(["touch", marker], [], { signal: AbortSignal.abort() }))).toMatchObject({ code: "cancelled" });
  await expect(readFile(marker)).rejects.toThrow("ENOENT");
});

test("a streamed tool tells its last words while it runs", async () => {
  const tool = startTool(shell("echo 'pg_dump: warning: slow' >&2; echo out; read -r line"));
  await new Promise((resolve) => tool.stdout.once("data", resolve));
  await expect.poll(() => tool.stderr()).toBe("pg_dump: warning: slow");
  tool.kill();
  expect(await failureOf(tool.done)).toMatchObject({ signalName: "SIGTERM" });
});

/** A wrapper whose own child outlives it and keeps its output open. */
const wrapper = shell("echo begun; sleep 25 & echo $! >&2; wait");
const endOrphan = (pid: number): void => { process.kill(pid, "SIGKILL"); };

test("a tool whose time is over is not waited for because of what it started itself", async () => {
  const started = Date.now();
  const error = (await failureOf(runTool(wrapper, [], { timeout: 300 }))) as ToolFailure;
  endOrphan(Number(error.lastLines));
  expect(error.timedOut).toBe(true);
  expect(Date.now() - started).toBeLessThan(15_000);
});

test("a stream of a tool that was killed ends with the tool's failure, whoever else keeps it open", async () => {
  const tool = startTool(wrapper);
  const read = (async () => {
    for await (const bytes of tool.stdout) if (String(bytes).includes("begun")) tool.kill("SIGKILL");
  })();
  expect(await failureOf(read)).toMatchObject({ name: "ToolFailure", signalName: "SIGKILL" });
  const error = (await failureOf(tool.done)) as ToolFailure;
  expect(error).toMatchObject({ name: "ToolFailure", signalName: "SIGKILL" });
  endOrphan(Number(error.lastLines));
});
