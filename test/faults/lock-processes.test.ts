/** One lock, several processes: what the contract says of one process holds between them, also when one is stopped or killed. */
import { execa } from "execa";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, expect, onTestFinished, test } from "vitest";

import { s3Missing, s3Server } from "../harness/s3.ts";
import { useScene } from "./scene.ts";

const fixture = join(import.meta.dirname, "..", "fixtures", "lock-contender.ts");
const key = "ehr/locks/backup.json";
const lostRenewal = /^lock-held the lock \S+ (?:was lost: its lease ran out|is held by backup on second)/;

interface Contender {
  /** Sends a command and gives the line that answers it. */
  ask(command: string): Promise<string>;
  kill(signal: NodeJS.Signals): void;
}

async function contender(location: string, name: string, leaseMs: number, env: Record<string, string>): Promise<Contender> {
  const child = execa(process.execPath, [fixture, location, key, name, String(leaseMs)], { env, reject: false });
  onTestFinished(() => { child.kill("SIGKILL"); });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<string> => {
    const { value, done } = (await lines.next()) as { value?: string; done?: boolean };
    if (done === true) throw new Error(`${name} ended: ${(await child).stderr}`);
    return value ?? "";
  };
  expect(await next()).toBe("ready");
  return {
    ask: (command) => {
      child.stdin.write(`${command}\n`);
      return next();
    },
    kill: (signal) => { child.kill(signal); },
  };
}

interface Place {
  readonly location: string;
  readonly env: Record<string, string>;
}

async function folder(): Promise<Place> {
  const path = await mkdtemp(join(tmpdir(), "holdfast-locks-"));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return { location: `file://${path}/repository`, env: {} };
}

async function bucket(): Promise<Place> {
  const server = await s3Server();
  const { accessKeyId, secretAccessKey } = server.credentials;
  return { location: server.location(await server.createBucket(), "clinic"), env: { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } };
}

async function race(open: () => Promise<Place>, rounds: number): Promise<void> {
  const { location, env } = await open();
  const eight = await Promise.all(Array.from({ length: 8 }, (_, n) => contender(location, `host${n}`, 120_000, env)));
  for (let round = 1; round <= rounds; round += 1) {
    const answers = await Promise.all(eight.map((one) => one.ask("try 0")));
    expect(answers.filter((answer) => answer === `won ${round}`), `round ${round}: ${answers.join("; ")}`).toHaveLength(1);
    const winner = answers.findIndex((answer) => answer.startsWith("won"));
    expect(answers.filter((answer) => answer.startsWith(`lock-held the lock ${key} is held by backup on host${winner} (user tester, pid `))).toHaveLength(7);
    expect(await eight[winner]?.ask("release")).toBe("released");
  }
}

/** The lease is 2 s; the others may take over 2 s later. */
async function stopped(open: () => Promise<Place>): Promise<void> {
  const { location, env } = await open();
  const [first, second] = await Promise.all([contender(location, "first", 2_000, env), contender(location, "second", 60_000, env)]);
  expect(await first.ask("try")).toBe("won 1");
  first.kill("SIGSTOP");
  expect(await second.ask("try 60000")).toBe("won 2");
  first.kill("SIGCONT");
  expect(await first.ask("publish ehr/backups/x/manifest.json")).toMatch(lostRenewal);
  expect(await second.ask("publish ehr/backups/x/manifest.json")).toBe("published");
  expect(await first.ask("release")).toBe("released");
  expect(await second.ask("publish ehr/backups/y/manifest.json")).toBe("published");
}

async function killed(open: () => Promise<Place>): Promise<void> {
  const { location, env } = await open();
  const [first, second] = await Promise.all([contender(location, "first", 2_000, env), contender(location, "second", 60_000, env)]);
  expect(await first.ask("try")).toBe("won 1");
  first.kill("SIGKILL");
  expect(await second.ask("try 0")).toMatch(/^lock-held .* is held by backup on first /);
  expect(await second.ask("try 60000")).toBe("won 2");
}

const rounds = Number(process.env["HOLDFAST_TEST_ROUNDS"] ?? 20);

describe("in a folder", () => {
  test("eight processes that race for a lock have one winner, in each of 200 rounds", () => race(folder, 200), 300_000);
  test("a killed holder's lock is taken over after its lease, not before", () => killed(folder));
  test("a holder that was stopped and wakes up after its lease cannot publish", () => stopped(folder));
});

const missing = s3Missing();
if (missing !== undefined) test.skip(`the same in a bucket (${missing})`);
else {
  describe("in a bucket", () => {
    test(`eight processes that race for a lock have one winner, in each of ${rounds} rounds`, () => race(bucket, rounds), 900_000);
    test("a killed holder's lock is taken over after its lease, not before", () => killed(bucket));
    test("a holder that was stopped and wakes up after its lease cannot publish", () => stopped(bucket));
  });
}

const scene = useScene();

describe("every command that takes the lock", () => {
  test.each([
    ["backup", ["backup", "--no-copy"], ""],
    ["repository copy", ["repository", "copy", "--to", "offsite"], "copy"],
  ] as const)("%s: exit 11 names the holder, its host and since when, and --lock-wait waits for its end", async (_, args, at) => {
    const bench = await scene().bench();
    bench.env["HOLDFAST_COPIES"] = `offsite=file://${bench.folder}/copy`;
    const location = `file://${at === "" ? bench.repository : join(bench.folder, at)}`;
    if (at !== "") await bench.ok("repository", "copy", "--to", "offsite", "--latest").then(() => rm(join(bench.folder, at, "ehr", "backups"), { recursive: true }));
    const holder = await contender(location, "elsewhere", 120_000, {});
    expect(await holder.ask("try")).toMatch(/^won /);
    const since = (JSON.parse(await readFile(join(location.slice("file://".length), key), "utf8")) as { since: string }).since;
    const refused = await bench.run(...args);
    expect(refused.code).toBe(11);
    expect(refused.stderr).toContain(`is held by backup on elsewhere (user tester, pid `);
    expect(refused.stderr).toContain(`since ${since}`);
    const waiting = bench.start(...args, "--lock-wait", "60");
    expect(await holder.ask("release")).toBe("released");
    expect((await waiting).exitCode).toBe(0);
  }, 120_000);
});

