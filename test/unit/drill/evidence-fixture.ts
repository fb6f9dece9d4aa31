/** Evidence as a drill would leave it, without a drill: one that passed, one that failed, one that could not verify. */
import { type DrillCheck, type Evidence, evidenceSchema, verdictOf } from "../../../src/drill/evidence/evidence.ts";

export function checkOf(id: string, changes: Partial<DrillCheck> = {}): DrillCheck {
  return { id, title: `checks ${id}`, outcome: "pass", detail: "as it should be", compared: null, seconds: 0.1, ...changes };
}

const checks: readonly DrillCheck[] = [
  checkOf("signature", { title: "The backup is signed by a trusted key", detail: "manifest.json and key.age are signed by 6b1f0c5d2a9e4f73", compared: 2, seconds: 0.02 }),
  checkOf("hashes", { title: "Every part has the SHA-256 of the manifest", detail: "4 parts, 411.2 MB", compared: 4, seconds: 2.1 }),
  checkOf("archive", { title: "The archive is complete", detail: "read through pg_restore to its end: 84 tables, 1 486 302 rows", compared: 84, seconds: 4.6 }),
  checkOf("restore", { title: "The restore ran without an error", detail: "pg_restore --exit-on-error ended with 0", seconds: 14.2 }),
  checkOf("grants", { title: "Owners and grants are the same, and every role could be restored", detail: "219 definitions equal", compared: 219, seconds: 0.3 }),
  checkOf("rows", { title: "Every table holds the rows that it held", detail: "84 tables, 1 486 302 rows equal", compared: 84, seconds: 1.4 }),
  checkOf("digests", { title: "The contents are the same", detail: "84 tables equal by digest", compared: 84, seconds: 3.9 }),
  checkOf("sequences", { title: "Every sequence stands where it stood", detail: "61 sequences equal", compared: 61, seconds: 0.1 }),
  checkOf("schema", { title: "The schema is the same", detail: "fingerprint 9f2c41d07be3 over 1 204 objects", compared: 1204, seconds: 0.6 }),
  checkOf("extensions", { title: "Extensions have their versions", detail: "pgcrypto 1.3, pg_trgm 1.6, unaccent 1.1", compared: 3, seconds: 0.01 }),
  checkOf("migrations", { title: "The migration ledger is the same", detail: "prisma: 143 migrations, head 20261114081500_add_lesion_images", compared: 143, seconds: 0.02 }),
  checkOf("health", { title: "No index is invalid and no constraint unproved", detail: "188 indexes, all valid", compared: 188, seconds: 0.03 }),
  checkOf("assertion:active patients", { title: "Assertion: active patients", detail: "the answer is in the expected range", compared: 1, seconds: 0.2 }),
  checkOf("rpo", { title: "The backup is as fresh as the recovery point objective asks", detail: "its snapshot is 1 h 11 min old, promised are 24 h", compared: 1, seconds: 0 }),
  checkOf("rto", { title: "The recovery takes no longer than the recovery time objective allows", detail: "24.8 s, promised are 4 h", compared: 1, seconds: 0 }),
  checkOf("removed", { title: "The scratch is gone, with everything in it", detail: "looked for after its removal: nothing was found", seconds: 0 }),
  checkOf("amcheck", { title: "B-tree indexes are sound", outcome: "left-out", detail: "the extension amcheck cannot be installed on this scratch", seconds: 0 }),
  checkOf("canary", { title: "The canary row has come back", outcome: "left-out", detail: "no canary is configured", seconds: 0 }),
];

/** The checks of a drill that passed, some of them changed by id. */
export function checksWith(changes: Readonly<Record<string, Partial<DrillCheck>>> = {}): DrillCheck[] {
  return checks.map((check) => ({ ...check, ...changes[check.id] }));
}

const month = (index: number, rtoSeconds: number, plainBytes: number | null, verdict: Evidence["verdict"] = "pass"): Evidence["history"][number] => {
  const day = `2026-${String(index).padStart(2, "0")}-21`;
  return { id: `drill-ehr-${day.replaceAll("-", "")}T020000Z-7f3a`, startedAt: `${day}T02:00:00.000Z`, verdict, rtoSeconds, plainBytes };
};

const past = [
  month(3, 17.1, 1_310_000_000), month(4, 17.9, 1_362_000_000), month(5, 19.4, 1_401_000_000), month(6, 18.8, 1_466_000_000),
  month(7, 31.2, 1_530_000_000, "fail"), month(8, 20.9, 1_598_000_000), month(9, 6.4, null, "unverified"), month(10, 23.3, 1_741_000_000),
];

