import { expect, test } from "vitest";

import { backupFolder, backupId, manifestFile, markerKey } from "../../../src/catalog/layout.ts";
import { serializeManifest } from "../../../src/catalog/manifest.ts";
import { readManifest } from "../../../src/catalog/authenticity.ts";
import { chooseBackup } from "../../../src/catalog/choice.ts";
import { readKeySidecar } from "../../../src/catalog/key-sidecar.ts";
import { type CatalogEntry, listBackups } from "../../../src/catalog/listing.ts";
import { freeBackupId, publishManifest } from "../../../src/catalog/publishing.ts";
import { removeBackup, removeUnfinished } from "../../../src/catalog/removal.ts";
import { databasesIn, initRepository, openRepository } from "../../../src/catalog/repository.ts";
import { memoryStore } from "../../harness/memory-store.ts";
import { type Catalog, freshCatalog, freshKeys, manifestOf } from "./fixture.ts";

const signature = `${manifestFile}.sig`;
const caught = (promise: Promise<unknown>): Promise<unknown> => promise.then(() => "no error", (error: unknown) => error);
const idsOf = (entries: readonly CatalogEntry[]): string[] => entries.map(({ id }) => id);

test("the marker is written once, and names the same repository ever after", async () => {
  const store = memoryStore();
  const first = await initRepository(store, new Date());
  expect(first.created).toBe(true);
  expect(await initRepository(store, new Date())).toEqual({ id: first.id, created: false });
  expect((await openRepository(store, [])).id).toBe(first.id);
});

test("two who make a repository at once agree on one marker", async () => {
  const store = memoryStore();
  const both = await Promise.all([initRepository(store, new Date()), initRepository(store, new Date())]);
  expect(new Set(both.map(({ id }) => id)).size).toBe(1);
  expect(both.filter(({ created }) => created)).toHaveLength(1);
});

test.each([
  ["nothing", undefined, { code: "not-found" }],
  ["rubbish", "{", { code: "integrity", message: expect.stringContaining("damaged") as string }],
  ["a marker without an id", '{"format":1}', { code: "integrity", message: expect.stringContaining("damaged") as string }],
  ["a later format in another shape", '{"format":2,"uuid":"x"}', { code: "integrity", message: expect.stringContaining("repository format 2") as string }],
])("a location with %s is no repository of ours", async (_, marker, error) => {
  const store = memoryStore();
  if (marker !== undefined) await store.put(markerKey, Buffer.from(marker));
  expect(await caught(openRepository(store, []))).toMatchObject(error);
});

test("backups are listed by the time of their snapshots, not by name nor by when they were stored", async () => {
  const { repository, publish } = await freshCatalog();
  const waited = manifestOf("2026-11-01T00:00:00Z", { snapshotAt: "2026-11-09T00:00:00.000Z" });
  const newer = manifestOf("2026-11-03T00:00:00Z");
  const oldest = manifestOf("2026-11-02T00:00:00Z");
  for (const manifest of [newer, waited, oldest]) await publish(manifest);
  expect(idsOf(await listBackups(repository, "ehr"))).toEqual([waited.id, newer.id, oldest.id]);
  expect(await chooseBackup(repository, "ehr", { latest: true })).toEqual(waited);
});

test("snapshots of one instant are listed in the order of their ids, the later one first", async () => {
  const { repository, publish } = await freshCatalog();
  const at = new Date("2026-11-01T00:00:00Z");
  for (const suffix of ["00ff", "ff00", "0000"]) await publish(manifestOf(at.toISOString(), { id: backupId("ehr", at, suffix) }));
  expect(idsOf(await listBackups(repository, "ehr")).map((id) => id.slice(-4))).toEqual(["ff00", "00ff", "0000"]);
});

test("the backup of an instant is the newest whose snapshot is not after it", async () => {
  const { repository, publish } = await freshCatalog();
  const [first, second] = [await publish(manifestOf("2026-11-01T00:00:00Z")), await publish(manifestOf("2026-11-02T00:00:00Z"))];
  const asOf = (at: string) => chooseBackup(repository, "ehr", { asOf: new Date(at) });
  expect((await asOf("2026-11-02T00:00:00.000Z")).id).toBe(second.id);
  expect((await asOf("2026-11-01T23:59:59.999Z")).id).toBe(first.id);
  expect(await caught(asOf("2026-10-31T23:59:59.999Z"))).toMatchObject({ code: "not-found", hints: [`The oldest is ${first.id}, of ${first.snapshotAt}.`] });
});

