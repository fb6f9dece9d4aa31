/** The stories about drills' evidence, on a repository in a folder and on S3, with the hands of somebody who can write to it. */
import { execa } from "execa";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

import { verifyAudit } from "../../../src/app/audit.ts";
import { certifyDrill } from "../../../src/app/drill/certify-drill.ts";
import { openWorkplace } from "../../../src/app/context.ts";
import { listDatabaseDrills, showDrill, showLedger } from "../../../src/app/drill/show-drills.ts";
import { generateSigningKey, loadSigner } from "../../../src/catalog/signatures.ts";
import { beginDrill } from "../../../src/drill/evidence/begun.ts";
import type { EvidenceDraft } from "../../../src/drill/evidence/evidence.ts";
import { type PublishedEvidence, publishEvidence } from "../../../src/drill/evidence/publish-evidence.ts";
import { verifyDrills } from "../../../src/drill/evidence/verify-evidence.ts";
import type { Store } from "../../../src/store/store.ts";
import { renderReport, tampered } from "../../../src/cli/audit-view.ts";
import { drillJson, ledgerJson, renderDrill, renderDrills, renderLedger } from "../../../src/cli/drill-view.ts";
import { type Bench, bench } from "../../harness/context.ts";
import { s3Missing, s3Server } from "../../harness/s3.ts";
import { draftOf, drillBench, recordedOf } from "../../unit/drill/fixture.ts";

const caught = (promise: Promise<unknown>): Promise<unknown> => promise.then(() => "no error", (error: unknown) => error);
const render = () => [{ name: "report.html" as const, bytes: Buffer.from("<!doctype html>") }];

/** Leaves what a drill leaves: begun.json, evidence, and its entry in the timeline. */
async function drill({ context }: Bench, at: string, changes: Partial<EvidenceDraft> = {}): Promise<PublishedEvidence> {
  const workplace = await openWorkplace(context);
  try {
    const { repository, timeline } = workplace;
    const startedAt = new Date(at);
    const { id } = await beginDrill(repository.store, { database: "ehr", backup: null, startedAt, expires: new Date(startedAt.getTime() + 3_600_000), actor: context.actor, ids: context.ids });
    const draft = draftOf(at, { id, repository: { id: repository.id, url: repository.store.url }, ...changes });
    const signer = loadSigner(await readFile(context.config.signingKeyFile!, "utf8"), "a test");
    const published = await publishEvidence(repository, draft, { signer, clock: context.clock, actor: context.actor, render });
    await timeline.record({ action: "drill restore", subject: { database: "ehr", drill: id, evidence: published.sha256, verdict: draft.verdict }, outcome: draft.verdict === "pass" ? "ok" : "failed", seconds: 60 });
    return published;
  } finally {
    await workplace.close();
  }
}

const folderOf = ({ folder }: Bench, { evidence: { id } }: PublishedEvidence): string => join(folder, "repository", "ehr", "drills", id);

async function threeDrills(): Promise<{ place: Bench; drills: readonly [PublishedEvidence, PublishedEvidence, PublishedEvidence] }> {
  const place = await bench("postgresql://nobody@127.0.0.1:1/ehr");
  return { place, drills: [await drill(place, "2026-01-15T02:00:00Z"), await drill(place, "2026-02-15T02:00:00Z", { verdict: "fail", summary: "a table lacks rows" }), await drill(place, "2026-03-15T02:00:00Z")] };
}

