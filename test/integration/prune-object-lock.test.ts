/** Retention where the store itself retains: a bucket with Object Lock, and one that only keeps versions. */
import { DeleteObjectCommand, GetObjectRetentionCommand, ListObjectVersionsCommand, PutBucketVersioningCommand, PutObjectRetentionCommand } from "@aws-sdk/client-s3";
import { expect, test } from "vitest";

import { holdBackup } from "../../src/app/backup/hold-backup.ts";
import { pruneBackups } from "../../src/app/backup/prune-backups.ts";
import { listDatabaseBackups } from "../../src/app/backup/show-backups.ts";
import { verifyBackups } from "../../src/app/backup/verify-backup.ts";
import { history, retentionOf } from "../harness/backups.ts";
import { type Bench, bench } from "../harness/context.ts";
import { peopleDatabase } from "../harness/databases.ts";
import { urlOf } from "../harness/postgres.ts";
import { s3Missing, s3Server } from "../harness/s3.ts";

const missing = s3Missing();
const day = 86_400_000;

if (missing !== undefined) {
  test.skip(`retention in buckets (${missing})`);
} else {
  const database = peopleDatabase();

  interface Bucket {
    readonly bench: Bench;
    readonly ids: string[];
    readonly name: string;
    /** All versions and delete markers of a backup's objects. */
    versionsOf(id: string): Promise<{ key: string; id: string; marker: boolean }[]>;
    /** Whoever may bypass governance sets the end of a backup's retention. */
    retainUntil(id: string, until: Date): Promise<void>;
    /** The earliest and the latest end of the retention of a backup's objects, as the server shows it. */
    ends(id: string): Promise<[number, number]>;
  }

  async function bucketWith(ages: readonly number[], { objectLock }: { objectLock: boolean }): Promise<Bucket> {
    const server = await s3Server();
    const { client, credentials } = server;
    const name = await server.createBucket({ objectLock });
    if (!objectLock) await client.send(new PutBucketVersioningCommand({ Bucket: name, VersioningConfiguration: { Status: "Enabled" } }));
    const repository = { url: server.location(name, "clinic"), credentials, ...(objectLock && { objectLock: { mode: "GOVERNANCE" as const, days: 1 } }) };
    const made = await bench(urlOf(database), { config: { repository }, database: { retention: retentionOf({ keepLast: 1 }) } });
    const ids = await history(made, ages.map((age) => age * day));
    const versionsOf: Bucket["versionsOf"] = async (id) => {
      const { Versions: versions = [], DeleteMarkers: markers = [] } = await client.send(new ListObjectVersionsCommand({ Bucket: name, Prefix: `clinic/ehr/backups/${id}/` }));
      return [...versions.map((each) => ({ ...each, marker: false })), ...markers.map((each) => ({ ...each, marker: true }))].map(({ Key: key = "", VersionId: version = "", marker }) => ({ key, id: version, marker }));
    };
    return {
      bench: made, ids, name, versionsOf,
      async retainUntil(id, until) {
        for (const { key, id: version } of await versionsOf(id)) {
          await client.send(new PutObjectRetentionCommand({ Bucket: name, Key: key, VersionId: version, BypassGovernanceRetention: true, Retention: { Mode: "GOVERNANCE", RetainUntilDate: until } }));
        }
      },
      async ends(id) {
        const found = await Promise.all((await versionsOf(id)).map(({ key, id: version }) => client.send(new GetObjectRetentionCommand({ Bucket: name, Key: key, VersionId: version }))));
        const times = found.map(({ Retention: retention }) => retention?.RetainUntilDate?.getTime() ?? 0);
        return [Math.min(...times), Math.max(...times)];
      },
    };
  }

  const listed = async ({ context }: Bench): Promise<string[]> => (await listDatabaseBackups(context)).map(({ id }) => id);
  const prune = ({ context }: Bench, dryRun = false) => pruneBackups(context, { dryRun });
  const warnings = ({ events }: Bench): string[] => events.flatMap((event) => (event.type === "note" && event.level === "warn" ? [event.message] : []));

  test("a locked backup survives prune and a deletion by hand, and is gone for good once its lock has ended", async () => {
    const bucket = await bucketWith([1, 200, 201], { objectLock: true });
    const { bench: on, ids: [newest = "", old = "", older = ""] } = bucket;
    const { client } = await s3Server();

    const first = await prune(on);
    expect(first.removed).toEqual([]);
    expect(first.keep.slice(1).map(({ reasons }) => reasons)).toEqual([[expect.stringMatching(/^under object lock until /)], [expect.stringMatching(/^under object lock until /)]]);
    expect(await listed(on)).toEqual([newest, old, older]);

    // With our own credentials: no version goes, but a plain deletion hides what it deletes behind a marker.
    const versions = await bucket.versionsOf(old);
    for (const { key, id } of versions) await expect(client.send(new DeleteObjectCommand({ Bucket: bucket.name, Key: key, VersionId: id })), key).rejects.toMatchObject({ name: "AccessDenied" });
    const manifest = versions.find(({ key }) => key.endsWith("/manifest.json"))!.key;
    await client.send(new DeleteObjectCommand({ Bucket: bucket.name, Key: manifest }));
    expect(await listed(on)).toEqual([newest, older]);
    expect((await bucket.versionsOf(old)).filter(({ marker }) => !marker)).toEqual(versions);
    // Nothing was lost: without the marker the backup is back, and whole.
    const [marker] = (await bucket.versionsOf(old)).filter(({ marker: isMarker }) => isMarker);
    await client.send(new DeleteObjectCommand({ Bucket: bucket.name, Key: manifest, VersionId: marker!.id }));
    expect(await listed(on)).toEqual([newest, old, older]);
    expect((await verifyBackups(on.context, { choice: { id: old }, level: "archive" }))[0]).toMatchObject({ ok: true });

    await bucket.retainUntil(old, new Date(Date.now() + 2_000));
    await expect.poll(async () => (await prune(on, true)).remove.map(({ id }) => id), { timeout: 60_000, interval: 500 }).toEqual([old]);
    expect((await prune(on)).removed).toEqual([old]);
    expect(await bucket.versionsOf(old)).toEqual([]);
    expect(await listed(on)).toEqual([newest, older]);
    expect(await bucket.versionsOf(older)).toHaveLength(versions.length);
    expect((await verifyBackups(on.context, { choice: "all", level: "hash" })).every(({ ok }) => ok)).toBe(true);
  }, 180_000);

  test("one object that is still locked keeps the whole backup", async () => {
    const bucket = await bucketWith([1, 200], { objectLock: true });
    const { bench: on, ids: [, old = ""] } = bucket;
    const { client } = await s3Server();
    await bucket.retainUntil(old, new Date(Date.now() + 5_000));
    const [data] = (await bucket.versionsOf(old)).filter(({ key }) => key.includes("/data."));
    await client.send(new PutObjectRetentionCommand({ Bucket: bucket.name, Key: data!.key, VersionId: data!.id, Retention: { Mode: "GOVERNANCE", RetainUntilDate: new Date(Date.now() + day) } }));
    await expect.poll(async () => (await bucket.ends(old))[0] < Date.now() - 1_000, { timeout: 60_000 }).toBe(true);
    expect((await prune(on)).removed).toEqual([]);
    expect((await verifyBackups(on.context, { choice: { id: old }, level: "hash" }))[0]).toMatchObject({ ok: true });
  }, 180_000);

  test("a hold that is longer than the lock extends it, on every object; one without an end says that it cannot", async () => {
    const bucket = await bucketWith([1, 200], { objectLock: true });
    const { bench: on, ids: [newest = "", old = ""] } = bucket;
    const until = new Date(Math.ceil(Date.now() / 1000) * 1000 + 40 * day);
    const before = await bucket.ends(newest);
    expect((await holdBackup(on.context, { id: old, reason: "litigation 17", until })).lockedUntil).toEqual(until);
    expect(await bucket.ends(old)).toEqual([until.getTime(), until.getTime()]);
    // A shorter one shortens nothing.
    await holdBackup(on.context, { id: newest, reason: "audit", until: new Date(Date.now() + 60_000) });
    expect(await bucket.ends(newest)).toEqual(before);
    expect(warnings(on)).toEqual([]);
    await holdBackup(on.context, { id: newest, reason: "for good" });
    expect(await bucket.ends(newest)).toEqual(before);
    expect(warnings(on)).toEqual([expect.stringMatching(/^the object lock of \S+ ends at \S+ and is not extended, since the hold has no end/)]);
  }, 180_000);

  test("where a bucket only keeps versions, they stay, and the operator reads so", async () => {
    const bucket = await bucketWith([1, 200], { objectLock: false });
    const { bench: on, ids: [newest = "", old = ""] } = bucket;
    const before = await bucket.versionsOf(old);
    expect((await prune(on)).removed).toEqual([old]);
    expect(await listed(on)).toEqual([newest]);
    expect((await bucket.versionsOf(old)).filter(({ marker }) => !marker)).toEqual(before);
    expect(warnings(on)).toEqual([expect.stringMatching(/^the bucket keeps versions: what was removed is hidden by delete markers/)]);
  }, 180_000);
}
