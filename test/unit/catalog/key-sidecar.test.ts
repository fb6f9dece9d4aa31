import { expect, test } from "vitest";

import { keyHoldersOf, readKeySidecar, replaceKeySidecar, settleKeySidecar } from "../../../src/catalog/key-sidecar.ts";
import { backupFolder, keyFile, keyRecordFile } from "../../../src/catalog/layout.ts";
import { openRepository } from "../../../src/catalog/repository.ts";
import { type Catalog, freshCatalog, freshKeys, manifestOf } from "./fixture.ts";

const at = new Date("2026-12-01T00:00:00Z");
const next = { sidecar: Buffer.from("sidecar for new ones"), keyRecipients: ["age1new", "age1escrow"], at };

async function published(): Promise<Catalog & { manifest: ReturnType<typeof manifestOf> }> {
  const catalog = await freshCatalog();
  return { ...catalog, manifest: await catalog.publish(manifestOf("2026-11-21T02:00:00Z")) };
}

test("before a rewrap the manifest says who opens a backup, after it key.json does", async () => {
  const { repository, manifest, signer } = await published();
  expect(await keyHoldersOf(repository, manifest, await readKeySidecar(repository, manifest))).toEqual({ recipients: ["age1me"], source: "manifest" });
  await replaceKeySidecar(repository, manifest, next, signer);
  const sidecar = await readKeySidecar(repository, manifest);
  expect(sidecar).toEqual(next.sidecar);
  expect(await keyHoldersOf(repository, manifest, sidecar)).toEqual({ recipients: next.keyRecipients, source: "record" });
});

test("killed before or after each of its writes, once and again, a rewrap leaves a key that proves itself", async () => {
  for (let first = 1; first <= 6; first += 1) {
    for (let second = 1; second <= 8; second += 1) {
      const { repository, manifest, signer, store } = await published();
      const seen: string[] = ["sidecar"];
      for (const [kill, name] of [[first, "one"], [second, "two"]] as const) {
        seen.push(name);
        let moments = 0;
        const die = (operation: string): void => {
          if (operation === "put" && (moments += 1) === kill) throw new Error("killed");
        };
        store.faults.before = die;
        store.faults.after = die;
        await replaceKeySidecar(repository, manifest, { ...next, sidecar: Buffer.from(name) }, signer).catch((error: unknown) => { expect(error).toMatchObject({ message: "killed" }); });
        delete store.faults.before;
        delete store.faults.after;
        expect(seen).toContain((await readKeySidecar(repository, manifest)).toString());
      }
      await replaceKeySidecar(repository, manifest, next, signer);
      expect(await readKeySidecar(repository, manifest)).toEqual(next.sidecar);
      expect(await settleKeySidecar(repository, manifest)).toBe(false);
    }
  }
});

test("a signature that was left in key.json alone is put in its place, and then needs key.json no more", async () => {
  const { repository, manifest, signer, store, read } = await published();
  const old = read(manifest, "key.age.sig");
  await replaceKeySidecar(repository, manifest, next, signer);
  const folder = backupFolder("ehr", manifest.id);
  store.objects.set(`${folder}key.age.sig`, { bytes: old, modified: at });
  expect(await readKeySidecar(repository, manifest)).toEqual(next.sidecar);
  expect(await settleKeySidecar(repository, manifest)).toBe(true);
  store.objects.delete(`${folder}${keyRecordFile}`);
  expect(await readKeySidecar(repository, manifest)).toEqual(next.sidecar);
});

test("a reader between two writes of a rewrap looks again", async () => {
  const { repository, manifest, signer, store } = await published();
  let reads = 0;
  // The rewrap passes between the reader's key.age and its signature.
  store.faults.before = async (operation, key) => {
    if (operation === "get" && key.endsWith(`${keyFile}.sig`) && (reads += 1) === 1) await replaceKeySidecar(repository, manifest, next, signer);
  };
  expect(await readKeySidecar(repository, manifest)).toEqual(next.sidecar);
  expect(reads).toBeGreaterThan(1);
});

test("an earlier key.age that is put back is noticed, since key.json is of another one", async () => {
  const { repository, manifest, signer, put, read } = await published();
  const [old, signature] = [read(manifest, keyFile), read(manifest, "key.age.sig")];
  await replaceKeySidecar(repository, manifest, next, signer);
  put(manifest, keyFile, old);
  put(manifest, "key.age.sig", signature);
  const sidecar = await readKeySidecar(repository, manifest);
  expect(sidecar).toEqual(old);
  expect(await keyHoldersOf(repository, manifest, sidecar)).toMatchObject({ source: "unfinished" });
});

test("a changed, foreign, moved or unreadable key.json tells nothing", async () => {
  const { repository, manifest, signer, put, read, publish, store } = await published();
  await replaceKeySidecar(repository, manifest, next, signer);
  const good = read(manifest, keyRecordFile).toString();
  const holders = async () => keyHoldersOf(repository, manifest, await readKeySidecar(repository, manifest));
  for (const bad of [good.replace("age1escrow", "age1thief"), "{}", "", good.slice(0, 100)]) {
    put(manifest, keyRecordFile, bad);
    await expect(holders(), bad).rejects.toMatchObject({ code: "integrity", exitCode: 17 });
  }
  const stranger = freshKeys();
  await replaceKeySidecar({ ...repository, store: { ...store } }, manifest, next, stranger.signer).catch(() => undefined);
  await expect(holders()).rejects.toMatchObject({ code: "integrity" });
  await replaceKeySidecar(repository, manifest, next, signer);
  const other = await publish(manifestOf("2026-11-22T02:00:00Z", { encryption: { format: "age", recipient: "age1other", keyRecipients: ["age1me"] } }));
  await replaceKeySidecar(repository, other, next, signer);
  put(manifest, keyRecordFile, read(other, keyRecordFile));
  await expect(holders()).rejects.toMatchObject({ message: expect.stringContaining("it was moved or copied") as string });
});

test("a key that was retired before the backup was made cannot have signed its sidecar; one that came later can", async () => {
  const { repository, manifest, signer, trusted, store } = await published();
  const later = freshKeys();
  const dated = (window: object, more: object) => openRepository(store, [{ ...trusted[0]!, ...window }, { ...later.trusted[0]!, ...more }]);
  await expect(readKeySidecar(await dated({ validUntil: new Date("2026-11-21T01:00:00Z") }, {}), manifest)).rejects.toMatchObject({ code: "integrity", message: expect.stringContaining("counted until 2026-11-21T01:00:00.000Z only") as string });
  await replaceKeySidecar(repository, manifest, next, later.signer);
  const rotated = await dated({ validUntil: new Date("2026-11-30T00:00:00Z") }, { validFrom: new Date("2026-11-29T00:00:00Z") });
  const sidecar = await readKeySidecar(rotated, manifest);
  expect(await keyHoldersOf(rotated, manifest, sidecar)).toMatchObject({ source: "record" });
  await replaceKeySidecar(repository, manifest, next, signer);
  await expect(keyHoldersOf(rotated, manifest, next.sidecar)).rejects.toMatchObject({ code: "integrity", message: expect.stringContaining("counted until 2026-11-30") as string });
});
