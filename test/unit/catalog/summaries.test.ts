/** The index is a cache: whatever it says, the listing is that of the manifests, and only its cost may differ. */
import { expect, test } from "vitest";

import { readIndex } from "../../../src/catalog/backup-index.ts";
import { indexKey, manifestFile } from "../../../src/catalog/layout.ts";
import { listBackups } from "../../../src/catalog/listing.ts";
import type { Manifest } from "../../../src/catalog/manifest.ts";
import { removeBackup } from "../../../src/catalog/removal.ts";
import { initRepository, openRepository, type Repository } from "../../../src/catalog/repository.ts";
import { listSummaries, refreshIndex, type SummaryEntry } from "../../../src/catalog/summaries.ts";
import { summaryOf } from "../../../src/catalog/summary.ts";
import { memoryStore } from "../../harness/memory-store.ts";
import { type Catalog, freshCatalog, freshKeys, manifestOf } from "./fixture.ts";

const day = (number: number): string => `2026-11-${String(number).padStart(2, "0")}T02:00:00Z`;

interface Indexed extends Catalog {
  readonly manifests: readonly Manifest[];
}

/** Five backups and the index of them. */
async function indexed(): Promise<Indexed> {
  const catalog = await freshCatalog();
  const manifests: Manifest[] = [];
  for (const number of [1, 2, 3, 4, 5]) manifests.push(await catalog.publish(manifestOf(day(number), { label: `day ${number}`, signer: catalog.signer.id })));
  expect(await refreshIndex(catalog.repository, "ehr", catalog.signer)).toBe(true);
  return { ...catalog, manifests };
}

/** What the manifests themselves say, without any index. */
async function truth(repository: Repository): Promise<SummaryEntry[]> {
  return (await listBackups(repository, "ehr")).map(({ id, database, manifest, problem }) => (manifest ? { id, database, summary: summaryOf(manifest) } : { id, database, problem: problem }));
}

const shown = (entries: readonly SummaryEntry[]) => entries.map(({ id, summary, problem }) => ({ id, summary, problem: problem?.message }));

async function expectTrueListing(repository: Repository): Promise<{ fetched: number; indexProblem: string | undefined }> {
  const { entries, fetched, indexProblem } = await listSummaries(repository, "ehr");
  expect(shown(entries)).toEqual(shown(await truth(repository)));
  return { fetched, indexProblem };
}

const indexBytes = ({ store }: Catalog): Buffer => store.objects.get(indexKey("ehr"))!.bytes;
const putIndex = ({ store }: Catalog, bytes: Buffer | string): void => void store.objects.set(indexKey("ehr"), { bytes: Buffer.from(bytes), modified: new Date() });

test("with a true index no manifest is fetched, and the listing is the same", async () => {
  const { repository, store, manifests } = await indexed();
  const gets = store.calls.get("get")!;
  expect((await listSummaries(repository, "ehr")).entries.map(({ id }) => id)).toEqual(manifests.map(({ id }) => id).reverse());
  expect(store.calls.get("get")! - gets).toBe(1);
  expect(await expectTrueListing(repository)).toEqual({ fetched: 0, indexProblem: undefined });
});

test("without an index everything is fetched", async () => {
  const { repository, store } = await indexed();
  store.objects.delete(indexKey("ehr"));
  expect(await expectTrueListing(repository)).toEqual({ fetched: 5, indexProblem: undefined });
});

test("a backup that the index lacks is listed, and the index learns it without fetching the others", async () => {
  const { repository, publish, signer } = await indexed();
  await publish(manifestOf(day(6), { signer: signer.id }));
  expect(await expectTrueListing(repository)).toEqual({ fetched: 1, indexProblem: undefined });
  expect(await refreshIndex(repository, "ehr", signer)).toBe(true);
  expect(await expectTrueListing(repository)).toEqual({ fetched: 0, indexProblem: undefined });
  expect(await refreshIndex(repository, "ehr", signer)).toBe(false);
});