describe("audit verify", () => {
  test("finds timeline and evidence whole that nobody touched", async () => {
    const { place } = await threeDrills();
    const report = await verifyAudit(place.context);
    expect(report).toMatchObject({ problems: [], drills: { drills: 3, proven: 3, problems: [], warnings: [] } });
    expect(tampered(report)).toBeUndefined();
    expect(renderReport(report)).toContain("the evidence of drills is whole: 3 drills, 3 with signed evidence");
  });

  test.each([0, 1, 2] as const)("fails when drill %i is removed, with its words and code", async (n) => {
    const { place, drills } = await threeDrills();
    await rm(folderOf(place, drills[n]), { recursive: true });
    const error = tampered(await verifyAudit(place.context));
    expect(error).toMatchObject({ code: "integrity", exitCode: 17 });
    expect(error!.message).toBe(`the evidence of drills was tampered with: drill ${drills[n].evidence.id} removed: its evidence.json is missing; ${n === 2 ? "the timeline names it" : `drill ${drills[n + 1]!.evidence.id} follows it`}`);
  });

  test("fails when the whole database's folder is gone", async () => {
    const { place } = await threeDrills();
    await rm(join(place.folder, "repository", "ehr"), { recursive: true });
    expect((await verifyAudit(place.context)).drills.problems.map(({ problem }) => problem)).toEqual(["removed", "removed", "removed"]);
  });

  test("fails when a byte of the newest evidence is changed", async () => {
    const { place, drills } = await threeDrills();
    const file = join(folderOf(place, drills[2]), "evidence.json");
    await writeFile(file, (await readFile(file, "utf8")).replace('"verdict": "pass"', '"verdict": "pasS"'));
    expect(tampered(await verifyAudit(place.context))?.message).toMatch(/^the evidence of drills was tampered with: drill \S+ edited: /);
  });

  test("names the timeline as well when both were touched", async () => {
    const { place, drills } = await threeDrills();
    await rm(folderOf(place, drills[2]), { recursive: true });
    const entry = join(place.folder, "repository", "timeline", String(new Date().getUTCFullYear()), "0000000002.json");
    await writeFile(entry, (await readFile(entry, "utf8")).replace("drill restore", "drill Restore"));
    expect(tampered(await verifyAudit(place.context))?.message).toMatch(/^the timeline and the evidence of drills was tampered with: entry 2 edited: .*; drill \S+ removed: /);
  });

  test("is not led out of the repository by an entry that anybody can write", async () => {
    const { place } = await threeDrills();
    const workplace = await openWorkplace(place.context);
    await workplace.timeline.record({ action: "drill restore", subject: { database: "../../etc", drill: "drill-ehr-20260115T020000Z-0000", evidence: "0".repeat(64) }, outcome: "ok", seconds: 1 });
    await workplace.timeline.record({ action: "drill restore", subject: { database: "../../etc", drill: "drill-../../etc-20260115T020000Z-0000", evidence: "0".repeat(64) }, outcome: "ok", seconds: 1 });
    await workplace.close();
    expect((await verifyAudit(place.context)).drills.problems).toEqual([]);
  });
});

