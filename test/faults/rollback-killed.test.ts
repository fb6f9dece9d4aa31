/** A rollback's steps under SIGKILL, at every write of the journal and every effect: the end is as if nothing had happened. */
import { execa } from "execa";
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";

import { initRepository, openRepository } from "../../src/catalog/repository.ts";
import { generateSigningKey, loadTrustedSigners } from "../../src/catalog/signatures.ts";
import { readJournal } from "../../src/rollback/journal/read-journal.ts";
import { stateOf } from "../../src/rollback/journal/state.ts";
import { openStore } from "../../src/store/open.ts";
import { goOn, type StepWorld, worldId } from "../fixtures/step-world.ts";
import { compileCache } from "../harness/compile-cache.ts";
import { s3Missing, s3Server } from "../harness/s3.ts";

const { privateKeyPem, publicKeyPem } = generateSigningKey();
const program = join(import.meta.dirname, "..", "fixtures", "step-world.ts");
const preload = join(import.meta.dirname, "..", "fixtures", "killed-writing.js");
const ids = ["copy", "start", "stop"];

async function newWorld(remote?: Pick<StepWorld, "repository" | "credentials">): Promise<StepWorld> {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-steps-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const world: StepWorld = { folder, stateDir: join(folder, "state"), repository: `file://${join(folder, "repository")}`, ...remote };
  await mkdir(join(folder, "effects"));
  await mkdir(join(folder, "undone"));
  await writeFile(join(folder, "signing-key.pem"), privateKeyPem);
  await writeFile(join(folder, "trusted-signers.pem"), publicKeyPem);
  await writeFile(join(folder, "world.json"), JSON.stringify(world));
  const store = await openStore(world.repository, { ...(world.credentials && { credentials: world.credentials }) });
  await initRepository(store, new Date());
  await store.close();
  return world;
}

/** Runs the program in a process of its own. @returns whether it was killed */
async function inProcess({ folder }: StepWorld, mode: string, env: Record<string, string> = {}): Promise<boolean> {
  const nodeOptions = "KILL_MATCH" in env ? { NODE_OPTIONS: `--import ${preload}` } : {};
  const { signal, exitCode, stderr } = await execa(process.execPath, [program, folder, mode], { env: { ...compileCache, ...env, ...nodeOptions }, reject: false });
  if (signal !== "SIGKILL") expect(exitCode, stderr).toBe(0);
  return signal === "SIGKILL";
}

/** What the world and the journal say at the end, without what is drawn anew each time. */
async function endOf({ folder, stateDir, repository: location, credentials }: StepWorld): Promise<object> {
  const store = await openStore(location, { ...(credentials && { credentials }) });
  try {
    const repository = await openRepository(store, loadTrustedSigners(publicKeyPem, "a test"));
    const { entries, onDisk, inRepository } = await readJournal({ stateDir, repository, database: "ehr", id: worldId });
    const { steps, ended } = stateOf(entries);
    const count = (kind: string): number[] => ids.map((id) => entries.filter((entry) => entry.kind === kind && "step" in entry && entry.step === id).length);
    const [effects, undone] = [(await readdir(join(folder, "effects"))).sort(), (await readdir(join(folder, "undone"))).sort()];
    const copied = [...effects, ...undone].find((name) => name.startsWith("copy."));
    return {
      effects: effects.map((name) => name.split(".")[0]),
      undone: undone.map((name) => name.split(".")[0]),
      // What was started fits what was copied: the name that was noted is the one that was made.
      started: [...effects, ...undone].some((name) => name.startsWith(`start.with-${copied?.split(".").slice(0, 2).join(".") ?? ""}.`)),
      noted: steps.get("copy")?.facts["name"] === copied?.split(".").slice(0, 2).join("."),
      done: count("step-done"), takenBack: count("undo-done"), ended: ended?.outcome, complete: onDisk === entries.length && inRepository === entries.length,
    };
  } finally {
    await store.close();
  }
}

/** The journal's file, its objects, and the effects. */
const KILL_MATCH = String.raw`/journal\.jsonl$|/journal/\d{4}\.json$|/effects/|/undone/`;
const atOnce = 3;

