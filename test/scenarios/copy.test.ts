/** Three copies, two places, one elsewhere: backups go to a bucket and back, and what is restored from there equals the source. */
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";

import { readAudit } from "../../src/app/audit.ts";
import { contextOf } from "../faults/scene.ts";
import { filesBelow } from "../faults/place.ts";
import { type Workbench, workbench } from "../harness/cli.ts";
import { createDatabase, dropDatabase, runSql, urlOf, withSession } from "../harness/postgres.ts";
import { s3Missing, s3Server } from "../harness/s3.ts";

interface Listed {
  readonly id: string;
}

async function clinic(): Promise<{ bench: Workbench; database: string }> {
  const { name, url } = await createDatabase();
  await runSql(name, "CREATE TABLE people (id int PRIMARY KEY, name text); INSERT INTO people SELECT n, sha256(n::text::bytea)::text FROM generate_series(1, 3000) n");
  const bench = await workbench(url, { HOLDFAST_DIGESTS: "all" });
  await bench.ok("repository", "init");
  return { bench, database: name };
}

const idsOf = async (bench: Workbench, ...args: string[]): Promise<string[]> => (await bench.ok("backup", "list", "--json", ...args)).json<Listed[]>().map(({ id }) => id);

async function peopleIn(database: string): Promise<unknown> {
  return withSession(database, (session) => session.row("SELECT count(*) AS rows, md5(string_agg(name, ',' ORDER BY id)) AS digest FROM people"));
}

const missing = s3Missing();
if (missing !== undefined) test.skip(`copies go to a bucket and back (${missing})`);
else {
  test("copies go to a bucket with credentials of its own and back, and a restore from there equals the source", async () => {
    const { bench, database } = await clinic();
    const server = await s3Server();
    const { accessKeyId, secretAccessKey } = server.credentials;
    const config = join(bench.folder, "holdfast.yaml");
    await writeFile(config, JSON.stringify({ copies: { offsite: { url: server.location(await server.createBucket(), "copy"), credentials: { accessKeyId, secretAccessKey: { env: "OFFSITE_SECRET" } } }, third: `file://${bench.folder}/third` } }), { mode: 0o600 });
    bench.env["OFFSITE_SECRET"] = secretAccessKey;
    const identity = bench.env["HOLDFAST_IDENTITY_FILE"] ?? "";
    delete bench.env["HOLDFAST_IDENTITY_FILE"];

    await bench.ok("backup", "--no-copy");
    await bench.ok("backup", "--no-copy");
    const made = await idsOf(bench);
    const copied = (await bench.ok("repository", "copy", "--to", "offsite", "--verify", "--json")).json<{ copied: Listed[]; timelineEntries: number }>();
    expect(copied).toMatchObject({ copied: made.toReversed().map((id) => ({ id })), timelineEntries: 3 });
    await bench.ok("repository", "copy", "--from", "offsite", "--to", "third");
    for (const place of ["offsite", "third"]) expect(await idsOf(bench, "--from", place)).toEqual(made);
    expect(await filesBelow(join(bench.folder, "third", "ehr", "backups"))).toEqual(await filesBelow(join(bench.folder, "repository", "ehr", "backups")));
    expect(JSON.parse(await readFile(join(bench.folder, "third", "holdfast.json"), "utf8"))).toMatchObject({ copyOf: (JSON.parse(await readFile(join(bench.folder, "repository", "holdfast.json"), "utf8")) as { id: string }).id });

    // The history goes with it, byte for byte, and what is done at the copy is the copy's own.
    for (const file of await filesBelow(join(bench.folder, "third", "origin.timeline"))) {
      expect(await readFile(join(bench.folder, "third", "origin.timeline", file))).toEqual(await readFile(join(bench.folder, "repository", "timeline", file)));
    }
    const { context } = await contextOf(bench);
    expect((await readAudit(context, {})).map(({ action, outcome, subject }) => [action, outcome, subject["target"]?.split("?")[0]])).toContainEqual(["repository copy", "ok", expect.stringMatching(/^s3:\/\/t-/)]);

    // The primary loses a backup: it comes back from the bucket, and is restored from there too.
    await rm(join(bench.folder, "repository", "ehr"), { recursive: true });
    bench.env["HOLDFAST_IDENTITY_FILE"] = identity;
    const copy = `${database}_copy`;
    onTestFinished(() => dropDatabase(copy));
    await bench.ok("restore", "latest", "--from", "offsite", "--into", copy);
    expect(await peopleIn(copy)).toEqual(await peopleIn(database));
    await bench.ok("repository", "copy", "--from", "offsite", "--to", "primary");
    expect(await idsOf(bench)).toEqual(made);
    await bench.ok("backup", "verify", "--all", "--level", "archive");
    await bench.ok("audit", "verify");
  }, 300_000);
}

