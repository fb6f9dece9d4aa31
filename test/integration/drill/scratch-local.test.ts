/** Throwaway clusters: private, found again by their names, and gone with everything that ran in them. */
import { execa } from "execa";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { chmod, chown, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";

import { findLeftovers, removeLeftovers } from "../../../src/drill/scratch/leftovers.ts";
import { localProvider, type LocalOptions } from "../../../src/drill/scratch/local-scratch.ts";
import type { Scratch, ScratchRequest } from "../../../src/drill/scratch/scratch.ts";
import { openSession } from "../../../src/postgres/session.ts";
import { processTable } from "../../../src/process/table.ts";
import { requestOf } from "../../harness/drill.ts";

const fixture = join(import.meta.dirname, "../../fixtures/provision-scratch.ts");

/** Open to the account that servers run as. */
async function temporary(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-test-"));
  onTestFinished(async () => {
    await chmod(folder, 0o755);
    await removeLeftovers([localProvider(optionsOf(folder, { host: hostname(), now: () => new Date(8e14) }))]);
    await rm(folder, { recursive: true, force: true });
  });
  await chmod(folder, 0o755);
  return folder;
}

function optionsOf(tempDir: string, change: Partial<LocalOptions> = {}): LocalOptions {
  return { tempDir, pgBin: undefined, host: hostname(), now: () => new Date(), ...change };
}

/** Whatever of the machine's processes has to do with a folder. */
async function processesAbout(folder: string): Promise<string[]> {
  return (await processTable()).filter(({ command, folder: at, environment }) => command.includes(folder) || at?.includes(folder) === true || [...environment.values()].some((value) => value.includes(folder))).map(({ command }) => command);
}

async function provisioned(tempDir: string, change: Partial<ScratchRequest> = {}): Promise<Scratch> {
  const scratch = await localProvider(optionsOf(tempDir)).provision(requestOf(change));
  onTestFinished(async () => { await scratch.destroy(); });
  return scratch;
}

const caught = (promise: Promise<unknown>): Promise<unknown> => promise.then(() => "no error", (error: unknown) => error);

interface Child extends PromiseLike<unknown> {
  readonly pid?: number | undefined;
  readonly stdin: NodeJS.WritableStream;
  readonly stdout: NodeJS.ReadableStream;
  kill(signal: "SIGKILL"): boolean;
}

/** @param sealed - whether it makes the temporary folder read-only before it destroys the scratch, as which user */
function child(tempDir: string, sealed?: { uid?: number; gid?: number }): Child {
  const started = execa(process.execPath, [fixture, tempDir, ...(sealed ? ["sealed"] : [])], { reject: false, buffer: false, cwd: "/", ...sealed });
  onTestFinished(() => { started.kill("SIGKILL"); });
  return started;
}

async function line(from: Child): Promise<string> {
  const [data] = (await once(from.stdout, "data")) as unknown as [Buffer];
  return data.toString().trim();
}

async function killed(started: Child): Promise<void> {
  started.kill("SIGKILL");
  await started;
}

test("a scratch is a server of its own that nobody else reaches, and is gone after it", async () => {
  const tempDir = await temporary();
  const scratch = await provisioned(tempDir);
  expect(scratch).toMatchObject({ provider: "local", database: "ehr", description: expect.stringMatching(/^a throwaway PostgreSQL \S+ cluster, newer than the backed-up server's 12, on its own socket of this machine, without TCP$/) as string });
  expect((await stat(scratch.name)).mode & 0o777).toBe(0o700);
  const session = await openSession(scratch.server.target());
  expect(await session.row("SELECT current_setting('listen_addresses') AS addresses, current_setting('fsync') AS fsync")).toEqual({ addresses: "", fsync: "off" });
  await session.execute("CREATE DATABASE ehr");
  const { stdout } = await execa(scratch.server.client.command("psql")[0], ["-X", "-A", "-t", "-c", "SELECT current_database()", scratch.url!], { env: {} });
  expect(stdout).toBe("ehr");
  expect(await scratch.destroy()).toEqual([]);
  await session.close();
  expect(await readdir(tempDir)).toEqual([]);
  expect(await processesAbout(tempDir)).toEqual([]);
});

test("what twenty killed processes left is removed: folders, servers, sockets", async () => {
  const tempDir = await temporary();
  const kill = async (at: number): Promise<void> => {
    const started = child(tempDir);
    // Two at moments that matter, the others anywhere between the start of the process and that of the server.
    if (at === 0) await line(started);
    else if (at === 1) await expect.poll(() => readdir(tempDir, { recursive: true }), { timeout: 20_000, interval: 5 }).toContainEqual(expect.stringContaining(`holdfast-drill-${started.pid}-`));
    else await Promise.race([sleep(randomInt(150, 1_600)), line(started)]);
    await killed(started);
  };
  for (let at = 0; at < 20; at += 4) await Promise.all([0, 1, 2, 3].map((each) => kill(at + each)));
  const providers = [localProvider(optionsOf(tempDir))];
  expect((await findLeftovers(providers)).length).toBeGreaterThanOrEqual(2);
  expect((await findLeftovers(providers)).every(({ abandoned }) => abandoned)).toBe(true);
  const { kept, stillThere } = await removeLeftovers(providers);
  expect({ kept, stillThere }).toEqual({ kept: [], stillThere: [] });
  expect(await readdir(tempDir)).toEqual([]);
  expect(await processesAbout(tempDir)).toEqual([]);
}, 180_000);

test("the scratch of a process that lives is left alone, and its server serves on", async () => {
  const tempDir = await temporary();
  const mine = await provisioned(tempDir);
  const started = child(tempDir);
  const theirs = await line(started);
  const providers = [localProvider(optionsOf(tempDir))];
  const { kept, removed } = await removeLeftovers(providers);
  expect(removed).toEqual([]);
  expect(kept.map(({ name }) => name).sort()).toEqual([mine.name, theirs].sort());
  const session = await openSession(mine.server.target());
  expect(await session.row("SELECT 1 AS one")).toEqual({ one: 1 });
  await session.close();
  expect(await processesAbout(theirs)).not.toEqual([]);
  await killed(started);
  expect((await removeLeftovers(providers)).removed.map(({ name }) => name)).toEqual([theirs]);
  expect(await readdir(tempDir)).toEqual([mine.name.split("/").at(-1)]);
});

test("over its time, a scratch is removed though its process lives", async () => {
  const tempDir = await temporary();
  const scratch = await provisioned(tempDir);
  const { removed, stillThere } = await removeLeftovers([localProvider(optionsOf(tempDir, { now: () => requestOf().owner.expires }))]);
  expect(removed.map(({ name, owner }) => ({ name, owner }))).toEqual([{ name: scratch.name, owner: requestOf().owner }]);
  expect(stillThere).toEqual([]);
  expect(await readdir(tempDir)).toEqual([]);
});

test("what is half gone goes whole, and what is gone is gone twice", async () => {
  const tempDir = await temporary();
  const scratch = await provisioned(tempDir);
  await rm(join(scratch.name, "data"), { recursive: true, force: true });
  await rm(join(scratch.name, "scratch.json"));
  expect(await processesAbout(scratch.name)).not.toEqual([]);
  expect(await scratch.destroy()).toEqual([]);
  expect(await scratch.destroy()).toEqual([]);
  expect(await processesAbout(scratch.name)).toEqual([]);
  const other = await provisioned(tempDir);
  const server = (await processTable()).find(({ command }) => command.includes(`-D ${other.name}`));
  process.kill(server!.pid, "SIGKILL");
  expect(await other.destroy()).toEqual([]);
  expect(await readdir(tempDir)).toEqual([]);
  expect(await processesAbout(tempDir)).toEqual([]);
});

test("what cannot be removed is said to be still there", async () => {
  const tempDir = await temporary();
  // Root may remove anything, so an ordinary user tries.
  const root = process.getuid!() === 0;
  const [uid, gid] = root ? await Promise.all(["-u", "-g"].map(async (flag) => Number((await execa("id", [flag, "postgres"])).stdout))) : [];
  if (root) await chown(tempDir, uid!, gid!);
  const started = child(tempDir, root ? { uid: uid!, gid: gid! } : {});
  const folder = await line(started);
  started.stdin.write("destroy\n");
  expect(JSON.parse(await line(started))).toEqual([expect.stringMatching(new RegExp(`^folder ${folder} \\(EACCES: permission denied`))]);
  await started;
  expect(await processesAbout(folder)).toEqual([]);
  await chmod(tempDir, 0o755);
  expect((await removeLeftovers([localProvider(optionsOf(tempDir))])).removed.map(({ name }) => name)).toEqual([folder]);
});

test("an application that was tried on the copy goes with it, a person who reads its log does not", async () => {
  const tempDir = await temporary();
  const scratch = await provisioned(tempDir);
  const application = execa("sleep", ["600"], { env: { DATABASE_URL: scratch.url! }, reject: false });
  const reader = execa("tail", ["-f", join(scratch.name, "server.log")], { reject: false });
  onTestFinished(() => { application.kill("SIGKILL"); reader.kill("SIGKILL"); });
  const name = basename(scratch.name);
  await expect.poll(() => processesAbout(name), { timeout: 10_000 }).toEqual(expect.arrayContaining([expect.stringMatching(/^sleep/), expect.stringMatching(/^tail/)]));
  expect(await scratch.destroy()).toEqual([]);
  expect((await application).signal).toBe("SIGKILL");
  expect(await processesAbout(name)).toEqual([expect.stringMatching(/^tail/)]);
});

test("one that is cancelled while it is made leaves nothing", async () => {
  const tempDir = await temporary();
  const abort = new AbortController();
  const made = caught(localProvider(optionsOf(tempDir)).provision(requestOf({ signal: abort.signal })));
  await expect.poll(() => readdir(tempDir, { recursive: true }), { timeout: 20_000, interval: 5 }).toContainEqual(expect.stringMatching(/\/data\//));
  abort.abort();
  expect(await made).toMatchObject({ code: "cancelled" });
  expect(await readdir(tempDir)).toEqual([]);
  expect(await processesAbout(tempDir)).toEqual([]);
});

test("why no scratch can be had is said, and that nothing was proved", async () => {
  const tempDir = await temporary();
  const none = localProvider(optionsOf(tempDir, { binaries: () => Promise.resolve([]) }));
  expect(await none.unavailable(15)).toBe("this machine has no server programs of PostgreSQL, but the backup needs 15 or newer: install them, e.g. `apt-get install postgresql-15`");
  expect(await caught(none.provision(requestOf()))).toMatchObject({ code: "drill-unverified" });
  const broken = join(tempDir, "bin");
  await execa("mkdir", [broken]);
  await writeFile(join(broken, "initdb"), "#!/bin/sh\necho 'initdb: error: no locale of that name' >&2\nexit 1\n", { mode: 0o755 });
  const old = localProvider(optionsOf(tempDir, { binaries: () => Promise.resolve([{ major: 13, folder: broken }, { major: 14, folder: broken }]) }));
  expect(await old.unavailable(14)).toBeUndefined();
  expect(await old.unavailable(15)).toMatch(/^this machine has only the server programs of PostgreSQL 13, 14, but the backup needs 15 or newer/);
  expect(await caught(old.provision(requestOf()))).toMatchObject({ code: "drill-unverified", message: expect.stringContaining("no locale of that name") as string });
  expect(await caught(localProvider(optionsOf(tempDir)).provision(requestOf({ bytes: 1e18 })))).toMatchObject({ code: "drill-unverified", message: expect.stringMatching(/^the copy takes \d+ MB, but the temporary folder \S+ has \d+ MB left$/) as string });
  expect(await caught(localProvider(optionsOf(join(tempDir, "none"))).provision(requestOf()))).toMatchObject({ code: "drill-unverified" });
  const long = join(tempDir, "x".repeat(80));
  await execa("mkdir", [long]);
  expect(await caught(localProvider(optionsOf(long)).provision(requestOf()))).toMatchObject({ code: "drill-unverified", message: expect.stringContaining("too long for a Unix socket") as string });
  expect((await readdir(tempDir)).filter((name) => name.startsWith("holdfast-drill"))).toEqual([]);
});