/** A drill that passed; its verdict follows from the checks unless it is changed itself. */
export function evidenceOf(changes: Partial<Evidence> = {}): Evidence {
  const verdict = changes.verdict ?? verdictOf(changes.checks ?? checks);
  return evidenceSchema.parse({
    format: 1,
    kind: "holdfast-drill-evidence",
    id: "drill-ehr-20261121T031200Z-b81c",
    database: "ehr",
    repository: { id: "3f6c1b0e-77aa-4a52-9d0c-5f1d2b7f6a10", url: "s3://clinic-backups/holdfast" },
    requirement: "45 CFR 164.308(a)(7)(ii)(D)",
    plan: "Contingency plan 4.2, section “Restoring the EHR”",
    reason: "monthly drill",
    performedBy: { user: "holdfast", host: "drill-1.clinic.example", operator: "Anna Weber", holdfast: "0.1.0" },
    startedAt: "2026-11-21T03:12:00.412Z",
    finishedAt: "2026-11-21T03:12:31.070Z",
    backup: {
      id: "ehr-20261121T020000Z-7f3a", label: "nightly", snapshotAt: "2026-11-21T02:00:01.204Z", server: "15.18", signer: "6b1f0c5d2a9e4f73",
      storedBytes: 411_204_118, plainBytes: 1_874_112_512, databaseBytes: 2_411_724_800, manifestSha256: "4e".repeat(32), chosen: "the latest backup",
    },
    method: { provider: "local", description: "a throwaway PostgreSQL 15.18 cluster on its own socket", server: "15.18", scratch: "holdfast-drill-b81c" },
    verdict,
    summary: "All 16 checks passed: the backup came back complete in 24.8 s, 1 h 11 min of data would have been lost.",
    checks,
    phases: [
      { id: "fetch", seconds: 2.104, bytes: 411_204_118 },
      { id: "decrypt", seconds: 3.38, bytes: 1_874_112_512 },
      { id: "provision", seconds: 1.912, bytes: null },
      { id: "restore", seconds: 10.244, bytes: 1_874_112_512 },
      { id: "analyze", seconds: 1.36, bytes: null },
      { id: "checks", seconds: 5.8, bytes: null },
    ],
    rto: { seconds: 24.8, objectiveSeconds: 14_400, met: true },
    rpo: { seconds: 4_319.208, objectiveSeconds: 86_400, met: true },
    forecast: { seconds: 25.9, basedOn: 8, missesObjective: false, text: "The next drill is expected to take 25.9 s: 3.9 % more data a month at the present speed." },
    scratchRemoved: { removed: true, detail: "no folder, process or socket named holdfast-drill-b81c was found after its removal" },
    correctiveActions: [],
    retestOf: null,
    history: past,
    previous: { id: past.at(-1)!.id, sha256: "c7".repeat(32) },
    signer: "6b1f0c5d2a9e4f73",
    ...changes,
  });
}

/** Rows are missing, a sequence is behind, the objective was missed; the scratch could not be removed. */
export function failedEvidence(changes: Partial<Evidence> = {}): Evidence {
  return evidenceOf({
    summary: "4 of 16 checks failed: the copy differs from what was backed up, the recovery took longer than promised, and something was left behind.",
    checks: checksWith({
      rows: { outcome: "fail", detail: "2 of 84 tables differ: public.visits: expected 40512 rows, found 40511; public.lesion_images: expected 9120 rows, found 0" },
      sequences: { outcome: "fail", detail: "1 of 61 sequences differs: public.visits_id_seq is behind" },
      rto: { outcome: "fail", detail: "24.8 s, promised are 20 s" },
      removed: { outcome: "fail", detail: "the folder holdfast-drill-b81c is still there" },
    }),
    rto: { seconds: 24.8, objectiveSeconds: 20, met: false },
    forecast: { seconds: 25.9, basedOn: 8, missesObjective: true, text: "The next drill is expected to take 25.9 s and to miss the objective of 20 s." },
    scratchRemoved: { removed: false, detail: "the folder holdfast-drill-b81c is still there" },
    correctiveActions: [
      { action: "Find out why public.lesion_images came back empty", owner: "Anna Weber", due: "2026-11-28" },
      { action: "Agree on an objective that the present size can meet", owner: null, due: null },
    ],
    retestOf: "drill-ehr-20261021T020000Z-7f3a",
    ...changes,
  });
}

/** No scratch could be had: nothing was compared, nothing measured but the time it took. */
export function unverifiedEvidence(changes: Partial<Evidence> = {}): Evidence {
  const reason = "could not be checked: no scratch could be provisioned: the Docker daemon is not running";
  return evidenceOf({
    summary: "Could not verify: the copy was never made, because the Docker daemon is not running.",
    checks: checksWith().map((check, index) => (index < 2 || check.outcome === "left-out" || check.id === "removed" ? check : { ...check, outcome: "unverified", detail: reason, compared: null, seconds: 0 })),
    method: null,
    phases: [{ id: "provision", seconds: 0.4, bytes: null }],
    rto: { seconds: 0.4, objectiveSeconds: null, met: null },
    rpo: { seconds: 4_319.208, objectiveSeconds: null, met: null },
    forecast: null,
    plan: null,
    reason: null,
    performedBy: { user: "holdfast", host: "drill-1.clinic.example", operator: null, holdfast: "0.1.0" },
    scratchRemoved: { removed: true, detail: "none was made" },
    correctiveActions: [{ action: "Start Docker on drill-1 and repeat the drill", owner: "Anna Weber", due: "2026-11-23" }],
    history: [],
    previous: null,
    ...changes,
  });
}
