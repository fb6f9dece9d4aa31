/** What `audit verify` looks at beside the timeline and drills: whatever was done to any of it is named. */
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";

import { type AuditReport, readAudit, verifyAudit } from "../../../src/app/audit.ts";
import { holdKey, incidentKey, rehearsalKey, rollbackKey, runbookKey } from "../../../src/catalog/layout.ts";
import { renderReport, tampered } from "../../../src/cli/audit-view.ts";
import { generateSigningKey, loadSigner } from "../../../src/catalog/signatures.ts";
import type { MemoryStore } from "../../harness/memory-store.ts";
import { contextOf } from "../../faults/scene.ts";
import { copyPlace, copyRecords, held, ids, recordsWorld, type World } from "./records-fixture.ts";

let world: World;
beforeEach(async () => { world = await recordsWorld(); });

/** The repository in a folder, where a command finds it. */
async function onDisk(store: MemoryStore): Promise<Awaited<ReturnType<typeof contextOf>>["context"]> {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-audit-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  for (const [key, { bytes }] of store.objects) {
    await mkdir(dirname(join(folder, "repository", key)), { recursive: true });
    await writeFile(join(folder, "repository", key), bytes);
  }
  const pem = world.trusted.map(({ publicKeyPem }) => publicKeyPem).join("");
  const { context } = await contextOf({ folder, env: { HOLDFAST_REPOSITORY: `file://${folder}/repository`, HOLDFAST_TRUSTED_SIGNERS: pem, HOLDFAST_STATE_DIR: join(folder, "state") } });
  return context;
}

const audit = async (): Promise<AuditReport> => verifyAudit(await onDisk(world.store));

interface Envelope { record: string; signer: string; signature: string }
const put = (key: string, bytes: Buffer | string): void => void world.store.objects.set(key, { bytes: Buffer.from(bytes), modified: new Date() });
const text = (key: string): string => world.store.objects.get(key)!.bytes.toString();
const remove = (prefix: string): void => { for (const key of world.store.objects.keys()) if (key.startsWith(prefix)) world.store.objects.delete(key); };
const swap = (a: string, b: string): void => { const kept = world.store.objects.get(a)!; world.store.objects.set(a, world.store.objects.get(b)!).set(b, kept); };
const inChain = (key: string, change: (records: Envelope[]) => unknown[]): void => {
  const document = JSON.parse(text(key)) as { records: Envelope[] };
  put(key, JSON.stringify({ format: 1, records: change(document.records) }));
};
const { privateKeyPem } = generateSigningKey();
const stranger = loadSigner(privateKeyPem, "a stranger");
const signedByStranger = ({ record }: Envelope): Envelope => ({ record, signer: stranger.id, signature: stranger.sign(Buffer.from(record)).toString("base64") });
const resign = (key: string): void => { put(`${key}.sig`, stranger.sign(world.store.objects.get(key)!.bytes)); };

test("records of every kind are counted, and all are whole", async () => {
  const report = await audit();
  expect(report).toMatchObject({ problems: [], origin: null, drills: { drills: 2, proven: 2, problems: [] }, records: { checkpoints: 1, rehearsals: 3, rollbacks: 1, runbooks: 1, incidents: 1, holds: 1, problems: [], warnings: [] } });
  expect(tampered(report)).toBeUndefined();
  expect(renderReport(report)).toContain("all other records are whole: 1 checkpoint, 3 rehearsals, 1 rollback, 1 runbook, 1 incident, 1 hold");
});

const [first, second, third] = ids.rehearsals.map((id) => rehearsalKey("ehr", id)) as [string, string, string];
const entry = (n: number): string => rollbackKey("ehr", ids.rollback, `journal/000${n}.json`);
const step = (n: number): string => runbookKey("ehr", ids.runbook, `journal/000${n}.json`);
const incident = incidentKey("ehr", ids.incident);
const hold = holdKey("ehr", held);

