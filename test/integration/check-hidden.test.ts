/** What `repository check` says of a bucket whose versions hide something: each kind made, found, and repaired only where it is garbage. */
import { DeleteObjectCommand, ListObjectVersionsCommand, PutBucketPolicyCommand, PutBucketVersioningCommand, PutObjectRetentionCommand } from "@aws-sdk/client-s3";
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { expect, onTestFinished, test } from "vitest";

import { holdBackup } from "../../src/app/backup/hold-backup.ts";
import { openWorkplace, type Workplace } from "../../src/app/context.ts";
import { openConfiguredStore } from "../../src/app/open-configured-store.ts";
import { checkRepository } from "../../src/app/repository/check-repository.ts";
import type { Finding } from "../../src/app/repository/findings.ts";
import { writeKeySidecar } from "../../src/catalog/key-sidecar.ts";
import { backupKey, markerKey } from "../../src/catalog/layout.ts";
import type { Manifest } from "../../src/catalog/manifest.ts";
import { publishManifest } from "../../src/catalog/publishing.ts";
import { removeBackup } from "../../src/catalog/removal.ts";
import { loadSigner } from "../../src/catalog/signatures.ts";
import type { Store } from "../../src/store/store.ts";
import { type Bench, bench } from "../harness/context.ts";
import { s3Missing, s3Server } from "../harness/s3.ts";
import { manifestOf } from "../unit/catalog/fixture.ts";

