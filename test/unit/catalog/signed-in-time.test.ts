/**
 * Everything that is signed, and the dates of the key that signed it: what it signed in its time stays good, however long
 * ago that time has ended; what it signed after its end or before its beginning counts nowhere.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";

import { readManifest } from "../../../src/catalog/authenticity.ts";
import { appendHoldRecord, readHold } from "../../../src/catalog/holds.ts";
import { keyHoldersOf, replaceKeySidecar } from "../../../src/catalog/key-sidecar.ts";
import { backupId, drillKey, recordId } from "../../../src/catalog/layout.ts";
import { publishManifest } from "../../../src/catalog/publishing.ts";
import type { Repository } from "../../../src/catalog/repository.ts";
import { readShredRecord, shredRecordOf, writeShredRecord } from "../../../src/catalog/shredded.ts";
import type { Signer, TrustedSigner } from "../../../src/catalog/signatures.ts";
import { writeCertification } from "../../../src/drill/evidence/certification.ts";
import { publishEvidence } from "../../../src/drill/evidence/publish-evidence.ts";
import { readDrill, readEvidence } from "../../../src/drill/evidence/records.ts";
import { checkReports } from "../../../src/drill/evidence/report-index.ts";
import { verifyDrills } from "../../../src/drill/evidence/verify-evidence.ts";
import { HoldfastError } from "../../../src/errors.ts";
import { listDeployed, publishCheckpoint, publishDeployed, readCheckpoint } from "../../../src/rollback/checkpoint/records.ts";
import { openIncident, readIncident } from "../../../src/rollback/incident/incident.ts";
import { openJournal } from "../../../src/rollback/journal/open-journal.ts";
import { readJournal } from "../../../src/rollback/journal/read-journal.ts";
import type { RollbackOutcome } from "../../../src/rollback/plan/outcome.ts";
import { publishBegun, publishOutcome, readRollback } from "../../../src/rollback/plan/records.ts";
import { lastRehearsal, publishRehearsal, readRehearsal } from "../../../src/rollback/rehearsal/records.ts";
import { readBegun, sha256Of, writeBegun } from "../../../src/rollback/runbook/records.ts";
import { actor, clock, draftOf } from "../drill/fixture.ts";
import { checkpointOf, deployedOf } from "../rollback/checkpoint-fixture.ts";
import { opening } from "../rollback/incident-fixture.ts";
import { begunOf, rehearsalOf } from "../rollback/rollback-fixture.ts";
import { freshCatalog, freshKeys, manifestOf } from "./fixture.ts";

const window = { validFrom: new Date("2026-01-10T00:00:00.000Z"), validUntil: new Date("2026-02-10T00:00:00.000Z") };
const inTime = "2026-01-20T03:00:00.000Z";
const tooLate = "2026-02-10T00:00:00.000Z";
const tooEarly = "2026-01-09T23:59:59.999Z";

/** A repository that trusts a key with dates, and one without for what is not looked at. */
interface Scene {
  readonly repository: Repository;
  /** With dates. */
  readonly signer: Signer;
  readonly lasting: Signer;
  readonly stateDir: string;
}

async function scene(): Promise<Scene> {
  const catalog = await freshCatalog();
  const dated = freshKeys();
  const trusted: TrustedSigner[] = [...catalog.trusted, { ...dated.trusted[0]!, ...window }];
  const stateDir = await mkdtemp(join(tmpdir(), "holdfast-dated-"));
  onTestFinished(() => rm(stateDir, { recursive: true, force: true }));
  return { repository: { ...catalog.repository, trusted }, signer: dated.signer, lasting: catalog.signer, stateDir };
}

/** Signs one thing, which says that it is of `at`, and reads it back: rejects, or gives what is wrong with it. */
type Kind = (scene: Scene, at: string) => Promise<unknown>;

