/** SIGKILL of what changes a bucket, at its requests: a plain one, one with versions, and one with object lock. */
import { DeleteObjectCommand, ListObjectVersionsCommand, PutBucketVersioningCommand } from "@aws-sdk/client-s3";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";

import { pruneBackups } from "../../src/app/backup/prune-backups.ts";
import { listDatabaseBackups } from "../../src/app/backup/show-backups.ts";
import { verifyBackups } from "../../src/app/backup/verify-backup.ts";
import { checkRepository } from "../../src/app/repository/check-repository.ts";
import type { CheckReport } from "../../src/app/repository/findings.ts";
import { history, retentionOf } from "../harness/backups.ts";
import { type Bench, bench } from "../harness/context.ts";
import { peopleDatabase } from "../harness/databases.ts";
import { killedAtRequest, type Kill } from "../harness/killed-requests.ts";
import { urlOf } from "../harness/postgres.ts";
import { s3Missing, s3Server } from "../harness/s3.ts";

const missing = s3Missing();
const day = 86_400_000;
const retention = { HOLDFAST_RETENTION_KEEP_LAST: "1", HOLDFAST_RETENTION_MINIMUM_COUNT: "1" };

if (missing !== undefined) {
  test.skip(`runs on buckets are killed (${missing})`);
} else {
  const database = peopleDatabase();

  interface Bucket {
    readonly on: Bench;
    /** Newest first; all but the first are too old. */
    readonly ids: readonly string[];
    readonly listed: () => Promise<string[]>;
    /** Versions and delete markers below a backup's folder. */
    readonly versions: (id: string) => Promise<number>;
    readonly check: (repair: boolean) => Promise<CheckReport>;
    /** The dead holder's lease would have to run out. */
    readonly unlock: () => Promise<void>;
  }

  async function bucket(kind: "plain" | "versions" | "object lock", ages: readonly number[]): Promise<Bucket> {
    const server = await s3Server();
    const { client, credentials } = server;
    const name = await server.createBucket({ objectLock: kind === "object lock" });
    if (kind === "versions") await client.send(new PutBucketVersioningCommand({ Bucket: name, VersioningConfiguration: { Status: "Enabled" } }));
    // Nothing is retained there, as if the lock of everything had ended.
    const on = await bench(urlOf(database), { config: { repository: { url: server.location(name, "clinic"), credentials } }, database: { retention: retentionOf({ keepLast: 1 }) } });
    const ids = ages.length === 0 ? [] : await history(on, ages.map((age) => age * day));
    // The backup that these are copies of was removed without a word.
    const { Versions: all = [], DeleteMarkers: markers = [] } = kind === "plain" ? {} : await client.send(new ListObjectVersionsCommand({ Bucket: name, Prefix: "clinic/ehr/backups/" }));
    for (const { Key: key = "", VersionId: version } of [...all, ...markers]) {
      if (!ids.some((id) => key.includes(id))) await client.send(new DeleteObjectCommand({ Bucket: name, Key: key, VersionId: version }));
    }
    return {
      on, ids,
      listed: async () => (await listDatabaseBackups(on.context)).map(({ id }) => id),
      versions: async (id) => {
        const { Versions: all = [], DeleteMarkers: markers = [] } = await client.send(new ListObjectVersionsCommand({ Bucket: name, Prefix: `clinic/ehr/backups/${id}/` }));
        return all.length + markers.length;
      },
      // The server's clock counts whole seconds, its objects' times do not.
      check: (repair) => checkRepository(on.context, { level: "hash", repair, graceMs: -2_000 }),
      unlock: async () => {
        for (const lock of ["backup", "prune"]) await client.send(new DeleteObjectCommand({ Bucket: name, Key: `clinic/ehr/locks/${lock}.json` }));
      },
    };
  }

  const deletes = /^DELETE \/[^/]+\/clinic\/ehr\/backups\//;
  const wrong = ({ findings }: CheckReport): string[] => findings.filter(({ severity, repaired }) => severity !== "note" && repaired !== true).map(({ severity, kind, detail }) => `${severity} ${kind}: ${detail}`);

  /** What is listed is whole, a repair finds no damage and leaves no garbage, and the next prune ends the work. */
  async function expectMended({ on, listed, check, unlock, ids }: Bucket, at: string): Promise<string[]> {
    await unlock();
    const there = await listed();
    expect(there[0], at).toBe(ids[0]);
    expect((await verifyBackups(on.context, { choice: "all", level: "hash" })).map(({ id, ok }) => [id, ok]), at).toEqual(there.map((id) => [id, true]));
    expect(wrong(await check(true)), at).toEqual([]);
    expect(await check(false), at).toMatchObject({ clean: true });
    expect(await listed(), at).toEqual(there);
    await pruneBackups(on.context, { dryRun: false });
    expect(await listed(), at).toEqual([ids[0]]);
    expect(wrong(await check(false)), at).toEqual([]);
    return there;
  }

  test.each<Pick<Kill, "at" | "when"> & { readonly left: 1 | 2 }>([
    { at: 1, when: "before", left: 2 }, { at: 4, when: "after", left: 1 },
  ])("a prune of a bucket that is killed $when deletion $at leaves $left whole backups, and garbage that a repair removes", async ({ at, when, left }) => {
    const place = await bucket("plain", [1, 200]);
    expect(await killedAtRequest(place.on, ["backup", "prune"], { request: deletes, at, when }, retention)).toEqual({ killed: true, requests: at });
    expect(await expectMended(place, `${when} ${at}`)).toHaveLength(left);
  }, 180_000);

  test.each([5, 10, 20])("a prune of a bucket with object lock that is killed at deletion %i leaves no version that a check does not find and a repair does not remove", async (at) => {
    const place = await bucket("object lock", [1, 200]);
    const old = place.ids[1]!;
    const whole = await place.versions(old);
    expect(await killedAtRequest(place.on, ["backup", "prune"], { request: deletes, at, when: "before" }, retention)).toEqual({ killed: true, requests: at });
    expect(await place.versions(old)).not.toBe(0);
    expect(await place.versions(old)).not.toBe(whole);
    expect(await expectMended(place, `at ${at}`)).toHaveLength(1);
    expect(await place.versions(old)).toBe(0);
    expect(await place.versions(place.ids[0]!)).toBe(whole);
  }, 180_000);

  test("a repair of it that is killed in turn is found and ended by the next one", async () => {
    const at = 12;
    const place = await bucket("object lock", [1, 200]);
    await killedAtRequest(place.on, ["backup", "prune"], { request: deletes, at: 4, when: "before" }, retention);
    await place.unlock();
    // For a grace of nothing what was hidden last has to be older than the server's second.
    await sleep(2_500);
    const repair = ["repository", "check", "--repair", "--grace", "0s"];
    expect(await killedAtRequest(place.on, repair, { request: deletes, at, when: "before" }, retention)).toEqual({ killed: true, requests: at });
    expect(await place.versions(place.ids[1]!)).not.toBe(0);
    await expectMended(place, `repair at ${at}`);
    expect(await place.versions(place.ids[1]!)).toBe(0);
  }, 180_000);

  test("of a prune that is killed in a bucket that only keeps versions, these stay, and a check counts them", async () => {
    const place = await bucket("versions", [1, 200]);
    const whole = await place.versions(place.ids[1]!);
    expect(await killedAtRequest(place.on, ["backup", "prune"], { request: deletes, at: 5, when: "before" }, retention)).toMatchObject({ killed: true });
    await expectMended(place, "versions");
    expect(await place.versions(place.ids[1]!)).toBe(2 * whole);
    expect((await place.check(true)).findings).toMatchObject([{ kind: "hidden-versions", severity: "note", detail: expect.stringMatching(new RegExp(`^the bucket keeps ${whole} versions, \\d+ bytes, of 1 backup that`)) as string }]);
  }, 180_000);

  test.each<readonly [string, request: RegExp, published: boolean]>([
    ["before its manifest is written", /^PUT \/[^/]+\/clinic\/ehr\/backups\/[^/]+\/manifest\.json\?/, false],
    ["before it is told to the timeline", /^PUT \/[^/]+\/clinic\/timeline\//, true],
  ])("a backup to a bucket that is killed %s is whole or not there, and the next one sweeps what it left", async (_, request, isThere) => {
    const place = await bucket("plain", []);
    expect(await killedAtRequest(place.on, ["backup"], { request, at: 1, when: "before" })).toMatchObject({ killed: true });
    await place.unlock();
    const there = await place.listed();
    expect(there).toHaveLength(isThere ? 1 : 0);
    const next = (await place.on.backup()).id;
    expect(await place.listed()).toEqual([next, ...there]);
    expect((await verifyBackups(place.on.context, { choice: "all", level: "archive" })).every(({ ok }) => ok)).toBe(true);
    expect(wrong(await place.check(true))).toEqual([]);
    expect(await place.check(false)).toMatchObject({ clean: true });
    expect(await place.listed()).toEqual([next, ...there]);
  }, 180_000);
}
