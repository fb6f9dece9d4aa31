import { cp, readFile, readdir, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";

import { restoreBackup } from "../../src/app/restore/restore-backup.ts";
import { listDatabaseBackups } from "../../src/app/backup/show-backups.ts";
import { verifyBackups, type VerifyLevel } from "../../src/app/backup/verify-backup.ts";
import { generateSigningKey, loadSigner } from "../../src/catalog/signatures.ts";
import { HoldfastError } from "../../src/errors.ts";
import { expectFault, expectNothingRuns } from "./leftovers.ts";
import { messagePattern, faultMatrix, type FaultName } from "./matrix.ts";
import { contextOf, type FaultBench, useScene } from "./scene.ts";

const scene = useScene();
const folderOf = (bench: FaultBench): string => join(bench.repository, "ehr", "backups", scene().backup.id);
const copy = (): string => `${scene().database}_copy`;

/** What verify says of the backup that the bench holds. */
async function verdict(bench: FaultBench, level: VerifyLevel = "hash"): Promise<HoldfastError | undefined> {
  const { context } = await contextOf(bench);
  const [only] = await verifyBackups(context, { choice: "all", level });
  return only?.error;
}

/** What a restore of the backup by its id rejects with. */
async function refusal(bench: FaultBench): Promise<HoldfastError> {
  const { context } = await contextOf(bench);
  const restored: unknown = await restoreBackup(context, {
    choice: { id: scene().backup.id }, into: copy(), swap: false, dryRun: false, tables: [], mode: "all", jobs: 1, noOwner: false, roleMap: new Map(), createRoles: false, drainMs: 0,
  }).catch((error: unknown) => error);
  if (restored instanceof HoldfastError) return restored;
  throw new Error(`expected a refusal, got ${JSON.stringify(restored)}`);
}

/** Runs verify and restore as processes and expects the same row of both; no database is left. */
async function expectBoth(fault: FaultName, bench: FaultBench): Promise<void> {
  const { id } = scene().backup;
  await expectFault(fault, bench, ["backup", "verify", id], { recorded: "verify", holds: "unknown" });
  await expectFault(fault, bench, ["restore", id, "--into", copy()], { recorded: "restore", holds: "unknown" });
}

async function flip(file: string, at: number): Promise<void> {
  const bytes = await readFile(file);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  await writeFile(file, bytes);
}

/** First byte, one in the header's stanza, the middle, the last. */
const places = { start: () => 0, header: () => 60, middle: (size: number) => size >> 1, end: (size: number) => size - 1 } as const;

let parts: readonly { readonly name: string; readonly file: string; readonly sha256: string }[] = [];
beforeAll(() => { parts = scene().backup.parts; });

test.each(["globals", "database", "catalog", "schema", "data"].flatMap((name) => (Object.keys(places) as (keyof typeof places)[]).map((place) => [place, name] as const)))(
  "a flipped byte at the %s of part %s is named by verify with both hashes, by verify of the archive, and by restore",
  async (place, name) => {
    const bench = await scene().bench();
    const part = parts.find((each) => each.name === name);
    const file = join(folderOf(bench), part?.file ?? "");
    await flip(file, places[place]((await readFile(file)).length));

    const found = await verdict(bench);
    expect(found?.message).toMatch(messagePattern(faultMatrix["part changed"].reads));
    expect(found?.details).toEqual({ part: name, expected: part?.sha256, found: expect.stringMatching(/^[0-9a-f]{64}$/) as unknown });
    expect(found).toMatchObject({ code: "integrity", details: { part: name } });
    expect(await verdict(bench, "archive")).toMatchObject({ code: "integrity", details: { part: name } });
    // By its hash, and so before the first statement of an archive could run.
    expect(await refusal(bench)).toMatchObject({ code: "integrity", details: { part: name, expected: part?.sha256 } });
    await expectNothingRuns(bench);
  },
);

test.each((["key.age", "key.age.sig", "manifest.json", "manifest.json.sig"] as const).flatMap((file) => (["start", "middle", "end"] as const).map((place) => [place, file] as const)))(
  "a flipped byte at the %s of %s is found at every level and by restore, before anything is decrypted",
  async (place, file) => {
    const bench = await scene().bench();
    const path = join(folderOf(bench), file);
    await flip(path, places[place]((await readFile(path)).length));
    const part = file.replace(".sig", "");
    for (const error of [await verdict(bench, "stat"), await verdict(bench), await verdict(bench, "archive"), await refusal(bench)]) {
      expect(error).toMatchObject({ code: "integrity", details: { part, expected: expect.stringContaining("signature") as unknown, found: "one that does not fit" } });
    }
    await expectNothingRuns(bench);
  },
);

test("a changed part ends both commands with 17, the part, the expected and the found", async () => {
  const bench = await scene().bench();
  const globals = join(folderOf(bench), "globals.sql.zst.age");
  await flip(globals, 300);
  await expectBoth("part changed", bench);
});

test("a changed key ends both commands with 17", async () => {
  const bench = await scene().bench();
  await flip(join(folderOf(bench), "key.age"), 100);
  await expectBoth("key changed", bench);
});

test("a truncated part is found by its size, before its bytes are read and before a database is made", async () => {
  const bench = await scene().bench();
  const data = join(folderOf(bench), "data.pgdump.zst.age");
  await truncate(data, Math.floor((await readFile(data)).length / 2));
  await expectBoth("part truncated", bench);
  expect(await verdict(bench, "stat")).toMatchObject({ code: "integrity", details: { part: "data" } });
});

test("a missing part is named", async () => {
  const bench = await scene().bench();
  await rm(join(folderOf(bench), "data.pgdump.zst.age"));
  await expectBoth("part missing", bench);
});

test("a missing key is named", async () => {
  const bench = await scene().bench();
  await rm(join(folderOf(bench), "key.age"));
  for (const error of [await verdict(bench, "stat"), await refusal(bench)]) expect(error).toMatchObject({ code: "integrity", details: { part: "key.age", found: "missing" } });
});

test("an unsigned manifest is neither listed, nor verified, nor restored", async () => {
  const bench = await scene().bench();
  await rm(join(folderOf(bench), "manifest.json.sig"));
  await expectBoth("unsigned", bench);
  const { context, events } = await contextOf(bench);
  expect(await listDatabaseBackups(context)).toEqual([]);
  expect(JSON.stringify(events)).toContain("does not count");
});

test("a manifest that a stranger signed is refused", async () => {
  const bench = await scene().bench();
  const manifest = join(folderOf(bench), "manifest.json");
  const stranger = loadSigner(generateSigningKey().privateKeyPem, "stranger");
  await writeFile(`${manifest}.sig`, stranger.sign(await readFile(manifest)));
  await expectBoth("stranger", bench);
});

test("a manifest that is copied into another backup's folder is refused, and the one it was copied from still counts", async () => {
  const bench = await scene().bench();
  const { id } = scene().backup;
  const copied = "ehr-20990101T000000Z-0000";
  await cp(folderOf(bench), join(bench.repository, "ehr", "backups", copied), { recursive: true });
  await expectFault("copied manifest", bench, ["backup", "verify", copied], { recorded: "verify", holds: "unknown" });
  await expectFault("copied manifest", bench, ["restore", copied, "--into", copy()], { recorded: "restore", holds: "unknown" });

  const { context, events } = await contextOf(bench);
  expect((await listDatabaseBackups(context)).map((manifest) => manifest.id)).toEqual([id]);
  const [latest] = await verifyBackups(context, { choice: { latest: true }, level: "hash" });
  expect(latest).toMatchObject({ id, ok: true });
  expect(events).toContainEqual({ type: "note", level: "warn", message: expect.stringContaining(`${copied} is newer, but does not count`) as unknown });
});

test("the key of another backup is refused although it is signed", async () => {
  const bench = await scene().bench();
  const { id } = (await bench.ok("backup", "--json")).json<{ id: string }>();
  const other = join(bench.repository, "ehr", "backups", id);
  for (const file of ["key.age", "key.age.sig"]) await cp(join(other, file), join(folderOf(bench), file));
  await expectBoth("key changed", bench);
});

test("verifying all of them names the broken one and passes the whole one", async () => {
  const bench = await scene().bench();
  await bench.ok("backup");
  await flip(join(folderOf(bench), "data.pgdump.zst.age"), 1000);
  const outcome = await bench.run("backup", "verify", "--all", "--json");
  expect(outcome.code).toBe(17);
  const { error } = outcome.json<{ error: { message: string; details: { verdicts: { id: string; ok: boolean; part?: string }[] } } }>();
  expect(error.message).toMatch(/^1 of 2 backups failed verification: ehr-/);
  expect(error.details.verdicts.map(({ ok }) => ok)).toEqual([true, false]);
  expect(error.details.verdicts.at(1)).toMatchObject({ id: scene().backup.id, part: "data" });
  expect(await readdir(join(bench.repository, "ehr", "backups"))).toHaveLength(2);
});