test("a backup brings the copies up to date as its last step, without what their own retention removed", async () => {
  const { bench } = await clinic();
  await bench.ok("backup");
  bench.env["HOLDFAST_COPIES"] = `a=file://${bench.folder}/a,b=file://${bench.folder}/b`;
  await bench.ok("backup");
  const [newer = "", older = ""] = await idsOf(bench);
  for (const place of ["a", "b"]) expect(await idsOf(bench, "--from", place)).toEqual([newer, older]);
  await rm(join(bench.folder, "a", "ehr", "backups", older), { recursive: true });
  await bench.ok("backup");
  const [newest = ""] = await idsOf(bench);
  expect(await idsOf(bench, "--from", "a")).toEqual([newest, newer]);
  expect(await idsOf(bench, "--from", "b")).toEqual([newest, newer, older]);
}, 300_000);

test("a copy is pruned by its own retention, and nothing goes from the primary", async () => {
  const { bench, database } = await clinic();
  const retention = { keepLast: 1, minimumAge: "0s", minimumCount: 1 };
  delete bench.env["DATABASE_URL"];
  await writeFile(join(bench.folder, "holdfast.yaml"), JSON.stringify({ databases: { ehr: { url: { env: "CLINIC_URL" } } }, copies: { small: { url: `file://${bench.folder}/small`, retention } } }));
  bench.env["CLINIC_URL"] = urlOf(database);
  for (let n = 0; n < 2; n += 1) await bench.ok("backup");
  const made = await idsOf(bench);
  expect(await idsOf(bench, "--from", "small")).toEqual(made);
  await bench.ok("backup", "prune", "--from", "small");
  expect(await idsOf(bench, "--from", "small")).toEqual(made.slice(0, 1));
  expect(await idsOf(bench)).toEqual(made);
  expect(await bench.run("backup", "prune")).toMatchObject({ code: 10 });
}, 300_000);

test("a copy that fails after a backup exits with 3, names both, and keeps neither the backup nor the other copies from being made", async () => {
  const { bench } = await clinic();
  await writeFile(join(bench.folder, "taken"), "a file where a folder should be");
  bench.env["HOLDFAST_COPIES"] = `broken=file://${bench.folder}/taken/copy,whole=file://${bench.folder}/whole`;
  const outcome = await bench.run("backup");
  const [id = ""] = await idsOf(bench);
  expect(outcome.code).toBe(3);
  expect(outcome.stderr).toContain(`${id} was backed up, but the copy to broken failed: `);
  expect(await idsOf(bench, "--from", "whole")).toEqual([id]);
  const script = await bench.run("backup", "--json");
  expect(script.json()).toMatchObject({ error: { code: "done-with-warnings", details: { backup: expect.stringMatching(/^ehr-/) as string, failed: [{ step: "the copy to broken", code: "store-failed" }] } } });
}, 300_000);

test("which backups go can be chosen: the newest, those since an instant, those of a database", async () => {
  const { bench } = await clinic();
  const made: { id: string; snapshotAt: string }[] = [];
  for (let n = 0; n < 3; n += 1) made.push((await bench.ok("backup", "--json")).json());
  const [first, second, third] = made;
  const to = (name: string): string[] => ["repository", "copy", "--to", `file://${bench.folder}/${name}`];
  await bench.ok(...to("latest"), "--latest");
  expect(await idsOf(bench, "--from", `file://${bench.folder}/latest`)).toEqual([third?.id]);
  await bench.ok(...to("since"), "--since", second?.snapshotAt ?? "");
  expect(await idsOf(bench, "--from", `file://${bench.folder}/since`)).toEqual([third?.id, second?.id]);
  await bench.ok(...to("latest"));
  expect(await idsOf(bench, "--from", `file://${bench.folder}/latest`)).toEqual([third?.id, second?.id, first?.id]);
  expect(await bench.run(...to("other"), "--database", "billing")).toMatchObject({ code: 16 });
}, 300_000);