/** Kills at each moment of a kind, on a copy of `start` each, until a run is not killed any more. @returns how many were */
async function atEachMoment(start: StepWorld, mode: "run" | "abort", kind: "before" | "torn", undisturbed: object): Promise<number> {
  let next = 1;
  let kills = 0;
  let over = false;
  const worker = async (): Promise<void> => {
    while (!over) {
      const at = `${kind} ${next++}`;
      const world = await copyOf(start);
      if (!(await inProcess(world, mode, { KILL_AT: at, KILL_MATCH }))) over = true;
      else {
        kills += 1;
        const elsewhere = await copyOf(world);
        await rm(elsewhere.stateDir, { recursive: true, force: true });
        expect(await inProcess(world, mode), at).toBe(false);
        expect(await endOf(world), at).toEqual(undisturbed);
        await goOn(elsewhere, mode);
        expect(await endOf(elsewhere), `${at}, on another host`).toEqual(undisturbed);
      }
      await rm(world.folder, { recursive: true, force: true });
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return kills;
}

async function copyOf(world: StepWorld): Promise<StepWorld> {
  const copy = await newWorld();
  for (const name of ["effects", "undone", "repository", "state"]) {
    await rm(join(copy.folder, name), { recursive: true, force: true });
    await cp(join(world.folder, name), join(copy.folder, name), { recursive: true }).catch(() => undefined);
  }
  return copy;
}

const run = { effects: ids, undone: [], started: true, noted: true, done: [1, 1, 1], takenBack: [0, 0, 0], ended: "done", complete: true };
const aborted = { effects: [], undone: ids, started: true, noted: true, done: [1, 1, 1], takenBack: [1, 1, 1], ended: "aborted", complete: true };

// A moment after one thing is the moment before the next: eight entries, each written, synced and named in the repository, and three effects.
const moments = 8 * 3 + 3;

test("a run that is killed at any moment goes on to the same end, here and on another host, each effect exactly once", async () => {
  const start = await newWorld();
  const undisturbed = await copyOf(start);
  expect(await inProcess(undisturbed, "run", { KILL_AT: "never 0", KILL_MATCH })).toBe(false);
  expect(await endOf(undisturbed)).toEqual(run);
  expect(await atEachMoment(start, "run", "before", run)).toBe(moments);
  expect(await atEachMoment(start, "run", "torn", run)).toBe(8);
}, 900_000);

test("an abort that is killed at any moment goes on to the same end, and takes nothing back twice", async () => {
  const start = await newWorld();
  // Killed before it could say how it ended: everything is done.
  expect(await inProcess(start, "run", { KILL_AT: "torn 8", KILL_MATCH })).toBe(true);
  const undisturbed = await copyOf(start);
  expect(await inProcess(undisturbed, "abort")).toBe(false);
  expect(await endOf(undisturbed)).toEqual(aborted);
  // `aborting`, two entries for each of the three, and the end.
  expect(await atEachMoment(start, "abort", "before", aborted)).toBe(moments);
  expect(await atEachMoment(start, "abort", "torn", aborted)).toBe(8);
}, 900_000);

test("a full disk stops the run before its next effect, and what it was about goes on when there is room", async () => {
  // The writes: begun and done of `stop`, begun, noted and done of `copy`.
  for (const [fullAt, effects] of [[1, []], [2, ["stop"]], [3, ["stop"]], [4, ["stop"]], [5, ["copy", "stop"]]] as const) {
    const world = await newWorld();
    const { exitCode, stderr } = await execa(process.execPath, [program, world.folder, "run"], { env: { FULL_AT: String(fullAt), KILL_MATCH, NODE_OPTIONS: `--import ${preload}` }, reject: false });
    expect([exitCode, stderr]).toEqual([1, expect.stringMatching(/^store-failed .*journal\.jsonl cannot be written: the disk is full/)]);
    expect(await endOf(world), `full at ${fullAt}`).toMatchObject({ effects });
    await goOn(world, "run");
    expect(await endOf(world), `full at ${fullAt}`).toEqual(run);
  }
}, 300_000);

const missing = s3Missing();
test.skipIf(missing !== undefined)(`with its repository on an S3 server a killed run goes on likewise${missing === undefined ? "" : ` (skipped: ${missing})`}`, async () => {
  const server = await s3Server();
  for (const at of ["before 1", "after 1", "before 4", "after 6", "after 8"]) {
    const world = await newWorld({ repository: server.location(await server.createBucket(), "clinic"), credentials: server.credentials });
    expect(await inProcess(world, "run", { KILL_PUT: at }), at).toBe(true);
    await rm(world.stateDir, { recursive: true, force: true });
    expect(await inProcess(world, "run"), at).toBe(false);
    expect(await endOf(world), at).toEqual(run);
  }
}, 600_000);