const deeds: readonly (readonly [what: string, harm: () => void, says: RegExp])[] = [
  ["a rehearsal in the middle is removed", () => { remove(second.slice(0, -5)); }, /rehearsals\/rehearsal-ehr-20261102\S+: removed: rehearsal rehearsal-ehr-20261103/],
  ["the last rehearsal is removed", () => { remove(third.slice(0, -5)); }, /rehearsal-ehr-20261103\S+: removed: the timeline names it/],
  ["all rehearsals are removed", () => { remove("ehr/rehearsals/"); }, /rehearsal-ehr-20261101\S+: removed: the timeline names it/],
  ["a rehearsal is changed", () => { put(second, text(second).replace('"verdict": "pass"', '"verdict": "fail"')); }, /rehearsal-ehr-20261102\S+ was changed, or a stranger signed it/],
  ["two rehearsals change places", () => { swap(first, third); swap(`${first}.sig`, `${third}.sig`); }, /rehearsal-ehr-20261101\S+ says it is \S*rehearsal-ehr-20261103/],
  ["a rehearsal is a stranger's", () => { resign(third); }, /rehearsal-ehr-20261103\S+ was changed, or a stranger signed it/],
  ["an entry in the middle of a journal is removed", () => { remove(entry(2)); }, /the journal is broken at \S+0003\.json: entry 3 stands where entry 2 belongs/],
  ["the end of a journal is removed", () => { remove(entry(3)); }, /has 2 entries, but its outcome speaks of 3/],
  ["the end of a journal and the outcome are removed", () => { remove(entry(3)); remove(rollbackKey("ehr", ids.rollback, "outcome")); }, /removed: the timeline says that this rollback ended/],
  ["a rollback is removed as a whole", () => { remove("ehr/rollbacks/"); }, /removed: the timeline names this rollback/],
  ["the plan of a rollback is removed", () => { remove(rollbackKey("ehr", ids.rollback, "plan.json")); }, /plan\.json is missing: nothing says what was agreed to/],
  ["an entry of a journal is changed", () => { put(entry(1), text(entry(1)).replace("observe", "obscure")); }, /0001\.json was changed, or a stranger signed it/],
  ["two entries of a journal change places", () => { swap(entry(1), entry(2)); }, /entry 2 stands where entry 1 belongs/],
  ["an entry of a journal is a stranger's", () => { put(entry(2), JSON.stringify(signedByStranger(JSON.parse(text(entry(2))) as Envelope))); }, /0002\.json was changed, or a stranger signed it/],
  ["the outcome of a rollback is changed", () => { const key = rollbackKey("ehr", ids.rollback, "outcome.json"); put(key, text(key).replace('"done"', '"left"')); }, /outcome\.json was changed, or a stranger signed it/],
  ["an entry of a runbook's journal is removed", () => { remove(step(1)); }, /runbooks\/\S+ entry 2 stands where entry 1 belongs|entry 2 stands where entry 1 belongs/],
  ["two entries of a runbook's journal change places", () => { swap(step(2), step(3)); }, /entry 3 stands where entry 2 belongs/],
  ["the beginning of a runbook's execution is a stranger's", () => { const key = runbookKey("ehr", ids.runbook, "begun.json"); put(key, JSON.stringify(signedByStranger(JSON.parse(text(key)) as Envelope))); }, /begun\.json was changed, or a stranger signed it/],
  ["a record of an incident is removed", () => { inChain(incident, ([a, , ...rest]) => [a, ...rest]); }, /record 2 of incident-\S+ cannot be trusted/],
  ["an incident is removed", () => { remove(incident); }, /incidents\/\S+: removed: the timeline names it/],
  ["a record of an incident is changed", () => { inChain(incident, ([a, b, ...rest]) => [a, { ...b, record: b!.record.replace("first", "worst") }, ...rest]); }, /record 2 of incident-\S+ cannot be trusted/],
  ["records of an incident change places", () => { inChain(incident, ([a, b, c, ...rest]) => [a, c, b, ...rest]); }, /record 2 of incident-\S+ cannot be trusted/],
  ["a record of an incident is a stranger's", () => { inChain(incident, (all) => all.map((each, at) => (at === 3 ? signedByStranger(each) : each))); }, /record 4 of incident-\S+ cannot be trusted/],
  ["a hold is removed", () => { remove(hold); }, /removed: the timeline names 2 records of this hold, but 0 are here/],
  ["the last record of a hold is removed", () => { inChain(hold, ([a]) => [a]); }, /names 2 records of this hold, but 1 are here/],
  ["a record of a hold is changed", () => { inChain(hold, ([a, b]) => [{ ...a, record: a!.record.replace("litigation", "nothing") }, b]); }, /2 of its records cannot be trusted/],
  ["the records of a hold change places", () => { inChain(hold, ([a, b]) => [b, a]); }, /2 of its records cannot be trusted/],
  ["a release is a stranger's", () => {
    inChain(hold, ([a, b]) => {
      const record = JSON.stringify({ ...(JSON.parse(b!.record) as object), kind: "release", previous: createHash("sha256").update(b!.record).digest("hex") });
      return [a, b, signedByStranger({ record, signer: "", signature: "" })];
    });
  }, /1 of its records cannot be trusted/],
  ["a checkpoint is removed", () => { remove("ehr/checkpoints/"); }, /this checkpoint was published, and no holdfast removes one, but it is gone/],
];