test("a backup that is gone is not listed, however often an old index is put back", async () => {
  const catalog = await indexed();
  const { repository, store, manifests, signer } = catalog;
  const old = indexBytes(catalog);
  await removeBackup(store, "ehr", manifests[2]!.id);
  expect(await expectTrueListing(repository)).toEqual({ fetched: 0, indexProblem: undefined });
  expect(await refreshIndex(repository, "ehr", signer)).toBe(true);
  expect((await readIndex(repository, "ehr")).lines.has(manifests[2]!.id)).toBe(false);
  putIndex(catalog, old);
  expect(await expectTrueListing(repository)).toEqual({ fetched: 0, indexProblem: undefined });
});

test("a manifest that was changed after the index was made is fetched and refused", async () => {
  const { repository, put, read, manifests } = await indexed();
  const { [1]: victim } = manifests;
  put(victim!, manifestFile, read(victim!, manifestFile).toString().replace("day 2", "day 9"));
  expect(await expectTrueListing(repository)).toEqual({ fetched: 1, indexProblem: undefined });
  const entry = (await listSummaries(repository, "ehr")).entries.find(({ id }) => id === victim!.id);
  expect(entry?.problem?.code).toBe("integrity");
});

test("a manifest whose signature was replaced or taken away is fetched and refused", async () => {
  const { repository, put, store, manifests } = await indexed();
  put(manifests[0]!, `${manifestFile}.sig`, Buffer.alloc(64));
  store.objects.delete(`ehr/backups/${manifests[1]!.id}/${manifestFile}.sig`);
  expect(await expectTrueListing(repository)).toEqual({ fetched: 2, indexProblem: undefined });
  expect((await listSummaries(repository, "ehr")).entries.filter(({ problem }) => problem)).toHaveLength(2);
});

const lies: [string, (catalog: Indexed) => Promise<Buffer | string> | Buffer | string, string][] = [
  ["that lacks an entry", (catalog) => indexBytes(catalog).toString().split("\n").filter((_, at) => at !== 2).join("\n"), "it was changed, or a stranger signed it"],
  ["that has an entry more", (catalog) => {
    const lines = indexBytes(catalog).toString().split("\n");
    return [...lines.slice(0, 2), lines[1]!.replaceAll("20261101", "20261001"), ...lines.slice(2)].join("\n");
  }, "it was changed, or a stranger signed it"],
  ["in which a field was changed", (catalog) => indexBytes(catalog).toString().replace("day 3", "day 8"), "it was changed, or a stranger signed it"],
  ["that a stranger signed", async (catalog) => {
    const { signer, trusted } = freshKeys();
    await refreshIndex({ ...catalog.repository, trusted: [...catalog.repository.trusted, ...trusted] }, "ehr", signer);
    catalog.store.objects.delete(indexKey("ehr"));
    await refreshIndex({ ...catalog.repository, trusted: [...catalog.repository.trusted, ...trusted] }, "ehr", signer);
    return indexBytes(catalog);
  }, "it was changed, or a stranger signed it"],
  ["that was cut off in a line", (catalog) => indexBytes(catalog).subarray(0, -40), "it has no signature at its end"],
  ["that was cut off between two lines", (catalog) => indexBytes(catalog).toString().split("\n").slice(0, 3).join("\n"), "it has no signature at its end"],
  ["that is empty", () => "", "it has no signature at its end"],
  ["that is one line", () => "{}\n", "it has no signature at its end"],
  ["that is noise", () => Buffer.from([0xff, 0, 1, 2, 0x0a, 3]), "it has no signature at its end"],
  ["of another repository", async ({ signer, trusted }) => {
    const store = memoryStore();
    await initRepository(store, new Date());
    const other = await openRepository(store, trusted);
    await refreshIndex(other, "ehr", signer);
    return store.objects.get(indexKey("ehr"))!.bytes;
  }, "it is the index of ehr in repository"],
  ["of another database", async ({ repository, signer, store }) => {
    await refreshIndex(repository, "portal", signer);
    return store.objects.get(indexKey("portal"))!.bytes;
  }, "it is the index of portal in repository"],
];

test.each(lies)("an index %s is noticed, changes nothing, and is replaced", async (_, lie, problem) => {
  const catalog = await indexed();
  const { repository, signer } = catalog;
  putIndex(catalog, await lie(catalog));
  const found = await expectTrueListing(repository);
  expect(found.fetched).toBe(5);
  expect(found.indexProblem).toContain(problem);
  expect(await refreshIndex(repository, "ehr", signer)).toBe(true);
  expect(await expectTrueListing(repository)).toEqual({ fetched: 0, indexProblem: undefined });
});

