/** The application on the copy: real programs and real HTTP, from every way to pass to every way not to. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";

import type { SmokeTest } from "../../../src/config/drill-settings.ts";
import type { Finding } from "../../../src/drill/checks/check.ts";
import { runSmokeTest } from "../../../src/drill/checks/smoke.ts";
import { source } from "../../harness/databases.ts";
import { freePort } from "../../harness/owned-folders.ts";
import { planted, plantedRows } from "./planted.ts";

const signal = new AbortController().signal;
const copy = "postgresql://nobody@127.0.0.1:1/copy";

function smoke(test: Partial<SmokeTest>, { url = copy, abort = signal } = {}): Promise<Finding> {
  return runSmokeTest({ timeoutMs: 20_000, ...test }, { url, signal: abort, drill: "d-1" });
}

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "holdfast-test-"));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** A Node program as the command. */
const node = (script: string, ...args: string[]): [string, ...string[]] => [process.execPath, "-e", script, ...args];

async function serving(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => { server.closeAllConnections(); server.close(); });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/health?key=hidden`;
}

/** An application: answers with `status` and `body` on the port that it is given. */
const application = (body: string, status = 200): string =>
  `require("node:http").createServer((_, response) => response.writeHead(${status}).end(${JSON.stringify(body)})).listen(Number(process.argv[1]), "127.0.0.1")`;

test("a command that exits with 0 passes, and its output is counted, not shown", async () => {
  expect(await smoke({ command: node("console.log('åb'); console.error('x')") })).toEqual({ outcome: "pass", detail: "the command exited with 0; it wrote 4 bytes to stdout and 2 to stderr" });
});

test("the command finds the real copy in DATABASE_URL, and what it prints of its rows goes nowhere", async () => {
  const { url } = await source(plantedRows);
  const finding = await smoke({ command: ["sh", "-c", 'psql "$DATABASE_URL" -XAtc "SELECT * FROM people" | tee /dev/stderr; psql "$DATABASE_URL" -XAtc "SELECT ssn::int FROM people"'] }, { url });
  expect(finding).toMatchObject({ outcome: "fail", detail: expect.stringMatching(/^the command exited with 1; it wrote \d\d+ bytes to stdout and \d\d+ to stderr$/) as string });
  for (const value of [...planted, url]) expect(JSON.stringify(finding)).not.toContain(value);
});

test("the command gets none of our environment's secrets", async () => {
  process.env["HOLDFAST_SIGNING_KEY_FILE"] = "/secret";
  onTestFinished(() => { delete process.env["HOLDFAST_SIGNING_KEY_FILE"]; });
  const path = join(await folder(), "env");
  await smoke({ command: node("require('node:fs').writeFileSync(process.argv[1], JSON.stringify(process.env))", path) });
  const env = JSON.parse(await readFile(path, "utf8")) as Record<string, string>;
  expect(env).toMatchObject({ DATABASE_URL: copy, HOLDFAST_DRILL: "d-1" });
  expect(env).not.toHaveProperty("HOLDFAST_SIGNING_KEY_FILE");
});

test.each<readonly [string, [string, ...string[]], string]>([
  ["exits with another status", node("process.exit(7)"), "the command exited with 7"],
  ["is ended by a signal", node("process.kill(process.pid, 'SIGKILL')"), "the command was ended by SIGKILL"],
])("a command that %s fails", async (_how, command, detail) => {
  const finding = await smoke({ command });
  expect(finding.outcome).toBe("fail");
  expect(finding.detail).toContain(detail);
});

test.each<readonly [string, [string, ...string[]], string]>([
  ["does not exist", ["holdfast-no-such-program"], "the command could not be run (ENOENT)"],
  ["may not be executed", [import.meta.filename], "the command could not be run (EACCES)"],
])("a command that %s verifies nothing", async (_how, command, detail) => {
  const finding = await smoke({ command });
  expect(finding.outcome).toBe("unverified");
  expect(finding.detail).toContain(detail);
});

test("a scratch that cannot be reached from here verifies nothing, and nothing is started", async () => {
  const path = join(await folder(), "started");
  const place = { url: undefined, signal, drill: "d-1" };
  expect(await runSmokeTest({ command: ["touch", path], timeoutMs: 1_000 }, place)).toMatchObject({ outcome: "unverified" });
  await expect(readFile(path)).rejects.toThrow("ENOENT");
});

/** Those that still run of the processes whose ids were written to a file. */
async function alive(pidFile: string): Promise<number[]> {
  const pids = (await readFile(pidFile, "utf8").catch(() => "")).split("\n").filter((line) => line !== "").map(Number);
  const running: number[] = [];
  for (const pid of pids) {
    const state = /^State:\s+(\S)/m.exec(await readFile(`/proc/${pid}/status`, "utf8").catch(() => ""))?.[1];
    if (state !== undefined && state !== "Z") running.push(pid);
  }
  return running;
}

test("a command that does not end in time fails, and is ended with everything that it started, deaf ones too", async () => {
  const pids = join(await folder(), "pids");
  const deaf = "trap '' TERM; echo $$ >> \"$0\"; while :; do sleep 60; done";
  const finding = await smoke({ command: ["sh", "-c", `sh -c '${deaf.replaceAll("'", "'\\''")}' "$0" & echo $! >> "$0"; echo $$ >> "$0"; wait; sleep 60`, pids], timeoutMs: 1_000 });
  expect(finding).toMatchObject({ outcome: "fail", detail: expect.stringContaining("the command did not end within 1 s") as string });
  expect((await readFile(pids, "utf8")).split("\n").length).toBeGreaterThan(2);
  expect(await alive(pids)).toEqual([]);
});

test("children that outlive their command, and hold its output, are ended too and do not keep us", async () => {
  const pids = join(await folder(), "pids");
  const finding = await smoke({ command: ["sh", "-c", 'sleep 300 & echo $! >> "$0"', pids] });
  expect(finding.outcome).toBe("pass");
  expect(await alive(pids)).toEqual([]);
});

test("a cancellation ends the command and is thrown", async () => {
  const pids = join(await folder(), "pids");
  const abort = new AbortController();
  const running = smoke({ command: ["sh", "-c", 'echo $$ >> "$0"; exec sleep 300', pids] }, { abort: abort.signal });
  await expect.poll(() => alive(pids), { timeout: 10_000 }).toHaveLength(1);
  abort.abort();
  await expect(running).rejects.toMatchObject({ code: "cancelled" });
  expect(await alive(pids)).toEqual([]);
});

test("a command that serves is probed until it answers as expected, and is ended then", async () => {
  const port = await freePort();
  const http = { url: `http://127.0.0.1:${port}/api/health`, status: 200, bodyMatches: '"ok":\\s*true' };
  const finding = await smoke({ command: node(`setTimeout(() => { ${application('{"ok": true}')} }, 300)`, String(port)), http });
  expect(finding).toEqual({ outcome: "pass", detail: `http://127.0.0.1:${port}/api/health answered with status 200, with a body that matches; it wrote 0 bytes to stdout and 0 to stderr` });
  await expect(fetch(http.url)).rejects.toThrow();
});