describe("certifying", () => {
  async function reviewer(place: Bench): Promise<{ keyFile: string; reviewed: Bench; id: string }> {
    const pair = generateSigningKey();
    const keyFile = join(place.folder, "review-key.pem");
    await writeFile(keyFile, pair.privateKeyPem);
    const { config } = place.context;
    return { keyFile, id: pair.id, reviewed: place.with({ config: { ...config, trustedSigners: `${config.trustedSigners!}\n${pair.publicKeyPem}` } }) };
  }

  test("adds a reviewer's own signature, which the list, the page, the ledger and openssl show", async () => {
    const { place, drills } = await threeDrills();
    const { keyFile, reviewed, id } = await reviewer(place);
    const { certification } = await certifyDrill(reviewed.context, { drill: { id: drills[0].evidence.id }, by: "Dr. A. Lee, security officer", keyFile });
    expect(certification).toMatchObject({ evidenceSha256: drills[0].sha256, by: "Dr. A. Lee, security officer", signer: id });
    expect(renderDrill(await showDrill(reviewed.context, { id: drills[0].evidence.id }))).toContain(`Dr. A. Lee, security officer, ${certification.at}, key ${id}: I have reviewed`);
    expect((await listDatabaseDrills(reviewed.context)).map(drillJson).map(({ certifiedBy }) => certifiedBy)).toEqual([[], [], ["Dr. A. Lee, security officer"]]);
    expect((await showLedger(reviewed.context, {})).rows[0]!.drills[0]!.certifiedBy).toEqual(["Dr. A. Lee, security officer"]);
    const file = join(folderOf(place, drills[0]), `certification-${id}.json`);
    await writeFile(join(place.folder, "review.pub"), reviewed.context.config.trustedSigners!.split("\n-----BEGIN").at(-1)!.replace(/^/, "-----BEGIN"));
    const { stdout } = await execa("openssl", ["pkeyutl", "-verify", "-pubin", "-inkey", join(place.folder, "review.pub"), "-rawin", "-in", file, "-sigfile", `${file}.sig`]);
    expect(stdout).toBe("Signature Verified Successfully");
    expect(await verifyAudit(reviewed.context)).toMatchObject({ problems: [], drills: { problems: [] } });
    // The timeline names it, so that it cannot go without a trace.
    for (const end of ["", ".sig"]) await rm(file + end);
    expect((await verifyAudit(reviewed.context)).drills.problems).toMatchObject([{ drill: drills[0].evidence.id, problem: "removed" }]);
  });

  test("warns when the key that signed the evidence signs the review", async () => {
    const { place, drills } = await threeDrills();
    await certifyDrill(place.context, { drill: { latest: true }, by: "Dr. A. Lee" });
    expect(place.events).toContainEqual(expect.objectContaining({ level: "warn", message: expect.stringContaining("does not show that another person looked") as string }));
    expect(await caught(certifyDrill(place.context, { drill: { id: drills[2].evidence.id }, by: "Dr. A. Lee" }))).toMatchObject({ code: "refused" });
  });

  test("refuses a key whose signature would not be believed", async () => {
    const { place } = await threeDrills();
    const { keyFile } = await reviewer(place);
    expect(await caught(certifyDrill(place.context, { drill: { latest: true }, by: "Dr. A. Lee", keyFile }))).toMatchObject({ code: "configuration", message: expect.stringContaining("is not among the trusted signers") as string });
  });

  test("refuses a key whose time is over, or has not begun", async () => {
    const { place } = await threeDrills();
    const { keyFile, reviewed } = await reviewer(place);
    const { config } = reviewed.context;
    for (const date of ["valid-until: 2026-03-01T00:00:00Z", "valid-from: 2096-01-01T00:00:00Z"]) {
      const dated = config.trustedSigners!.replace(/(?=-----BEGIN PUBLIC KEY-----[^-]*-----END PUBLIC KEY-----\s*$)/, `# ${date}\n`);
      const certify = certifyDrill(reviewed.with({ config: { ...config, trustedSigners: dated } }).context, { drill: { latest: true }, by: "Dr. A. Lee", keyFile });
      expect(await caught(certify)).toMatchObject({ code: "configuration", message: expect.stringContaining("nobody would trust what it certifies now") as string });
    }
  });

  test("where the store honours no conditional writes, those who certify at once are kept apart on their host, and say by what", async () => {
    const { place, drills } = await threeDrills();
    const { keyFile, reviewed } = await reviewer(place);
    const { config } = reviewed.context;
    const deaf = reviewed.with({ config: { ...config, repository: { ...config.repository!, conditionalWrites: false } } });
    const drillNamed = { drill: { id: drills[0].evidence.id }, by: "Dr. A. Lee" };
    await Promise.all([certifyDrill(deaf.context, { ...drillNamed, keyFile }), certifyDrill(deaf.context, drillNamed)]);
    expect((await showDrill(deaf.context, drillNamed.drill)).certifications).toHaveLength(2);
    expect(place.events).toContainEqual(expect.objectContaining({ type: "note", message: expect.stringContaining("honours no conditional writes, as configured: a lock file on this host") as string }));
    expect(await readdir(join(config.stateDir, "locks"), { recursive: true })).toContainEqual(expect.stringMatching(/ehr\/locks\/drill\.json$/));
  });

  test.each(["evidence.json", "evidence.json.sig", "report.html", "reports.json"])("refuses a drill whose %s was changed", async (file) => {
    const { place, drills } = await threeDrills();
    const path = join(folderOf(place, drills[2]), file);
    const bytes = await readFile(path);
    bytes[3]! ^= 1;
    await writeFile(path, bytes);
    expect(await caught(certifyDrill(place.context, { drill: { latest: true }, by: "Dr. A. Lee" }))).toMatchObject({ code: "integrity" });
  });

  test("refuses a drill without a verdict, one that is not there, and what is no id", async () => {
    const { place } = await threeDrills();
    const workplace = await openWorkplace(place.context);
    const startedAt = new Date();
    const begun = await beginDrill(workplace.repository.store, { database: "ehr", backup: null, startedAt, expires: new Date(startedAt.getTime() + 3_600_000), actor: place.context.actor, ids: place.context.ids });
    await workplace.close();
    const certify = (id: string) => caught(certifyDrill(place.context, { drill: { id }, by: "Dr. A. Lee" }));
    expect(await certify(begun.id)).toMatchObject({ code: "not-found", message: `drill ${begun.id} has no evidence: it still runs` });
    expect(await certify("drill-ehr-20200101T000000Z-0000")).toMatchObject({ code: "not-found" });
    expect(await certify("../../etc/passwd")).toMatchObject({ code: "usage" });
    expect(await caught(certifyDrill(place.context, { drill: { latest: true }, by: "" }))).toMatchObject({ code: "not-found" });
  });
});

