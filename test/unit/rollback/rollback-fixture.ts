/** What rollbacks and rehearsals leave in a repository, without one. */
import { recordId } from "../../../src/catalog/layout.ts";
import type { Repository } from "../../../src/catalog/repository.ts";
import type { BegunRollback } from "../../../src/rollback/plan/outcome.ts";
import type { RehearsalDraft } from "../../../src/rollback/rehearsal/evidence.ts";
import { stateOf } from "./checkpoint-fixture.ts";

const by = { user: "ann", host: "db1", operator: null, holdfast: "0.1.0" };

/** A rollback of `ehr` by images only that was begun at `at`, with its plan. */
export function begunOf(at: string, signer: string): BegunRollback {
  return {
    format: 1, kind: "holdfast-rollback", id: recordId("rollback", "ehr", new Date(at), "7f3a"), database: "ehr", startedAt: at, by, reason: null, incident: null, drainMs: 0, signer,
    plan: {
      format: 1, kind: "holdfast-rollback-plan", madeAt: at, database: "ehr", to: "1.4.1", checkpoint: { id: "c", sha256: "c", takenAt: at, backup: "b", snapshotAt: at }, strategy: "images-only", because: "nothing else changed",
      now: { release: "1.4.2", state: stateOf("1.4.2"), ledgers: [], health: null }, target: { state: stateOf("1.4.1"), ledgers: [], schemaFingerprint: "f" }, migrations: [], acceptIncompatible: null, skipSafetyBackup: null,
      loss: { data: false, minutes: 0, tables: [] }, stops: { workloads: [], seconds: null, basis: "nothing was measured" }, rehearsed: null, preflight: [], steps: [], confirm: "ehr",
    },
  };
}

/** A rehearsal of `ehr` that passed at `finishedAt`. */
export function rehearsalOf(finishedAt: string, { id, store }: Pick<Repository, "id" | "store">, changes: Partial<RehearsalDraft> = {}): RehearsalDraft {
  return {
    format: 1, kind: "holdfast-rehearsal-evidence", id: recordId("rehearsal", "ehr", new Date(finishedAt), "7f3a"), database: "ehr", repository: { id, url: store.url }, reason: null,
    checkpoint: { id: "1.4.2-20260101T000000Z", sha256: "a".repeat(64), running: "1.4.1", release: "1.4.2" }, backup: { id: "b", snapshotAt: finishedAt, manifestSha256: "a".repeat(64) }, images: [], platform: "none",
    isolation: { place: null, measures: [], leftOut: [], placeholders: [] }, checks: [], verdict: "pass", summary: "it held", removed: { removed: true, detail: "" }, startedAt: finishedAt, finishedAt, performedBy: by, ...changes,
  };
}
