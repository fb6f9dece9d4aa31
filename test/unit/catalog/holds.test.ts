import { beforeEach, describe, expect, test } from "vitest";

import { appendHoldRecord, type HoldRecord, isInForce, readHold, readHolds } from "../../../src/catalog/holds.ts";
import { holdKey } from "../../../src/catalog/layout.ts";
import { type Catalog, freshCatalog, freshKeys } from "./fixture.ts";

const id = "ehr-20261121T020000Z-7f3a";
const other = "ehr-20261122T020000Z-7f3a";
const key = holdKey("ehr", id);
const at = "2026-11-21T12:00:00.000Z";

let catalog: Catalog;
beforeEach(async () => { catalog = await freshCatalog(); });

const append = (changes: Partial<HoldRecord> & { kind: "hold" | "release" }, signer = catalog.signer, backup = id) =>
  appendHoldRecord(catalog.repository, signer, { backup, reason: "litigation 17", until: null, by: { user: "me", host: "here", operator: null }, at, ...changes }, () => undefined);
const held = async (): Promise<string | undefined> => (await readHold(catalog.repository, id)).hold?.reason;

/** The document as somebody with write access finds it, and changes it. */
const document = () => JSON.parse(catalog.store.objects.get(key)!.bytes.toString()) as { format: 1; records: { record: string; signer: string | null; signature: string | null }[] };
const vandalise = (change: (records: ReturnType<typeof document>["records"]) => unknown[]): void => {
  catalog.store.objects.set(key, { bytes: Buffer.from(JSON.stringify({ format: 1, records: change(document().records) })), modified: new Date() });
};

test("a hold stands until it is released, and both records stay", async () => {
  expect(await readHold(catalog.repository, id)).toEqual({ hold: null, records: [], untrusted: 0 });
  await append({ kind: "hold", until: "2027-01-01T00:00:00.000Z" });
  const { hold } = await readHold(catalog.repository, id);
  expect(hold).toEqual({ reason: "litigation 17", until: new Date("2027-01-01T00:00:00Z") });
  expect([isInForce(hold, new Date(at)), isInForce(hold, new Date("2027-01-01T00:00:00Z")), isInForce(null, new Date(at))]).toEqual([true, false, false]);
  await append({ kind: "release", reason: "settled" });
  const state = await readHold(catalog.repository, id);
  expect(state.hold).toBeNull();
  expect(state.records.map(({ kind, reason }) => [kind, reason])).toEqual([["hold", "litigation 17"], ["release", "settled"]]);
});

test("the holds of a database are found by backup", async () => {
  await append({ kind: "hold" });
  await append({ kind: "hold", reason: "audit" }, catalog.signer, other);
  catalog.store.objects.set("ehr/holds/notes.txt", { bytes: Buffer.from("x"), modified: new Date() });
  expect([...(await readHolds(catalog.repository, "ehr"))].map(([of, { hold }]) => [of, hold?.reason])).toEqual([[id, "litigation 17"], [other, "audit"]]);
});

test("two who write at once both stand in the record", async () => {
  await Promise.all([append({ kind: "hold", reason: "one" }), append({ kind: "hold", reason: "two" })]);
  expect((await readHold(catalog.repository, id)).records.map(({ reason }) => reason).sort()).toEqual(["one", "two"]);
});

test("whoever is to append sees the state before, and can refuse it", async () => {
  await append({ kind: "hold" });
  await expect(appendHoldRecord(catalog.repository, catalog.signer, { kind: "release", backup: id, reason: "x", until: null, by: { user: "", host: "", operator: null }, at }, ({ hold }) => {
    throw new Error(`refused: ${hold?.reason ?? "free"}`);
  })).rejects.toThrow("refused: litigation 17");
  expect(document().records).toHaveLength(1);
});

describe("what cannot be trusted keeps the backup held, and only a trusted release lets it go", () => {
  const doubtful = "a record of its hold cannot be trusted";

  test("garbage in the place of the records", async () => {
    catalog.store.objects.set(key, { bytes: Buffer.from("{}"), modified: new Date() });
    expect(await held()).toBe(doubtful);
    await append({ kind: "release" });
    expect(await held()).toBeUndefined();
    expect(document().records[0]).toEqual({ record: "{}", signer: null, signature: null });
  });

  test("a release that a stranger signed, or nobody", async () => {
    await append({ kind: "hold" });
    await append({ kind: "release" }, freshKeys().signer);
    expect(await held()).toBe(doubtful);
    vandalise(([first, second]) => [first, { ...second, signature: null }]);
    expect(await held()).toBe(doubtful);
  });

  test("an edited record", async () => {
    await append({ kind: "hold" });
    vandalise(([first]) => [{ ...first!, record: first!.record.replace('"hold"', '"release"') }]);
    expect(await held()).toBe(doubtful);
  });

  test("a genuine release that is played again after a later hold", async () => {
    await append({ kind: "hold" });
    await append({ kind: "release" });
    await append({ kind: "hold", reason: "again" });
    vandalise((records) => [...records, records[1]]);
    expect(await held()).toBe(doubtful);
  });

  test("a genuine release of another backup", async () => {
    await append({ kind: "hold" });
    await append({ kind: "hold" }, catalog.signer, other);
    await append({ kind: "release" }, catalog.signer, other);
    catalog.store.objects.set(key, catalog.store.objects.get(holdKey("ehr", other))!);
    expect(await held()).toBe(doubtful);
  });

  test("a hold whose release was cut off is a hold again", async () => {
    await append({ kind: "hold" });
    await append({ kind: "release" });
    vandalise(([first]) => [first]);
    expect(await held()).toBe("litigation 17");
  });
});
