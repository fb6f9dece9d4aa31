/** What is written down of an execution before it begins, and who may have written it. */
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";

import { runbookKey } from "../../../src/catalog/layout.ts";
import { placeOf } from "../../../src/catalog/places.ts";
import { generateSigningKey, loadSigner } from "../../../src/catalog/signatures.ts";
import { type BegunRunbook, readBegun, sha256Of, writeBegun } from "../../../src/rollback/runbook/records.ts";
import { journalBench } from "../rollback/journal-bench.ts";
import { sample } from "./sample.ts";

const id = "runbook-ehr-20261122T030000Z-7f3a";
const begunOf = (signer: string, changes: Partial<BegunRunbook> = {}): BegunRunbook => ({
  format: 1, kind: "holdfast-runbook", incident: null, id, database: "ehr", startedAt: "2026-11-22T03:00:00.000Z", by: { user: "ann", host: "db1", operator: null, holdfast: "0.1.0" }, reason: null,
  runbook: { id: "sample", path: "/srv/sample.md", sha256: sha256Of(sample), source: sample }, inputs: { project: "ehr" }, signer, ...changes,
});

test("an execution is written on this host and in the repository, and read from either", async () => {
  const { repository, stateDir, signer } = await journalBench();
  const begun = begunOf(signer.id);
  expect(await writeBegun(repository, stateDir, begun, signer)).toEqual({ stored: undefined });
  expect(await readBegun(repository, stateDir, "ehr", id)).toEqual(begun);
  expect(await readBegun(repository, join(stateDir, "of-another-host"), "ehr", id)).toEqual(begun);
  expect(placeOf(runbookKey("ehr", id, "begun.json"))).toEqual({ room: "runbook", database: "ehr" });
  expect(placeOf(runbookKey("ehr", id, "journal/0001.json"))).toEqual({ room: "runbook", database: "ehr" });
  expect(placeOf(runbookKey("ehr", id.replace("ehr", "crm"), "begun.json"))).toBeUndefined();
  expect(placeOf(runbookKey("ehr", id, "notes.txt"))).toBeUndefined();
});

test("a repository that does not take it is told of; a disk that does not is refused", async () => {
  const { repository, store, stateDir, signer } = await journalBench();
  store.faults.before = (operation) => { if (operation === "put") throw new Error("the bucket is read-only"); };
  expect(await writeBegun(repository, stateDir, begunOf(signer.id), signer)).toMatchObject({ stored: { message: "the bucket is read-only" } });
  expect((await readBegun(repository, stateDir, "ehr", id)).id).toBe(id);
  await writeFile(join(stateDir, "a-file"), "");
  await expect(writeBegun(repository, join(stateDir, "a-file"), begunOf(signer.id), signer)).rejects.toMatchObject({ code: "store-failed" });
});

test("a record that was changed, signed by a stranger, moved, or whose text is another is refused", async () => {
  const { repository, stateDir, signer } = await journalBench();
  const stranger = loadSigner(generateSigningKey().privateKeyPem, "a stranger");
  const path = join(stateDir, "rollbacks", id, "begun.json");
  const refusal = async (begun: BegunRunbook, by = signer, change: (text: string) => string = (text) => text): Promise<unknown> => {
    await rm(path, { force: true });
    const there = join(stateDir, "rollbacks", begun.id, "begun.json");
    await rm(there, { force: true });
    await writeBegun(repository, stateDir, begun, by);
    const text = change(await readFile(there, "utf8"));
    await writeFile(path, text);
    return readBegun(repository, stateDir, "ehr", id).then(() => "read", (error: unknown) => (error as { code: string }).code);
  };
  const good = begunOf(signer.id);
  // The folder of the moved one has to be there for the others to lie in.
  await writeBegun(repository, stateDir, good, signer);
  expect(await refusal(good)).toBe("read");
  expect(await refusal(good, signer, (text) => text.replace("/srv/sample.md", "/srv/simple.md"))).toBe("integrity");
  expect(await refusal(good, stranger)).toBe("integrity");
  expect(await refusal(begunOf(signer.id, { id: "runbook-ehr-20261122T040000Z-0000" }))).toBe("integrity");
  expect(await refusal(begunOf(signer.id, { runbook: { ...good.runbook, source: `${sample}\n## Another\n` } }))).toBe("integrity");
  await expect(readBegun(repository, stateDir, "ehr", "runbook-ehr-20260101T000000Z-0000")).rejects.toMatchObject({ code: "not-found" });
});
