/** Drills as runs would leave them, without a run. */
import { drillId, drillKey, signatureSuffix } from "../../../src/catalog/layout.ts";
import { initRepository, openRepository, type Repository } from "../../../src/catalog/repository.ts";
import type { Signer, TrustedSigner } from "../../../src/catalog/signatures.ts";
import { writeCertification } from "../../../src/drill/evidence/certification.ts";
import type { EvidenceDraft } from "../../../src/drill/evidence/evidence.ts";
import { type PublishedEvidence, publishEvidence } from "../../../src/drill/evidence/publish-evidence.ts";
import { type DrillsReport, type RecordedDrill, verifyDrills } from "../../../src/drill/evidence/verify-evidence.ts";
import type { Store } from "../../../src/store/store.ts";
import { memoryStore } from "../../harness/memory-store.ts";
import { freshKeys, type Keys } from "../catalog/fixture.ts";

export const actor = { user: "drill", host: "db1" };
export const clock = { now: (): Date => new Date() };

/** Evidence of a passed drill of `ehr` that began at `at`. */
export function draftOf(at: string, changes: Partial<EvidenceDraft> = {}): EvidenceDraft {
  const started = new Date(at);
  const database = changes.database ?? "ehr";
  return {
    format: 1,
    kind: "holdfast-drill-evidence",
    id: drillId(database, started, "7f3a"),
    database,
    repository: { id: "set by the bench", url: "memory:" },
    requirement: "45 CFR 164.308(a)(7)(ii)(D)",
    plan: "CP-4",
    reason: null,
    performedBy: { user: "drill", host: "db1", operator: null, holdfast: "0.1.0" },
    startedAt: started.toISOString(),
    finishedAt: new Date(started.getTime() + 60_000).toISOString(),
    backup: {
      id: `${database}-20260101T000000Z-0001`, label: null, snapshotAt: started.toISOString(), server: "15.18", signer: "0".repeat(16),
      storedBytes: 1_000, plainBytes: 4_000, databaseBytes: 8_000, manifestSha256: "a".repeat(64), chosen: "the latest",
    },
    method: { provider: "local", description: "a throwaway PostgreSQL 15.18 cluster", server: "15.18", scratch: "holdfast-drill-x" },
    verdict: "pass",
    summary: "the backup came back whole",
    checks: [{ id: "rows", title: "rows of every table", outcome: "pass", detail: "12 tables, 40512 rows, all equal", compared: 12, seconds: 1.5 }],
    phases: [{ id: "restore", seconds: 50, bytes: 4_000 }, { id: "checks", seconds: 10, bytes: null }],
    rto: { seconds: 60, objectiveSeconds: 3_600, met: true },
    rpo: { seconds: 7_200, objectiveSeconds: null, met: null },
    forecast: null,
    scratchRemoved: { removed: true, detail: "nothing was left" },
    correctiveActions: [],
    retestOf: null,
    history: [],
    ...changes,
  };
}

export interface DrillBench extends Keys {
  readonly store: Store;
  readonly repository: Repository;
  readonly publish: (draft: EvidenceDraft, signer?: Signer) => Promise<PublishedEvidence>;
  readonly certify: (drill: PublishedEvidence, signer?: Signer) => Promise<{ readonly sha256: string }>;
  readonly verify: (recorded?: readonly RecordedDrill[]) => Promise<DrillsReport>;
  /** What somebody with write access to the storage can do. */
  readonly read: (id: string, file: string) => Promise<Buffer>;
  readonly put: (id: string, file: string, bytes: Buffer | string) => Promise<void>;
  readonly remove: (id: string, file?: string) => Promise<void>;
}

export const recordedOf = ({ evidence, sha256 }: PublishedEvidence): RecordedDrill => ({ drill: evidence.id, sha256 });

export async function drillBench(store: Store = memoryStore(), more: readonly TrustedSigner[] = []): Promise<DrillBench> {
  const keys = freshKeys();
  await initRepository(store, new Date("2026-01-01T00:00:00Z"));
  const repository = await openRepository(store, [...keys.trusted, ...more]);
  const render = (): { name: "report.html" | "report.md" | "junit.xml"; bytes: Buffer }[] => [
    { name: "report.html", bytes: Buffer.from("<!doctype html><title>pass</title>") },
    { name: "report.md", bytes: Buffer.from("# pass\n") },
    { name: "junit.xml", bytes: Buffer.from("<testsuites/>\n") },
  ];
  return {
    ...keys,
    store,
    repository,
    publish: (draft, signer = keys.signer) => publishEvidence(repository, { ...draft, repository: { id: repository.id, url: store.url } }, { signer, clock, actor, render }),
    certify: ({ evidence: { database, id }, sha256 }, signer = keys.signer) => writeCertification(repository, { database, id, sha256 }, signer, { by: "Dr. A. Lee", statement: "reviewed", at: "2026-12-01T00:00:00.000Z" }),
    verify: (recorded = []) => verifyDrills(repository, "ehr", recorded),
    read: async (id, file) => (await store.get(drillKey("ehr", id, file)))!.bytes,
    put: async (id, file, bytes) => { await store.put(drillKey("ehr", id, file), Buffer.from(bytes)); },
    remove: async (id, file = "") => {
      const keysBelow: string[] = [];
      for await (const { key } of store.list(drillKey("ehr", id, file))) keysBelow.push(key);
      for (const key of keysBelow) await store.delete(key);
    },
  };
}

const days = ["2026-01-15", "2026-02-15", "2026-03-15", "2026-04-15"];

export interface Four extends DrillBench {
  readonly drills: readonly [PublishedEvidence, PublishedEvidence, PublishedEvidence, PublishedEvidence];
  readonly ids: readonly string[];
}

/** Four drills in a chain, the second one certified: all sound until somebody lays hands on them. */
export async function fourDrills(): Promise<Four> {
  const bench = await drillBench();
  const drills: PublishedEvidence[] = [];
  for (const day of days) drills.push(await bench.publish(draftOf(`${day}T02:00:00Z`)));
  await bench.certify(drills[1]!);
  const [a, b, c, d] = drills;
  return { ...bench, drills: [a!, b!, c!, d!], ids: drills.map(({ evidence }) => evidence.id) };
}

/** Each problem with the number of its drill, from 1. */
export const named = ({ problems }: DrillsReport, ids: readonly string[]): string[] => problems.map(({ drill, problem }) => `${ids.indexOf(drill) + 1} ${problem}`);

/** Whoever has a trusted key signs what was not published. */
export async function sign({ put, signer }: DrillBench, id: string, bytes: Buffer, by = signer): Promise<void> {
  await put(id, "evidence.json", bytes);
  await put(id, `evidence.json${signatureSuffix}`, by.sign(bytes));
}