test("a folder without a manifest is no backup, and neither is another database's", async () => {
  const { repository, publish, store } = await freshCatalog();
  const made = await publish(manifestOf("2026-11-01T00:00:00Z"));
  await publish(manifestOf("2026-11-02T00:00:00Z", { database: "billing" }));
  await store.put(`${backupFolder("ehr", backupId("ehr", new Date("2026-11-03T00:00:00Z"), "0000"))}data.pgdump.zst.age`, Buffer.from("unfinished"));
  expect(idsOf(await listBackups(repository, "ehr"))).toEqual([made.id]);
  expect(await databasesIn(store)).toEqual(["billing", "ehr"]);
});

/** What somebody who can write to the repository, but has no signing key, may do to a backup that is newer than the good one. */
const forgeries: Record<string, (catalog: Catalog) => Promise<string>> = {
  "signed by a stranger": async ({ publish }) => (await publish(manifestOf("2026-12-01T00:00:00Z"), freshKeys().signer)).id,
  "not signed": async (catalog) => {
    const manifest = await catalog.publish(manifestOf("2026-12-01T00:00:00Z"));
    await catalog.store.delete(backupFolder("ehr", manifest.id) + signature);
    return manifest.id;
  },
  "changed after it was signed": async (catalog) => {
    const manifest = await catalog.publish(manifestOf("2026-12-01T00:00:00Z"));
    catalog.put(manifest, manifestFile, serializeManifest({ ...manifest, partial: true }));
    return manifest.id;
  },
  "garbage with a good signature's length": (catalog) => {
    const manifest = manifestOf("2026-12-01T00:00:00Z");
    catalog.put(manifest, manifestFile, "{");
    catalog.put(manifest, signature, Buffer.alloc(64));
    return Promise.resolve(manifest.id);
  },
  "garbage with a short signature": (catalog) => {
    const manifest = manifestOf("2026-12-01T00:00:00Z");
    catalog.put(manifest, manifestFile, "garbage");
    catalog.put(manifest, signature, "x");
    return Promise.resolve(manifest.id);
  },
  "garbage that we signed": (catalog) => {
    const manifest = manifestOf("2026-12-01T00:00:00Z");
    catalog.put(manifest, manifestFile, "[1]");
    catalog.put(manifest, signature, catalog.signer.sign(Buffer.from("[1]")));
    return Promise.resolve(manifest.id);
  },
  "an old one moved into a new folder": async (catalog) => {
    const old = await catalog.publish(manifestOf("2026-01-01T00:00:00Z"));
    const fresh = manifestOf("2026-12-01T00:00:00Z");
    for (const file of [manifestFile, signature]) catalog.put(fresh, file, catalog.read(old, file));
    return fresh.id;
  },
  "another database's": async (catalog) => {
    const other = await catalog.publish(manifestOf("2026-12-01T00:00:00Z", { database: "billing" }));
    const here = { ...other, database: "ehr" };
    for (const file of [manifestFile, signature]) catalog.put(here, file, catalog.read(other, file));
    return other.id;
  },
};

test.each(Object.entries(forgeries).filter(([name]) => name !== "another database's"))("a newer backup whose manifest is %s never is the latest, and is told of", async (_, forge) => {
  const catalog = await freshCatalog();
  const good = await catalog.publish(manifestOf("2026-11-21T00:00:00Z"));
  const forged = await forge(catalog);
  const told: string[] = [];
  const chosen = await chooseBackup(catalog.repository, "ehr", { latest: true }, ({ id, problem }) => told.push(`${id} ${problem.code}`));
  expect(chosen.id).toBe(good.id);
  expect(told).toEqual([`${forged} integrity`]);
  expect(await chooseBackup(catalog.repository, "ehr", { asOf: new Date("2027-01-01") })).toEqual(good);
  expect(await caught(chooseBackup(catalog.repository, "ehr", { id: forged }))).toMatchObject({ code: "integrity" });
  const entry = (await listBackups(catalog.repository, "ehr")).find(({ id }) => id === forged);
  expect(entry).toMatchObject({ problem: { code: "integrity" } });
  expect(entry?.manifest).toBeUndefined();
});