test("a probe that never answers as expected fails, and tells status and network, never the body", async () => {
  const body = planted.join(" ");
  const wrong = await serving((_, response) => response.writeHead(500).end(body));
  const cases: readonly (readonly [url: string, bodyMatches: string | undefined, status: number, last: RegExp])[] = [
    [wrong, undefined, 200, /did not answer as expected \(status 200\) within 0.7 s; the last of \d+ attempts: status 500/],
    [wrong, "^ok$", 500, /\(status 500 and a matching body\).*: status 500, with a body that does not match/],
    [`http://127.0.0.1:${await freePort()}/`, undefined, 200, /: no answer \(ECONNREFUSED\)/],
    [await serving(() => undefined), undefined, 200, /the last of 1 attempts: no answer/],
  ];
  for (const [url, bodyMatches, status, last] of cases) {
    const finding = await smoke({ http: { url, status, bodyMatches }, timeoutMs: 700 });
    expect(finding.outcome).toBe("fail");
    expect(finding.detail).toMatch(last);
    for (const value of [...planted, "hidden"]) expect(finding.detail).not.toContain(value);
  }
});

test("a probe without a command passes, saying that nobody here knows whose application answered", async () => {
  const url = await serving((_, response) => response.writeHead(204).end());
  expect(await smoke({ http: { url, status: 204 } })).toEqual({ outcome: "pass", detail: `${url.replace("?key=hidden", "")} answered with status 204; no command was started for it, so only its operator knows that it runs on the copy` });
});

test.each([0, 3])("a server that exits early, with %s, fails", async (code) => {
  const http = { url: `http://127.0.0.1:${await freePort()}/`, status: 200 };
  const finding = await smoke({ command: node(`process.exit(${code})`), http });
  expect(finding).toMatchObject({ outcome: "fail", detail: expect.stringContaining(`before ${http.url} answered as expected, the command exited with ${code}`) as string });
});

test("a server that does not exist verifies nothing", async () => {
  const finding = await smoke({ command: ["holdfast-no-such-program"], http: { url: `http://127.0.0.1:${await freePort()}/`, status: 200 } });
  expect(finding).toMatchObject({ outcome: "unverified" });
});

test("what answers before the command was started is not mistaken for it", async () => {
  const url = await serving((_, response) => response.writeHead(200).end("the production site"));
  const path = join(await folder(), "started");
  await writeFile(path, "");
  const finding = await smoke({ command: ["rm", path], http: { url, status: 200 } });
  expect(finding).toMatchObject({ outcome: "unverified", detail: expect.stringContaining("something answers at") as string });
  expect(await readFile(path, "utf8")).toBe("");
});
