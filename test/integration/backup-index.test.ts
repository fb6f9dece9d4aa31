/** The index on real stores: what their tags notice, and what the format's page says about checking it by hand. */
import { execa } from "execa";
import { mkdtemp, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";

import { backupKey, indexKey, manifestFile } from "../../src/catalog/layout.ts";
import { listBackups } from "../../src/catalog/listing.ts";
import type { Manifest } from "../../src/catalog/manifest.ts";
import { publishManifest } from "../../src/catalog/publishing.ts";
import { removeBackup } from "../../src/catalog/removal.ts";
import { initRepository, openRepository, type Repository } from "../../src/catalog/repository.ts";
import { listSummaries, refreshIndex } from "../../src/catalog/summaries.ts";
import { openLocalStore } from "../../src/store/local.ts";
import type { Store } from "../../src/store/store.ts";
import { s3Missing, s3Server } from "../harness/s3.ts";
import { freshKeys, type Keys, manifestOf } from "../unit/catalog/fixture.ts";

interface Indexed extends Keys {
  readonly repository: Repository;
  readonly manifests: readonly Manifest[];
}

async function indexed(store: Store): Promise<Indexed> {
  const keys = freshKeys();
  await initRepository(store, new Date());
  const repository = await openRepository(store, keys.trusted);
  const manifests = ["2026-11-01T02:00:00Z", "2026-11-02T02:00:00Z", "2026-11-03T02:00:00Z"].map((at) => manifestOf(at, { label: "nightly", signer: keys.signer.id }));
  for (const manifest of manifests) await publishManifest(store, manifest, keys.signer);
  expect(await refreshIndex(repository, "ehr", keys.signer)).toBe(true);
  return { ...keys, repository, manifests };
}

async function folder(): Promise<{ path: string; store: Store }> {
  const path = await mkdtemp(join(tmpdir(), "holdfast-test-"));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return { path, store: openLocalStore(path) };
}

async function bucket(options: { objectLock?: boolean } = {}): Promise<{ store: Store }> {
  const server = await s3Server();
  const store = await server.open(await server.createBucket(options), { prefix: "care", ...(options.objectLock === true && { objectLock: { mode: "governance", days: 1 } }) });
  onTestFinished(() => store.close());
  return { store };
}

const missing = s3Missing();
const stores = [["a folder", folder], ["a bucket", () => bucket()], ["a bucket with versions and object lock", () => bucket({ objectLock: true })]] as const;

describe.each(stores)("in %s", (place, open) => {
  if (place !== "a folder" && missing !== undefined) {
    test.skip(`not tried: ${missing}`, () => undefined);
    return;
  }

  test("the index is used while nothing changes, and what changes is read again", async () => {
    const { store } = await open();
    const { repository, manifests, signer } = await indexed(store);
    const ids = async () => (await listBackups(repository, "ehr")).map(({ id, problem }) => [id, problem?.code]);
    const summaries = async () => {
      const { entries, fetched, indexProblem } = await listSummaries(repository, "ehr");
      expect(indexProblem).toBeUndefined();
      expect(entries.map(({ id, problem }) => [id, problem?.code])).toEqual(await ids());
      return fetched;
    };
    expect(await summaries()).toBe(0);
    const key = backupKey("ehr", manifests[0]!.id, manifestFile);
    await store.put(key, Buffer.from((await store.get(key))!.bytes.toString().replace("nightly", "monthly")));
    expect(await summaries()).toBe(1);
    await removeBackup(store, "ehr", manifests[1]!.id);
    expect(await summaries()).toBe(1);
    expect(await refreshIndex(repository, "ehr", signer)).toBe(true);
    expect(await summaries()).toBe(1);
  });
});

test("a manifest that was changed in place, its time set back and its length kept, is noticed in a folder", async () => {
  const { path, store } = await folder();
  const { repository, manifests } = await indexed(store);
  const file = join(path, backupKey("ehr", manifests[0]!.id, manifestFile));
  const before = await stat(file);
  await writeFile(file, (await readFile(file, "utf8")).replace("nightly", "monthly"));
  await utimes(file, before.atime, before.mtime);
  expect((await stat(file)).size).toBe(before.size);
  const { entries, fetched } = await listSummaries(repository, "ehr");
  expect(fetched).toBe(1);
  expect(entries.at(-1)).toMatchObject({ id: manifests[0]!.id, problem: { code: "integrity" } });
});

test("the page's own lines check an index with stock programs, and refuse a changed one", async () => {
  const { path, store } = await folder();
  const { signer } = await indexed(store);
  const page = await readFile(join(import.meta.dirname, "../../src/catalog/FORMAT.md"), "utf8");
  const lines = /## The index[\s\S]*?```sh\n([\s\S]*?)```/.exec(page)?.[1] ?? "exit 99";
  await writeFile(join(path, "ehr", "signer.pem"), signer.publicKeyPem);
  const check = () => execa("bash", ["-ec", lines], { cwd: join(path, "ehr"), reject: false });
  expect((await check()).stdout).toContain("Signature Verified Successfully");
  const index = join(path, indexKey("ehr"));
  await writeFile(index, (await readFile(index, "utf8")).replace("nightly", "monthly"));
  expect((await check()).exitCode).not.toBe(0);
});
