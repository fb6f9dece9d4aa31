/** SIGKILL before and after every change that a rewrap and a shredding make to the repository. */
import { cp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";

import { checkBackupKeys } from "../../src/app/keys/check-keys.ts";
import { verifyAudit } from "../../src/app/audit.ts";
import { rewrapKeys } from "../../src/app/keys/rewrap-keys.ts";
import { showBackup } from "../../src/app/backup/show-backups.ts";
import { shredBackup } from "../../src/app/keys/shred-backup.ts";
import { verifyBackups } from "../../src/app/backup/verify-backup.ts";
import { generateIdentity } from "../../src/pipeline/age-keys.ts";
import { expectRepaired } from "../harness/repairs.ts";
import { contextOf, type FaultBench, useScene } from "../faults/scene.ts";

const scene = useScene();
const preload = join(import.meta.dirname, "..", "fixtures", "killed-at.js");

/** Runs a command under the knife. @returns whether it was killed */
async function killed(bench: FaultBench, at: string, args: readonly string[]): Promise<boolean> {
  Object.assign(bench.env, { NODE_OPTIONS: `--import ${preload}`, KILL_AT: at, KILL_MATCH: "/ehr/(backups|shredded)/" });
  const { signal, exitCode, stderr } = await bench.start(...args);
  for (const name of ["NODE_OPTIONS", "KILL_AT", "KILL_MATCH"]) Reflect.deleteProperty(bench.env, name);
  if (signal !== "SIGKILL") expect(exitCode, stderr).toBe(0);
  // The dead holder's lease runs out after two minutes; that is not the matter here.
  await rm(join(bench.repository, "ehr", "locks"), { recursive: true, force: true });
  return signal === "SIGKILL";
}

/** The backups that are listed, each of which must verify to its last row. */
async function wholeBackups(bench: FaultBench): Promise<string[]> {
  const { context } = await contextOf(bench);
  const verdicts = await verifyBackups(context, { choice: "all", level: "archive" });
  expect(verdicts.flatMap(({ id, error }) => (error ? [`${id}: ${error.message}`] : []))).toEqual([]);
  return verdicts.map(({ id }) => id).sort();
}

/** Runs `args` on a copy of the repository for each moment until one run is not killed. @returns how many were */
async function atEachMoment(bench: FaultBench, args: readonly string[], judge: (at: string) => Promise<void>): Promise<number> {
  const saved = join(bench.folder, "saved");
  await cp(bench.repository, saved, { recursive: true });
  for (let n = 1, kills = 0; ; n += 1) {
    for (const when of ["before", "after"]) {
      await rm(bench.repository, { recursive: true });
      // This host's copy of the timeline would rightly miss what it saw in the copy before.
      await rm(bench.env["HOLDFAST_STATE_DIR"]!, { recursive: true, force: true });
      await cp(saved, bench.repository, { recursive: true });
      if (!(await killed(bench, `${when} ${n}`, args))) return kills;
      kills += 1;
      await judge(`${when} ${n}`);
    }
  }
}

test("a rewrap killed at any moment leaves every backup whole and opened by somebody, and goes on when it is run again", async () => {
  const bench = await scene().bench();
  await bench.ok("backup", "--quiet");
  const own = bench.env["HOLDFAST_RECIPIENTS"]!;
  const added = await generateIdentity();
  const both = join(bench.folder, "both.txt");
  await writeFile(both, `${await readFile(bench.env["HOLDFAST_IDENTITY_FILE"]!, "utf8")}${added.identity}\n`);
  bench.env["HOLDFAST_IDENTITY_FILE"] = both;
  const ids = await wholeBackups(bench);
  expect(ids).toHaveLength(2);
  const rewrap = ["keys", "rewrap", "--add", added.recipient, "--remove", own];
  const kills = await atEachMoment(bench, rewrap, async (at) => {
    expect(await wholeBackups(bench), at).toEqual(ids);
    const { context } = await contextOf(bench);
    await expectRepaired(context, at);
    const change = { add: [added.recipient], remove: [own], dryRun: false, minimum: 1, belowMinimum: false };
    await rewrapKeys(context, change);
    const verdicts = await checkBackupKeys(context, { minimum: 1 });
    for (const verdict of verdicts) {
      expect(verdict, at).toMatchObject({ ok: true, recipients: [added.recipient], source: "record", stanzas: 1 });
      expect(verdict.identities.map(({ opens }) => opens)).toEqual([false, true]);
    }
    expect((await rewrapKeys(context, change)).backups.map(({ outcome }) => outcome)).toEqual(["unchanged", "unchanged"]);
  });
  expect(kills).toBe(12);
}, 240_000);

test("a shredding killed at any moment leaves only whole backups listed, and goes on when it is run again", async () => {
  const bench = await scene().bench();
  await bench.ok("backup", "--quiet");
  const [first, second] = await wholeBackups(bench);
  const shred = ["backup", "shred", first!, "--confirm", first!, "--reason", "erasure"];
  // Both are proved, so that neither is the last proved one.
  const kills = await atEachMoment(bench, shred, async (at) => {
    const listed = await wholeBackups(bench);
    expect([[second], [first, second]], at).toContainEqual(listed);
    const { context } = await contextOf(bench);
    // The parts of what nobody can open any more are garbage; the proof that they are closed is then about none.
    const repairedFirst = at.startsWith("before");
    if (repairedFirst) await expectRepaired(context, at);
    expect(await wholeBackups(bench), at).toEqual(listed);
    const closed = repairedFirst && !listed.includes(first!) ? {} : { closedParts: { length: 5 } };
    expect(await shredBackup(context, { id: first!, confirm: first!, reason: "erasure" }), at).toMatchObject({ record: { id: first, reason: "erasure" }, identities: 1, ...closed });
    expect(await wholeBackups(bench)).toEqual([second]);
    const left = await readdir(join(bench.repository, "ehr", "backups", first!)).catch(() => []);
    // The dead process's own mark on a file that it was about to remove is empty, and taken over by whoever comes next.
    expect(left.filter((file) => /key|manifest/.test(file) && !file.startsWith(".lock-")), at).toEqual([]);
    await expect(showBackup(context, { id: first! })).rejects.toMatchObject({ code: "not-found", message: expect.stringMatching(/was shredded on .* \(erasure\)/) as string });
    expect((await verifyAudit(context)).problems).toEqual([]);
    await expectRepaired(context, at);
  });
  // The record, the manifest, the key, and the signature of each of the two.
  expect(kills).toBe(10);
}, 240_000);