const by = { user: "ann", host: "db1", operator: null };
const byWithVersion = { ...by, holdfast: "0.1.0" };
const observer = { now: new Date("2026-11-21T00:00:00Z"), host: "db1" };
const render = (): { readonly name: "report.md"; readonly bytes: Buffer }[] => [{ name: "report.md", bytes: Buffer.from("# pass\n") }];
const publication = (signer: Signer) => ({ signer, clock, actor, render });
const kinds: Readonly<Record<string, Kind>> = {
  "a manifest": async ({ repository, signer }, at) => {
    const manifest = manifestOf("2026-01-15T00:00:00Z", { finishedAt: at, signer: signer.id });
    await publishManifest(repository.store, manifest, signer);
    await readManifest(repository, "ehr", manifest.id);
    return undefined;
  },
  "the record of a rewrap": async ({ repository, signer }, at) => {
    const manifest = manifestOf("2026-01-15T00:00:00Z");
    const sidecar = Buffer.from("sidecar");
    await replaceKeySidecar(repository, manifest, { sidecar, keyRecipients: ["age1me"], at: new Date(at) }, signer);
    await keyHoldersOf(repository, manifest, sidecar);
    return undefined;
  },
  "the record of a shredded backup": async ({ repository, signer }, at) => {
    const manifest = manifestOf("2026-01-15T00:00:00Z");
    await writeShredRecord(repository, shredRecordOf(manifest, { shreddedAt: at, shreddedBy: { host: "db1", user: "ann" }, reason: null }), signer);
    await readShredRecord(repository, "ehr", manifest.id);
    return undefined;
  },
  "the release of a hold": async ({ repository, signer, lasting }, at) => {
    const backup = backupId("ehr", new Date("2026-01-15T00:00:00Z"), "7f3a");
    const record = { kind: "hold", backup, reason: "litigation", until: null, by, at: "2026-01-16T00:00:00.000Z" } as const;
    await appendHoldRecord(repository, lasting, record, () => undefined);
    await appendHoldRecord(repository, signer, { ...record, kind: "release", at }, () => undefined);
    return (await readHold(repository, backup)).hold?.reason;
  },
  "the evidence of a drill": async ({ repository, signer }, at) => {
    const draft = draftOf("2026-01-15T00:00:00Z", { finishedAt: at, repository: { id: repository.id, url: "memory:" } });
    await publishEvidence(repository, draft, publication(signer));
    const { problems } = await verifyDrills(repository, "ehr", []);
    expect((await readDrill(repository, { database: "ehr", id: draft.id }, observer))?.problem?.message).toEqual(problems[0]?.detail);
    if (problems.length > 0) expect(problems).toMatchObject([{ drill: draft.id, problem: "stranger" }]);
    await readEvidence(repository, { database: "ehr", id: draft.id });
    return undefined;
  },
  "the list of a drill's reports": async ({ repository, signer, lasting }, at) => {
    const draft = draftOf("2026-01-15T00:00:00Z", { finishedAt: at, repository: { id: repository.id, url: "memory:" } });
    const { sha256, evidence } = await publishEvidence(repository, draft, publication(lasting));
    // Another list of the same reports, signed with the key that has dates.
    const key = drillKey("ehr", draft.id, "reports.json");
    const list = Buffer.from((await repository.store.get(key))!.bytes.toString().replace(lasting.id, signer.id));
    await repository.store.put(key, list);
    await repository.store.put(`${key}.sig`, signer.sign(list));
    const problems = await checkReports(repository, { database: "ehr", id: draft.id, sha256, evidence }, ["report.md"]);
    return problems[0]?.message;
  },
  "a certification": async ({ repository, signer, lasting }, at) => {
    const draft = draftOf("2026-01-15T00:00:00Z", { repository: { id: repository.id, url: "memory:" } });
    const { sha256 } = await publishEvidence(repository, draft, publication(lasting));
    await writeCertification(repository, { database: "ehr", id: draft.id, sha256 }, signer, { by: "Dr. Lee", statement: "reviewed", at });
    const { problems } = await verifyDrills(repository, "ehr", []);
    if (problems.length > 0) expect(problems).toMatchObject([{ drill: draft.id, problem: "stranger" }]);
    return problems[0]?.detail;
  },
  "a checkpoint": async ({ repository, signer }, at) => {
    const checkpoint = checkpointOf("1.4.2", "1.4.1", at, { signer: signer.id });
    await publishCheckpoint(repository, checkpoint, signer);
    await readCheckpoint(repository, "ehr", checkpoint.id);
    return undefined;
  },
  "what was seen after a deploy": async ({ repository, signer }, at) => {
    await publishDeployed(repository, deployedOf(checkpointOf("1.4.2", "1.4.1", "2026-01-15T00:00:00Z"), at, { signer: signer.id }), signer);
    return (await listDeployed(repository, "ehr"))[0]?.problem?.message;
  },
  "the evidence of a rehearsal": async ({ repository, signer }, at) => {
    const { id, evidence } = await publishRehearsal(repository, rehearsalOf(at, repository), { signer, clock, actor });
    const last = await lastRehearsal(repository, "ehr", evidence.checkpoint.id);
    await readRehearsal(repository, "ehr", id);
    return last?.id === id ? undefined : "it is not the last rehearsal";
  },
  "the plan of a rollback": async ({ repository, signer }, at) => {
    const begun = begunOf(at, signer.id);
    await publishBegun(repository, begun, signer);
    await readRollback(repository, "ehr", begun.id);
    return undefined;
  },
  "the outcome of a rollback": async ({ repository, signer, lasting }, at) => {
    const begun = begunOf("2026-01-15T00:00:00.000Z", lasting.id);
    const planSha256 = await publishBegun(repository, begun, lasting);
    const outcome: RollbackOutcome = {
      format: 1, kind: "holdfast-rollback-outcome", rollback: begun.id, database: "ehr", to: "1.4.1", outcome: "done", message: "done", startedAt: begun.startedAt, finishedAt: at, by: byWithVersion,
      planSha256, journalEntries: 0, incident: null, facts: {}, healthBefore: null, healthAfter: null, signer: signer.id,
    };
    await publishOutcome(repository, outcome, signer);
    await readRollback(repository, "ehr", begun.id);
    return undefined;
  },
  "an entry of a rollback's journal": async ({ repository, signer, stateDir }, at) => {
    const place = { repository, database: "ehr", id: recordId("rollback", "ehr", new Date("2026-01-15T00:00:00Z"), "7f3a") };
    const journal = await openJournal({ ...place, stateDir, clock: { now: () => new Date(at) }, actor: by, signer, reporter: { emit: () => undefined } });
    await journal.append({ kind: "step-begun", step: "stop" });
    await expect(readJournal({ ...place, stateDir }).then(() => "read", () => "refused")).resolves.toBe(at === inTime ? "read" : "refused");
    await readJournal(place);
    return undefined;
  },
  "the beginning of a runbook's execution": async ({ repository, signer, stateDir }, at) => {
    const id = recordId("runbook", "ehr", new Date("2026-01-15T00:00:00Z"), "7f3a");
    await writeBegun(repository, stateDir, {
      format: 1, kind: "holdfast-runbook", id, database: "ehr", startedAt: at, by: byWithVersion, reason: null, runbook: { id: "sample", path: "/srv/sample.md", sha256: sha256Of("# Sample"), source: "# Sample" }, inputs: {}, incident: null, signer: signer.id,
    }, signer);
    await expect(readBegun(repository, stateDir, "ehr", id).then(() => "read", () => "refused")).resolves.toBe(at === inTime ? "read" : "refused");
    await readBegun(repository, join(stateDir, "of-another-host"), "ehr", id);
    return undefined;
  },
  "a record of an incident": async ({ repository, signer }, at) => {
    const id = recordId("incident", "ehr", new Date("2026-01-15T00:00:00Z"), "7f3a");
    await openIncident(repository, signer, id, { ...opening, at });
    return (await readIncident(repository, id)).problems[0];
  },
};

/** What is wrong with it, in a sentence; undefined if it counts. */
async function wrongWith(kind: Kind, at: string): Promise<string | undefined> {
  try {
    return (await kind(await scene(), at)) as string | undefined;
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    expect(error.code).toBe("integrity");
    return error.message;
  }
}

describe.each(Object.entries(kinds))("%s", (_, kind) => {
  test("signed while the key counted is good long after its end", async () => {
    expect(await wrongWith(kind, inTime)).toBeUndefined();
    expect(Date.now()).toBeGreaterThan(window.validUntil.getTime());
  });

  test.each([["after the key's end", tooLate], ["before the key's beginning", tooEarly]])("signed %s counts nowhere", async (_when, at) => {
    expect(await wrongWith(kind, at)).toMatch(/counted from 2026-01-10T00:00:00\.000Z until 2026-02-10T00:00:00\.000Z only|cannot be trusted/);
  });
});