describe("looking at drills", () => {
  test("lists and shows what each has left, also what cannot be trusted", async () => {
    const { place, drills } = await threeDrills();
    await rm(join(folderOf(place, drills[0]), "evidence.json.sig"));
    const records = await listDatabaseDrills(place.context);
    expect(records.map(drillJson).map(({ state }) => state)).toEqual(["pass", "fail", "untrusted"]);
    expect(renderDrills(records).split("\n").slice(1).map((line) => /pass|FAIL|UNTRUSTED/.exec(line)?.[0])).toEqual(["pass", "FAIL", "UNTRUSTED"]);
    expect(await caught(showDrill(place.context, { id: drills[0].evidence.id }))).toMatchObject({ code: "integrity" });
    expect(renderDrill(await showDrill(place.context, { id: drills[1].evidence.id }))).toMatch(/^verdict +FAIL: a table lacks rows\n/);
  });

  test("lets no name from a database move the cursor", async () => {
    const place = await bench("postgresql://nobody@127.0.0.1:1/ehr");
    await drill(place, "2026-01-15T02:00:00Z", { summary: "table \u001b[2Jpatients lacks rows", verdict: "fail", checks: [{ id: "rows", title: "rows\u001b[31m", outcome: "fail", detail: "\u202etable", compared: 1, seconds: 0 }] });
    expect(renderDrill(await showDrill(place.context, { latest: true }))).not.toMatch(/\p{Cc}(?<!\n)|\u202e/u);
  });

  test("shows a month without a passed drill in the ledger, from the first backup on", async () => {
    const { place } = await threeDrills();
    const at = place.with({ clock: { now: () => new Date("2026-04-20T00:00:00Z") } });
    const ledger = await showLedger(at.context, { since: new Date("2026-01-01T00:00:00Z") });
    expect(ledgerJson(ledger)).toMatchObject({ database: "ehr", interval: { days: 31 }, overdue: true, due: "2026-04-15T02:00:00.000Z" });
    expect(ledger.rows.map(({ month, state }) => `${month} ${state}`)).toEqual(["2026-01 fulfilled", "2026-02 missed", "2026-03 fulfilled", "2026-04 open"]);
    expect(renderLedger(ledger)).toContain("OVERDUE: a passed drill was due by 2026-04-15T02:00:00.000Z");
    const byMonth = await showLedger(at.context, { interval: { months: 1 } });
    expect(byMonth.since).toEqual(new Date("2026-01-15T02:00:00Z"));
  });
});

const missing = s3Missing();

describe.skipIf(missing !== undefined)(missing ?? "on S3", () => {
  test("publishers at once make one chain, and removed or changed evidence is named", async () => {
    const server = await s3Server();
    const store: Store = await server.open(await server.createBucket());
    const { publish, verify, remove, read, put, repository } = await drillBench(store);
    const published = await Promise.all([1, 2, 3].map((day) => publish(draftOf(`2026-06-0${day}T02:00:00Z`))));
    const recorded = published.map(recordedOf);
    expect(await verify(recorded)).toEqual({ drills: 3, proven: 3, problems: [], warnings: [] });
    const bytes = await read(published[0]!.evidence.id, "evidence.json");
    await put(published[0]!.evidence.id, "evidence.json", Buffer.concat([bytes, Buffer.from("\n")]));
    await remove(published[1]!.evidence.id);
    const { problems } = await verifyDrills(repository, "ehr", recorded);
    expect(problems.map(({ drill: id, problem }) => `${published.findIndex(({ evidence }) => evidence.id === id) + 1} ${problem}`).toSorted()).toEqual(["1 edited", "2 removed"]);
    await store.close();
  });
});
