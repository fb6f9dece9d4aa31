/** A copy that is killed, refused or fed with changed bytes: the destination lists whole backups or nothing. */
import { cp, mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";

import { markerKey } from "../../src/catalog/layout.ts";
import type { Outcome } from "../harness/cli.ts";
import { expectRepaired } from "../harness/repairs.ts";
import { s3Missing, s3Server } from "../harness/s3.ts";
import { startProxy } from "../harness/wire.ts";
import { runSql } from "../harness/postgres.ts";
import { bucketPlace, filesBelow } from "./place.ts";
import { contextOf, type FaultBench, useScene } from "./scene.ts";

const scene = useScene();

interface CopyJson {
  readonly copied: { readonly id: string; readonly bytes: number }[];
  readonly unchanged: number;
}

const good = (): string => scene().backup.id;
const folderOf = (root: string): string => join(root, "ehr", "backups", good());

/** A bench whose configuration names a copy in a folder. */
async function benchWithCopy(): Promise<{ bench: FaultBench; copy: string }> {
  const bench = await scene().bench();
  const copy = join(bench.folder, "copy");
  bench.env["HOLDFAST_COPIES"] = `offsite=file://${copy}`;
  return { bench, copy };
}

async function listed(bench: FaultBench): Promise<string[]> {
  return (await bench.ok("backup", "list", "--from", "offsite", "--json")).json<{ id: string }[]>().map(({ id }) => id);
}

/** The destination holds the backup byte for byte, and nothing half-written beside it. A file store's own names (`.lock-…`) are for a check of the repository to remove. */
async function expectWhole(bench: FaultBench, copy: string, litter = /(?:^|\/)\.lock-/): Promise<void> {
  expect(await listed(bench)).toEqual([good()]);
  await bench.ok("backup", "verify", "--all", "--from", "offsite", "--level", "archive");
  const files = (await filesBelow(folderOf(bench.repository))).sort();
  expect((await filesBelow(folderOf(copy))).filter((path) => !litter.test(path)).sort()).toEqual(files);
  for (const file of files) expect(await readFile(join(folderOf(copy), file))).toEqual(await readFile(join(folderOf(bench.repository), file)));
  const env: Record<string, string> = { ...bench.env };
  Reflect.deleteProperty(env, "HOLDFAST_COPIES");
  const { context } = await contextOf({ folder: bench.folder, env: { ...env, HOLDFAST_REPOSITORY: `file://${copy}`, HOLDFAST_STATE_DIR: join(bench.folder, "check-state") } });
  await expectRepaired(context, "the copy");
}

function expectRefusal(outcome: Outcome, code: number, message: RegExp): void {
  expect(outcome.stderr).toMatch(message);
  expect(outcome.code).toBe(code);
}

/** Steps in the order in which a copy takes them. */
const steps = [
  `before ${markerKey}`, `after ${markerKey}`, "before globals.sql.zst.age", "after schema.pgdump.zst.age", "before data.pgdump.zst.age", "after data.pgdump.zst.age",
  "before key.age", "after key.age", "after key.age.sig", "after manifest.json.sig", "before manifest.json", "after manifest.json", "after 0000000001.json",
];

test.each(steps)("a copy that is killed %s lists whole backups only, and the next one completes it", async (step) => {
  const { bench, copy } = await benchWithCopy();
  const env = { KILLED_AT: step, NODE_OPTIONS: `--import ${join(import.meta.dirname, "..", "fixtures", "killed-at.ts")}` };
  Object.assign(bench.env, env);
  const { signal } = await bench.start("repository", "copy", "--to", "offsite");
  expect(signal).toBe("SIGKILL");
  for (const name of Object.keys(env)) Reflect.deleteProperty(bench.env, name);

  const published = ["after manifest.json", "after 0000000001.json"].includes(step);
  expect((await filesBelow(folderOf(copy))).includes("manifest.json")).toBe(published);
  if (step !== `before ${markerKey}`) expect(await listed(bench)).toEqual(published ? [good()] : []);
  await releaseLock(copy);
  const next = (await bench.ok("repository", "copy", "--to", "offsite", "--json")).json<CopyJson>();
  expect(next).toMatchObject(published ? { copied: [], unchanged: 1 } : { copied: [{ id: good() }], unchanged: 0 });
  // What was sent whole before is proved by its hash and not sent again.
  const everything = scene().backup.parts.reduce((sum, { bytes }) => sum + bytes, 0);
  if (step === "after data.pgdump.zst.age" || /key|manifest/.test(step)) expect(next.copied[0]?.bytes ?? 0).toBe(0);
  else if (step.includes("schema")) expect(next.copied[0]?.bytes).toBeLessThan(everything);
  // Where nothing was left to copy, nothing was swept either.
  await expectWhole(bench, copy, published ? /(?:^|\/)\.(?:lock|tmp)-/ : undefined);
}, 120_000);

/** A killed holder blocks the others for one lease, which has passed here. */
async function releaseLock(copy: string): Promise<void> {
  const path = join(copy, "ehr", "locks", "backup.json");
  const record = await readFile(path, "utf8").catch(() => undefined);
  if (record !== undefined) await writeFile(path, JSON.stringify({ ...(JSON.parse(record) as object), expires: "2026-01-01T00:00:00.000Z" }));
}

async function flip(path: string): Promise<void> {
  const bytes = await readFile(path);
  const at = Math.floor(bytes.length / 2);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  await writeFile(path, bytes);
}

test("a part that was changed at the source is never published: exit 17, and the other backups are copied", async () => {
  const { bench } = await benchWithCopy();
  const { id } = (await bench.ok("backup", "--no-copy", "--json")).json<{ id: string }>();
  await flip(join(folderOf(bench.repository), "data.pgdump.zst.age"));
  expectRefusal(await bench.run("repository", "copy", "--to", "offsite"), 17, new RegExp(`${good()}: part data in file://\\S+ is changed: its SHA-256`));
  expect(await listed(bench)).toEqual([id]);
  await bench.ok("backup", "verify", "--all", "--from", "offsite");
});

test.each([["missing", "data.pgdump.zst.age", /data in \S+ is missing/], ["changed", "key.age", /key\.age is damaged/]] as const)("what is %s at the source (%s) is found before anything is published", async (what, file, message) => {
  const { bench, copy } = await benchWithCopy();
  const path = join(folderOf(bench.repository), file);
  if (what === "missing") await rm(path);
  else await flip(path);
  expectRefusal(await bench.run("repository", "copy", "--to", "offsite"), 17, message);
  expect((await filesBelow(copy)).filter((name) => name.includes("manifest"))).toEqual([]);
});

test("a part of the right size and another content at the destination is found by --verify, and mended", async () => {
  const { bench, copy } = await benchWithCopy();
  await bench.ok("repository", "copy", "--to", "offsite");
  await flip(join(folderOf(copy), "data.pgdump.zst.age"));
  expect((await bench.ok("repository", "copy", "--to", "offsite", "--json")).json()).toMatchObject({ copied: [], unchanged: 1 });
  expect((await bench.ok("repository", "copy", "--to", "offsite", "--verify", "--json")).json()).toMatchObject({ copied: [{ id: good() }] });
  await expectWhole(bench, copy);
});

test("another manifest under the same id at the destination is not replaced: exit 17", async () => {
  const { bench, copy } = await benchWithCopy();
  await bench.ok("repository", "copy", "--to", "offsite");
  await flip(join(folderOf(copy), "manifest.json"));
  expectRefusal(await bench.run("repository", "copy", "--to", "offsite"), 17, /holds another manifest\.json of ehr-/);
});

test("a re-key at the source reaches the copy, also one that was cut between key and signature", async () => {
  const { bench, copy } = await benchWithCopy();
  await bench.ok("repository", "copy", "--to", "offsite");
  await flip(join(folderOf(copy), "key.age.sig"));
  expect((await bench.ok("repository", "copy", "--to", "offsite", "--json")).json()).toMatchObject({ copied: [{ id: good(), bytes: 0 }] });
  await expectWhole(bench, copy);
});

test("the origin's timeline is kept byte for byte, and an entry that was changed afterwards is told with exit 17", async () => {
  const { bench, copy } = await benchWithCopy();
  await bench.ok("repository", "copy", "--to", "offsite");
  const [entry = ""] = await filesBelow(join(bench.repository, "timeline"));
  expect(await readFile(join(copy, "origin.timeline", entry))).toEqual(await readFile(join(bench.repository, "timeline", entry)));
  await flip(join(bench.repository, "timeline", entry));
  await bench.ok("repository", "copy", "--to", "offsite");
  expectRefusal(await bench.run("repository", "copy", "--to", "offsite", "--verify"), 17, /the timeline differs from what file:\S+ kept of it: 2026\/0000000001\.json/);
  await writeFile(join(bench.repository, "timeline", entry), "cut");
  expectRefusal(await bench.run("repository", "copy", "--to", "offsite"), 17, /the timeline differs/);
});

test("a store without conditional writes is copied to and backed up to under a lock of its own, which is said", async () => {
  const { bench, copy } = await benchWithCopy();
  bench.env["HOLDFAST_REPOSITORY_CONDITIONAL_WRITES"] = "false";
  const made = await bench.run("backup", "--no-copy", "--verbose", "--json");
  expect(made).toMatchObject({ code: 0, stderr: expect.stringContaining("honours no conditional writes, as configured: an advisory lock in the database and a lock file on this host keep this run alone") as string });
  expect(JSON.parse(await readFile(join(bench.repository, "ehr", "locks", "backup.json"), "utf8"))).toMatchObject({ host: expect.any(String) as string, released: expect.any(String) as string });
  await writeFile(join(bench.folder, "holdfast.yaml"), JSON.stringify({ copies: { offsite: { url: `file://${copy}`, conditionalWrites: false } } }));
  delete bench.env["HOLDFAST_COPIES"];
  expect((await bench.ok("repository", "copy", "--to", "offsite", "--verbose")).stderr).toContain("a lock file on this host, and a look at the lock before it is written, keep this run alone");
  expect(await listed(bench)).toHaveLength(2);
  const checks = (await bench.ok("doctor", "--json")).json<{ area: string; name: string; detail: string }[]>();
  for (const area of ["repository", "copy offsite"]) expect(checks.find((check) => check.area === area && check.name === "conditional-write")?.detail).toMatch(/^not used, as configured/);
});

test("the repository itself is refused as its own copy, however it is spelled", async () => {
  const { bench } = await benchWithCopy();
  await symlink(bench.repository, join(bench.folder, "elsewhere"));
  for (const to of [bench.env["HOLDFAST_REPOSITORY"] ?? "", `file://${bench.folder}/x/../repository/`, `file://${bench.folder}/elsewhere`, "primary"]) {
    expectRefusal(await bench.run("repository", "copy", "--to", to), 19, /is the repository that is to be copied itself/);
  }
  expectRefusal(await bench.run("repository", "copy", "--to", `file://${bench.repository}/inside`), 19, /lie one inside the other/);
  await mkdir(join(bench.folder, "by-hand"));
  await cp(bench.repository, join(bench.folder, "by-hand"), { recursive: true });
  expectRefusal(await bench.run("repository", "copy", "--to", `file://${bench.folder}/by-hand`), 19, /itself/);
});

test("another repository, its copy, and a folder with something in it are refused as destinations", async () => {
  const { bench } = await benchWithCopy();
  const other = await scene().bench({}, "none");
  await other.ok("repository", "init");
  await other.ok("backup");
  await other.ok("repository", "copy", "--to", `file://${other.folder}/copy`);
  for (const to of ["repository", "copy"]) expectRefusal(await bench.run("repository", "copy", "--to", `file://${other.folder}/${to}`), 19, /is another repository: it is /);
  expectRefusal(await bench.run("repository", "copy", "--to", `file://${bench.folder}/keys`), 19, /is no repository, and not empty/);
  expect(await bench.run("repository", "copy", "--to", "nowhere")).toMatchObject({ code: 16, stderr: expect.stringContaining("there are primary, offsite") as string });
});

test("a destination that is full fails with exit 15 and lists nothing, and the next copy completes it", async () => {
  const { bench, copy } = await benchWithCopy();
  // The marker, the lock and the small parts fit; the data do not.
  const full = { NODE_OPTIONS: `--import ${join(import.meta.dirname, "..", "fixtures", "killed-at.ts")}`, FULL_AT: "data.pgdump.zst.age" };
  Object.assign(bench.env, full);
  expectRefusal(await bench.run("repository", "copy", "--to", "offsite"), 15, /error: .*data\.pgdump\.zst\.age/);
  for (const name of Object.keys(full)) Reflect.deleteProperty(bench.env, name);
  expect(await listed(bench)).toEqual([]);
  await bench.ok("repository", "copy", "--to", "offsite");
  await expectWhole(bench, copy);
});

const missing = s3Missing();
if (missing !== undefined) test.skip(`a copy goes to a bucket that denies it (${missing})`);
else {
  test("a copy to a bucket that is killed in the middle of an upload leaves nothing that is listed, and the next one completes it and sweeps", async () => {
    const bench = await scene().bench();
    await runSql(scene().database, "CREATE TABLE IF NOT EXISTS images AS SELECT i AS id, (SELECT string_agg(sha512((i || '/' || n)::bytea), '') FROM generate_series(1, 4096) n) AS bytes FROM generate_series(1, 80) i");
    const { id } = (await bench.ok("backup", "--json")).json<{ id: string }>();
    const place = await bucketPlace();
    const { accessKeyId, secretAccessKey } = (await s3Server()).credentials;
    Object.assign(bench.env, { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey });
    const proxy = await startProxy((await s3Server()).endpoint);
    const running = bench.start("repository", "copy", "--latest", "--to", place.through(proxy.endpoint));
    await proxy.receivedAtLeast(12 * 2 ** 20);
    running.kill("SIGKILL");
    expect((await running).signal).toBe("SIGKILL");
    expect(await place.unfinished()).toEqual([expect.stringMatching(/data\.pgdump\.zst\.age$/)]);
    expect((await bench.ok("backup", "list", "--from", place.url, "--json")).json()).toEqual([]);
    const lock = "ehr/locks/backup.json";
    await place.write(lock, Buffer.from(JSON.stringify({ ...(JSON.parse((await place.read(lock)).toString()) as object), expires: "2026-01-01T00:00:00.000Z" })));
    await bench.ok("repository", "copy", "--latest", "--to", place.url);
    expect(await place.unfinished()).toEqual([]);
    expect((await bench.ok("backup", "verify", "--all", "--level", "archive", "--from", place.url, "--json")).json()).toMatchObject([{ id, ok: true }]);
  }, 180_000);

  test("a destination that denies or goes away fails with exit 15 and lists nothing", async () => {
    const bench = await scene().bench();
    const server = await s3Server();
    const bucket = await server.createBucket();
    Object.assign(bench.env, { AWS_ACCESS_KEY_ID: server.credentials.accessKeyId, AWS_SECRET_ACCESS_KEY: "wrong" });
    expectRefusal(await bench.run("repository", "copy", "--to", server.location(bucket, "copy")), 15, /error: /);
    bench.env["AWS_SECRET_ACCESS_KEY"] = server.credentials.secretAccessKey;
    const proxy = await startProxy(server.endpoint, { sees: (bytes) => { if (/PUT \S+\/key\.age(?:\?\S*)? HTTP/.test(bytes.toString("latin1"))) void proxy.cut(); } });
    expectRefusal(await bench.run("repository", "copy", "--to", server.location(bucket, "copy", proxy.endpoint)), 15, /error: /);
    expect((await bench.ok("backup", "list", "--from", server.location(bucket, "copy"), "--json")).json()).toEqual([]);
  });
}