test("another database's backup, copied with its signature, does not count as one of this database", async () => {
  const catalog = await freshCatalog();
  const id = await forgeries["another database's"]!(catalog);
  expect(await listBackups(catalog.repository, "ehr")).toMatchObject([{ id, problem: { code: "integrity", message: expect.stringContaining("it was moved or copied") as string } }]);
  expect(await caught(chooseBackup(catalog.repository, "ehr", { latest: true }))).toMatchObject({
    code: "not-found",
    hints: [expect.stringContaining("1 backup is there but cannot be trusted") as string, "Make one with `holdfast backup --database ehr`."],
  });
});

test("several signers are trusted at once, and a backup stops counting when its signer is removed", async () => {
  const { store, publish, signer, trusted } = await freshCatalog();
  const second = freshKeys();
  const [ours, theirs] = [await publish(manifestOf("2026-11-01T00:00:00Z"), signer), await publish(manifestOf("2026-11-02T00:00:00Z"), second.signer)];
  const both = await openRepository(store, [...trusted, ...second.trusted]);
  expect((await listBackups(both, "ehr")).map(({ manifest }) => manifest?.id)).toEqual([theirs.id, ours.id]);
  const one = await openRepository(store, trusted);
  expect((await listBackups(one, "ehr")).map(({ manifest }) => manifest?.id)).toEqual([ours.id, undefined]);
  expect((await chooseBackup(one, "ehr", { latest: true })).id).toBe(ours.id);
});

test("without a trusted signer nothing is trusted, signed or not, and that is a matter of the configuration", async () => {
  const { store, publish } = await freshCatalog();
  await publish(manifestOf("2026-11-01T00:00:00Z"));
  expect(await caught(listBackups(await openRepository(store, []), "ehr"))).toMatchObject({ code: "configuration" });
});

test.each(["", "..", "../../etc/passwd", "/etc/passwd", "ehr-20261121T020000Z-7f3a/../../../holdfast.json", "ehr-20261121T020000Z-7f3a/", "a\0b", "ehr\\x", "-rf", "$(id)", "%2e%2e"])(
  "the id %j is refused before the store is asked anything",
  async (id) => {
    const { repository, store } = await freshCatalog();
    store.calls.clear();
    expect(await caught(chooseBackup(repository, "ehr", { id }))).toMatchObject({ code: "usage" });
    expect(store.calls.size).toBe(0);
  },
);

test("an id that is well formed and not there is not found", async () => {
  const { repository } = await freshCatalog();
  expect(await caught(chooseBackup(repository, "ehr", { id: "ehr-20261121T020000Z-7f3a" }))).toMatchObject({ code: "not-found", exitCode: 16 });
});

test("a published id is never published again, and what was published first stays whole", async () => {
  const { repository, publish, store, signer } = await freshCatalog();
  const first = await publish(manifestOf("2026-11-01T00:00:00Z", { label: "first" }));
  expect(await caught(publishManifest(store, { ...first, label: "second" }, signer))).toMatchObject({ code: "integrity" });
  expect(await readManifest(repository, "ehr", first.id)).toEqual(first);
});

test("publishing succeeds when the answer to its own request was lost", async () => {
  const { repository, store, signer } = await freshCatalog();
  const manifest = manifestOf("2026-11-01T00:00:00Z");
  await publishManifest(store, manifest, signer);
  await publishManifest(store, manifest, signer);
  expect(await readManifest(repository, "ehr", manifest.id)).toEqual(manifest);
});

test("a manifest appears only after its signature", async () => {
  const { store, signer } = await freshCatalog();
  const puts: string[] = [];
  store.faults.before = (operation, key) => {
    if (operation === "put") puts.push(key.split("/").at(-1)!);
  };
  await publishManifest(store, manifestOf("2026-11-01T00:00:00Z"), signer);
  expect(puts).toEqual(["manifest.json.sig", "manifest.json"]);
});