describe("is named with exit 17", () => {
  test.each(deeds)("%s", async (_what, harm, says) => {
    harm();
    const error = tampered(await audit());
    expect(error).toMatchObject({ code: "integrity", message: expect.stringMatching(says) as string });
    expect(error?.message).toMatch(/^the records of .* was tampered with: /);
  });
});

test("in a copy the kept timeline is verified as well, and shown where it is asked for", async () => {
  const copy = await copyPlace(world);
  await copyRecords(world.repository, copy.repository);
  const report = await verifyAudit(await onDisk(copy.store));
  expect(report).toMatchObject({ problems: [], origin: { problems: [] }, drills: { proven: 2, problems: [], warnings: [] }, records: { rehearsals: 3, holds: 1, problems: [], warnings: [] } });
  expect(report.origin?.entries).toBeGreaterThan(5);
  const context = await onDisk(copy.store);
  expect([await readAudit(context, {}), (await readAudit(context, { origin: true })).map(({ action }) => action)]).toEqual([[], expect.arrayContaining(["checkpoint create", "backup hold"])]);
  await expect(readAudit(await onDisk(world.store), { origin: true })).rejects.toMatchObject({ code: "refused" });

  const kept = [...copy.store.objects.keys()].filter((key) => key.startsWith("origin.timeline/")).sort();
  for (const harm of [() => copy.store.objects.delete(kept[2]!), () => copy.store.objects.set(kept[2]!, copy.store.objects.get(kept[3]!)!)]) {
    const whole = copy.store.objects.get(kept[2]!)!;
    harm();
    expect(tampered(await verifyAudit(await onDisk(copy.store)))?.message).toMatch(/^the kept timeline of the origin was tampered with: entry 3 of the origin/);
    copy.store.objects.set(kept[2]!, whole);
  }
  // What a copy never got is no proof of anything: it is said.
  for (const key of copy.store.objects.keys()) if (key.includes(ids.drills[1]!) || key.includes(ids.rehearsals[2]!)) copy.store.objects.delete(key);
  const lacking = await verifyAudit(await onDisk(copy.store));
  expect([lacking.drills.problems, lacking.records.problems]).toEqual([[], []]);
  expect([...lacking.drills.warnings, ...lacking.records.warnings]).toEqual(expect.arrayContaining([expect.stringContaining(`${ids.drills[1]!}, which is not in this copy`), expect.stringContaining(`${ids.rehearsals[2]!}, which is not in this copy`)]));
});