test("a manifest whose signer is trusted no more is not taken from the index that a trusted key signed", async () => {
  const { repository, publish, signer } = await indexed();
  const retired = freshKeys();
  const both = { ...repository, trusted: [...repository.trusted, ...retired.trusted] };
  await publish(manifestOf(day(7), { signer: retired.signer.id }), retired.signer);
  await refreshIndex(both, "ehr", signer);
  expect(await expectTrueListing(both)).toEqual({ fetched: 0, indexProblem: undefined });
  expect(await expectTrueListing(repository)).toEqual({ fetched: 1, indexProblem: undefined });
  expect((await listSummaries(repository, "ehr")).entries.at(-1)?.problem?.code).toBe("integrity");
});

test("an index that a retired key signed is not used, and one of a key that counts still says what a retired one signed in its time", async () => {
  const { repository, publish, signer } = await indexed();
  const retired = (until: string) => repository.trusted.map((trusted) => (trusted.id === signer.id ? { ...trusted, validUntil: new Date(until) } : trusted));
  const successor = freshKeys();
  const now = { ...repository, trusted: [...retired("2026-11-06T00:00:00Z"), ...successor.trusted] };
  expect(await expectTrueListing(now)).toMatchObject({ fetched: 5, indexProblem: expect.stringContaining(`signed by ${signer.id}, which counted`) as string });
  await refreshIndex(now, "ehr", successor.signer);
  expect(await expectTrueListing(now)).toEqual({ fetched: 0, indexProblem: undefined });
  await publish(manifestOf(day(7), { signer: successor.signer.id }), signer);
  await refreshIndex(now, "ehr", successor.signer);
  const earlier = { ...repository, trusted: [...retired("2026-11-04T00:00:00Z"), ...successor.trusted] };
  expect(await expectTrueListing(earlier)).toEqual({ fetched: 3, indexProblem: undefined });
});

test("what was replaced between the listing and the reading does not stand in the index under the tag of the old one", async () => {
  const { repository, store, publish, signer, manifests } = await indexed();
  const key = `ehr/backups/${manifests[0]!.id}/${manifestFile}`;
  const genuine = store.objects.get(key)!;
  const forged = { bytes: Buffer.from("{}"), modified: new Date() };
  store.objects.delete(indexKey("ehr"));
  store.objects.set(key, forged);
  store.faults.before = (operation, at) => { if (operation === "get" && at === key) store.objects.set(key, genuine); };
  await refreshIndex(repository, "ehr", signer);
  store.faults.before = () => undefined;
  store.objects.set(key, forged);
  await publish(manifestOf(day(8), { signer: signer.id }));
  expect(await expectTrueListing(repository)).toEqual({ fetched: 2, indexProblem: undefined });
});

test("a writer who was overtaken leaves the other's index", async () => {
  const catalog = await indexed();
  const { repository, store, publish, signer } = catalog;
  await publish(manifestOf(day(9), { signer: signer.id }));
  store.faults.before = (operation, key) => { if (operation === "put" && key === indexKey("ehr")) putIndex(catalog, "somebody else's"); };
  expect(await refreshIndex(repository, "ehr", signer)).toBe(false);
  expect(indexBytes(catalog).toString()).toBe("somebody else's");
});

test("many backups are listed in ranges, each of them once", async () => {
  const { repository, publish, signer, store } = await freshCatalog();
  const start = Date.parse(day(1));
  for (let hour = 0; hour < 450; hour += 1) await publish(manifestOf(new Date(start + hour * 3_600_000).toISOString(), { signer: signer.id }));
  await refreshIndex(repository, "ehr", signer);
  await publish(manifestOf("2020-01-01T00:00:00Z", { signer: signer.id }));
  await publish(manifestOf("2030-01-01T00:00:00Z", { signer: signer.id }));
  const lists = store.calls.get("list")!;
  expect(await expectTrueListing(repository)).toEqual({ fetched: 2, indexProblem: undefined });
  expect(store.calls.get("list")! - lists).toBe(4);
});