test("a new id is one under which nothing lies, not even a part that somebody left", async () => {
  const { store } = await freshCatalog();
  const at = new Date("2026-11-21T02:00:00Z");
  await store.put("ehr/backups/ehr-20261121T020000Z-0000/data.pgdump.zst.age", Buffer.from("a part"));
  const suffixes = ["0000", "0001"];
  expect(await freeBackupId(store, "ehr", at, { suffix: () => suffixes.shift()! })).toBe("ehr-20261121T020000Z-0001");
  expect(await caught(freeBackupId(store, "ehr", at, { suffix: () => "0000" }))).toMatchObject({ code: "store-failed" });
});

test("a key sidecar counts only with its own backup's recipient, whole, and signed by us", async () => {
  const { repository, publish, read, put, signer } = await freshCatalog();
  const [one, two] = [
    await publish(manifestOf("2026-11-01T00:00:00Z")),
    await publish(manifestOf("2026-11-02T00:00:00Z", { encryption: { format: "age", recipient: "age1two", keyRecipients: ["age1me"] } })),
  ];
  expect((await readKeySidecar(repository, one)).toString()).toBe("sidecar");
  const own = { sidecar: read(one, "key.age"), signature: read(one, "key.age.sig") };

  put(one, "key.age.sig", read(two, "key.age.sig"));
  expect(await caught(readKeySidecar(repository, one))).toMatchObject({ code: "integrity" });
  put(one, "key.age.sig", freshKeys().signer.sign(Buffer.from("age1one\nsidecar")));
  expect(await caught(readKeySidecar(repository, one))).toMatchObject({ code: "integrity" });
  put(one, "key.age.sig", own.signature);
  put(one, "key.age", "Sidecar");
  expect(await caught(readKeySidecar(repository, one))).toMatchObject({ code: "integrity" });
  // A re-key writes both anew and leaves the manifest alone.
  put(one, "key.age", "for others");
  put(one, "key.age.sig", signer.sign(Buffer.from("age1one\nfor others")));
  expect((await readKeySidecar(repository, one)).toString()).toBe("for others");
});

test("removing takes the manifest first, so that what is half removed is not listed", async () => {
  const { repository, publish, store } = await freshCatalog();
  const manifest = await publish(manifestOf("2026-11-01T00:00:00Z"));
  const kept = await publish(manifestOf("2026-11-02T00:00:00Z"));
  let removals = 0;
  store.faults.before = (operation) => {
    if (operation === "delete" && ++removals > 1) throw new Error("the connection was lost");
  };
  await caught(removeBackup(store, "ehr", manifest.id));
  expect(idsOf(await listBackups(repository, "ehr"))).toEqual([kept.id]);
  store.faults.before = () => undefined;
  await removeBackup(store, "ehr", manifest.id);
  expect([...store.objects.keys()].filter((key) => key.includes(manifest.id))).toEqual([]);
  expect(idsOf(await listBackups(repository, "ehr"))).toEqual([kept.id]);
});

test("what dead runs left is removed only where no key was stored, and only of the database that is asked for", async () => {
  const { store, repository, publish } = await freshCatalog();
  const kept = await publish(manifestOf("2026-11-01T00:00:00Z"));
  const left = ["ehr/backups/ehr-20260101T000000Z-0001/data.pgdump.zst.age", "ehr/backups/ehr-20260101T000000Z-0001/globals.sql.zst.age"];
  const others = [
    "ehr/backups/ehr-20260101T000000Z-0002/data.pgdump.zst.age",
    "ehr/backups/ehr-20260101T000000Z-0002/key.age",
    "ehr/backups/ehr-20260101T000000Z-0003/data.pgdump.zst.age",
    "ehr/backups/ehr-20260101T000000Z-0003/manifest.json.sig",
    "ehr/backups/somebody's notes/x",
    "ehr2/backups/ehr2-20260101T000000Z-0001/data.pgdump.zst.age",
  ];
  const before = [...store.objects.keys()];
  for (const key of [...left, ...others]) await store.put(key, Buffer.from("x"));
  expect(await removeUnfinished(store, "ehr")).toEqual(["ehr-20260101T000000Z-0001"]);
  expect([...store.objects.keys()].sort()).toEqual([...before, ...others].sort());
  expect(idsOf((await listBackups(repository, "ehr")).filter(({ manifest }) => manifest !== undefined))).toEqual([kept.id]);
});