const missing = s3Missing();
if (missing !== undefined) {
  test.skip(`versions in buckets (${missing})`);
} else {
  interface Place {
    readonly on: Bench;
    readonly store: Store;
    readonly kept: Manifest;
    readonly old: Manifest;
    /** As a prune that is about to remove `old` tells the timeline. */
    readonly announce: () => Promise<void>;
    readonly versions: () => Promise<{ readonly key: string; readonly id: string; readonly deletion: boolean }[]>;
    readonly retain: (until: Date) => Promise<void>;
    readonly look: (repair?: boolean, graceMs?: number) => Promise<Finding[]>;
  }

  /** A bucket with two backups, of which one is to go. */
  async function place(objectLock: boolean): Promise<Place> {
    const server = await s3Server();
    const { client, credentials } = server;
    const name = await server.createBucket({ objectLock });
    if (!objectLock) await client.send(new PutBucketVersioningCommand({ Bucket: name, VersioningConfiguration: { Status: "Enabled" } }));
    const on = await bench("postgresql://nobody@127.0.0.1:1/none", { config: { repository: { url: server.location(name, "care"), credentials } } });
    const store = await openConfiguredStore(on.context.config);
    onTestFinished(() => store.close());
    const signer = loadSigner(await readFile(on.context.config.signingKeyFile!, "utf8"), "test");
    const publish = async (at: string): Promise<Manifest> => {
      const manifest = manifestOf(at, { parts: [], signer: signer.id });
      const whole = { ...manifest, parts: [{ name: "data", file: "data.pgdump.zst.age", bytes: 4, sha256: "88d4266fd4e6338d13b845fcf289579d209c897823b9217da3e161936f031589", plainBytes: 4 }] };
      await store.put(backupKey("ehr", whole.id, "data.pgdump.zst.age"), Buffer.from("abcd"));
      await writeKeySidecar(store, whole, whole.encryption.recipient, Buffer.from(`key of ${whole.id}`), signer);
      await publishManifest(store, whole, signer);
      return whole;
    };
    const [old, kept] = [await publish("2026-11-01T02:00:00Z"), await publish("2026-11-02T02:00:00Z")];
    const tell = async (work: (workplace: Workplace) => Promise<unknown>): Promise<void> => {
      const workplace = await openWorkplace(on.context);
      await work(workplace).finally(() => workplace.close());
    };
    const versions: Place["versions"] = async () => {
      const { Versions: all = [], DeleteMarkers: markers = [] } = await client.send(new ListObjectVersionsCommand({ Bucket: name, Prefix: `care/ehr/backups/${old.id}/` }));
      return [...all.map((each) => ({ ...each, deletion: false })), ...markers.map((each) => ({ ...each, deletion: true }))].map(({ Key: key = "", VersionId: id = "", deletion }) => ({ key, id, deletion }));
    };
    return {
      on, store, kept, old, versions,
      announce: () => tell(({ timeline }) => timeline.record({ action: "prune", subject: { database: "ehr", keep: "1", remove: "1" }, outcome: "ok", message: `remove ${old.id} (too old), keep ${kept.id} (newest)`, seconds: 0 })),
      retain: async (until) => {
        for (const { key, id, deletion } of await versions()) {
          if (!deletion) await client.send(new PutObjectRetentionCommand({ Bucket: name, Key: key, VersionId: id, BypassGovernanceRetention: true, Retention: { Mode: "GOVERNANCE", RetainUntilDate: until } }));
        }
      },
      look: async (repair = false, graceMs = -2_000) => {
        const { findings } = await checkRepository(on.context, { level: "stat", repair, graceMs });
        return findings.filter(({ kind }) => kind !== "unproved" && kind !== "outdated-index");
      },
    };
  }

  const folder = ({ old }: Place): string => `ehr/backups/${old.id}/`;

  test("with object lock, what was announced to go is garbage, also if delete markers alone are left of it; a repair removes it for good", async () => {
    const here = await place(true);
    expect(await here.look()).toEqual([]);
    await here.announce();
    await removeBackup(here.store, "ehr", here.old.id);
    const hidden = { kind: "hidden-versions", severity: "garbage", key: folder(here), backup: here.old.id, detail: expect.stringMatching(/^5 versions, \d+ bytes of a backup that is not listed any more/) as string };
    expect(await here.look()).toMatchObject([hidden]);
    // What is young may be a prune at its work.
    expect(await here.look(true, 3_600_000)).toEqual([]);
    for (const { key, id, deletion } of await here.versions()) if (!deletion) await (await s3Server()).client.send(new DeleteObjectCommand({ Bucket: bucketOf(here), Key: key, VersionId: id }));
    expect(await here.look()).toMatchObject([{ ...hidden, detail: expect.stringMatching(/^delete markers of 5 objects of a backup/) as string }]);
    expect(await here.look(true)).toMatchObject([{ kind: "hidden-versions", repaired: true }]);
    expect(await here.versions()).toEqual([]);
    expect(await here.look()).toEqual([]);
  }, 120_000);

  test("a backup that somebody hides with delete markers is damage, is never removed, and is back without them", async () => {
    const here = await place(true);
    await removeBackup(here.store, "ehr", here.old.id);
    const all = await here.versions();
    expect(await here.look(true)).toMatchObject([{ kind: "hidden-backup", severity: "damage", key: folder(here), detail: expect.stringContaining("nothing says that it was removed") as string }]);
    expect(await here.versions()).toEqual(all);
    for (const { key, id, deletion } of all) if (deletion) await (await s3Server()).client.send(new DeleteObjectCommand({ Bucket: bucketOf(here), Key: key, VersionId: id }));
    expect(await here.look()).toEqual([]);
  }, 120_000);

  test("one that is held is damage too, whatever was announced", async () => {
    const here = await place(true);
    await holdBackup(here.on.context, { id: here.old.id, reason: "litigation 17" });
    await here.announce();
    await removeBackup(here.store, "ehr", here.old.id);
    expect(await here.look(true)).toMatchObject([{ kind: "hidden-backup", severity: "damage", detail: expect.stringContaining("this backup is held") as string }]);
    expect((await here.versions()).filter(({ deletion }) => !deletion)).toHaveLength(5);
  }, 120_000);

  test("what is still under its lock is noted with the end of it, and left", async () => {
    const here = await place(true);
    await here.announce();
    const until = new Date(Math.ceil(Date.now() / 1000) * 1000 + 86_400_000);
    await here.retain(until);
    await removeBackup(here.store, "ehr", here.old.id);
    const all = await here.versions();
    expect(await here.look(true)).toMatchObject([{ kind: "hidden-versions", severity: "note", detail: expect.stringContaining(`under object lock until ${until.toISOString()}`) as string }]);
    expect(await here.versions()).toEqual(all);
  }, 120_000);

  test("where a bucket only keeps versions, they are counted and left; one that was hidden without a word is damage there too", async () => {
    const here = await place(false);
    await removeBackup(here.store, "ehr", here.old.id);
    expect(await here.look(true)).toMatchObject([{ kind: "hidden-backup", severity: "damage" }]);
    await here.announce();
    const all = await here.versions();
    expect(await here.look(true)).toMatchObject([{ kind: "hidden-versions", severity: "note", key: "ehr/backups/", detail: expect.stringMatching(/^the bucket keeps 5 versions, \d+ bytes, of 1 backup that are not listed any more; a lifecycle rule/) as string }]);
    expect(await here.versions()).toEqual(all);
  }, 120_000);

  test("at a copy, which has not heard of everything, one that is hidden without a word is noted only", async () => {
    const here = await place(true);
    const marker = JSON.parse((await here.store.get(markerKey))!.bytes.toString()) as object;
    await here.store.put(markerKey, Buffer.from(JSON.stringify({ ...marker, copyOf: randomUUID() })));
    await removeBackup(here.store, "ehr", here.old.id);
    const all = await here.versions();
    expect(await here.look(true)).toMatchObject([{ kind: "hidden-backup", severity: "note", key: folder(here), detail: expect.stringContaining("nothing says that it was removed") as string }]);
    expect(await here.versions()).toEqual(all);
  }, 120_000);

  test("who may not list versions is told that nobody looked for them, and the rest of the check counts", async () => {
    const here = await place(true);
    await here.announce();
    await removeBackup(here.store, "ehr", here.old.id);
    await here.store.delete(backupKey("ehr", here.kept.id, "data.pgdump.zst.age"));
    const denied = { Version: "2012-10-17", Statement: [{ Effect: "Deny", Principal: "*", Action: ["s3:ListBucketVersions"], Resource: [`arn:aws:s3:::${bucketOf(here)}`] }] };
    await (await s3Server()).client.send(new PutBucketPolicyCommand({ Bucket: bucketOf(here), Policy: JSON.stringify(denied) }));
    const { findings } = await checkRepository(here.on.context, { level: "stat", repair: false, graceMs: -2_000 });
    expect(findings).toContainEqual(expect.objectContaining({ kind: "unproved", severity: "note", key: "ehr/backups/", detail: expect.stringMatching(/^versions that no listing shows were not looked for: .* denies access$/) as string }));
    expect(findings.filter(({ severity }) => severity === "damage")).toMatchObject([{ backup: here.kept.id }]);
    expect(findings.map(({ kind }) => kind)).not.toContain("hidden-versions");
  }, 120_000);

  const bucketOf = ({ on }: Place): string => new URL(on.context.config.repository!.url).hostname;
}
