/** A repository in memory with records of every kind, as runs would have left them, and copies of it. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

import { checkOtherRecords } from "../../../src/app/repository/check-other-records.ts";
import { checkDrills, checkTimeline, readHistory } from "../../../src/app/repository/check-history.ts";
import { RecordCopy, type RecordCopyOptions, type RecordCounts } from "../../../src/app/repository/copy-records.ts";
import type { Workplace } from "../../../src/app/context.ts";
import { keepTimeline } from "../../../src/audit/escrow.ts";
import { openTimeline, type Timeline } from "../../../src/audit/timeline.ts";
import { openCopyPlace } from "../../../src/catalog/copy-place.ts";
import { appendHoldRecord, type HoldRecord } from "../../../src/catalog/holds.ts";
import { backupKey, begunFile, drillKey, escrowFolder, manifestFile, timelineFolder } from "../../../src/catalog/layout.ts";
import type { Repository } from "../../../src/catalog/repository.ts";
import { HoldfastError } from "../../../src/errors.ts";
import { silentReporter } from "../../../src/ports.ts";
import { publishCheckpoint, publishDeployed } from "../../../src/rollback/checkpoint/records.ts";
import { appendIncident, openIncident } from "../../../src/rollback/incident/incident.ts";
import type { JournalNote } from "../../../src/rollback/journal/journal.ts";
import { openJournal } from "../../../src/rollback/journal/open-journal.ts";
import type { RollbackPlan } from "../../../src/rollback/plan/plan.ts";
import { publishBegun, publishOutcome } from "../../../src/rollback/plan/records.ts";
import { publishRehearsal } from "../../../src/rollback/rehearsal/records.ts";
import { sha256Of, writeBegun } from "../../../src/rollback/runbook/records.ts";
import { FakeTime } from "../../harness/fake-time.ts";
import { type MemoryStore, memoryStore } from "../../harness/memory-store.ts";
import { draftOf, type DrillBench, drillBench } from "../drill/fixture.ts";
import { checkpointOf, deployedOf, ledgerOf, stateOf } from "../rollback/checkpoint-fixture.ts";
import { by, opening } from "../rollback/incident-fixture.ts";

export const held = "ehr-20261121T020000Z-7f3a";
export const ids = {
  rollback: "rollback-ehr-20261121T020000Z-7f3a",
  runbook: "runbook-ehr-20261122T030000Z-7f3a",
  incident: "incident-ehr-20261121T020000Z-7f3a",
  rehearsals: ["20261101", "20261102", "20261103"].map((day) => `rehearsal-ehr-${day}T020000Z-7f3a`),
  drills: ["20261001", "20261002"].map((day) => `drill-ehr-${day}T020000Z-7f3a`),
} as const;

const at = "2026-11-21T02:00:00.000Z";
const actor = { user: "ann", host: "db1", operator: null };
export const now = new Date("2026-11-30T00:00:00.000Z");

export interface World extends DrillBench {
  readonly store: MemoryStore;
  readonly stateDir: string;
  readonly timeline: Timeline;
  /** Adds to the journal of the rollback or of the runbook. */
  note(run: string, ...notes: readonly JournalNote[]): Promise<void>;
  /** Ends the rollback. */
  end(): Promise<void>;
  hold(changes?: Partial<HoldRecord>, repository?: Repository): Promise<void>;
  rehearse(id: string, repository?: Repository): Promise<void>;
  /** Keys of all records, without timeline, locks, backups and marker. */
  keys(): string[];
}

export const keysOf = (store: MemoryStore): string[] => [...store.objects.keys()].filter((key) => /^ehr\/(?:holds|checkpoints|drills|rehearsals|rollbacks|runbooks|incidents)\//.test(key)).sort();

async function temporary(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-records-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

const health = null;
export const planOf = (checkpoint: string): RollbackPlan => ({
  format: 1, kind: "holdfast-rollback-plan", madeAt: at, database: "ehr", to: "1.4.1", checkpoint: { id: checkpoint, sha256: "a".repeat(64), takenAt: at, backup: held, snapshotAt: at }, strategy: "images-only", because: "it fits",
  now: { release: "1.4.2", state: stateOf("1.4.2"), ledgers: [ledgerOf(["1_init"])], health }, target: { state: stateOf("1.4.1"), ledgers: [ledgerOf(["1_init"])], schemaFingerprint: "f".repeat(64) },
  migrations: [], acceptIncompatible: null, skipSafetyBackup: null, loss: { data: false, minutes: 0, tables: [] }, stops: { workloads: [], seconds: null, basis: "nothing" }, rehearsed: null, preflight: [], steps: [{ id: "observe", title: "observe" }], confirm: "ehr",
});

/** @param ended - whether the rollback has ended */
export async function recordsWorld({ ended = true } = {}): Promise<World> {
  const store = memoryStore();
  const bench = await drillBench(store);
  const { repository, signer } = bench;
  const stateDir = await temporary();
  const time = new FakeTime(at);
  const timeline = openTimeline({ store, stateDir: await temporary(), repositoryId: repository.id, signer, clock: time, actor: { ...actor, tty: false }, version: "0.1.0" });
  const told = (action: string, subject: Record<string, string>) => timeline.record({ action, subject: { database: "ehr", ...subject }, outcome: "ok", seconds: 1, reason: null });

  const checkpoint = checkpointOf("1.4.2", "1.4.1", "2026-11-20T02:00:00Z", { signer: signer.id });
  await publishCheckpoint(repository, checkpoint, signer);
  await publishDeployed(repository, deployedOf(checkpoint, "2026-11-20T03:00:00Z", { signer: signer.id }), signer);
  await told("checkpoint create", { checkpoint: checkpoint.id });
  for (const day of ["2026-10-01", "2026-10-02"]) {
    const draft = draftOf(`${day}T02:00:00Z`);
    await store.put(drillKey("ehr", draft.id, begunFile), Buffer.from(JSON.stringify({ format: 1, kind: "holdfast-drill-begun", id: draft.id, database: "ehr", backup: null, host: "db1", user: "drill", pid: 1, started: "1", space: "1", startedAt: draft.startedAt, expires: draft.finishedAt })));
    const drill = await bench.publish(draft);
    const { sha256 } = day === "2026-10-02" ? await bench.certify(drill) : { sha256: undefined };
    await told("drill restore", { drill: drill.evidence.id, evidence: drill.sha256, ...(sha256 !== undefined && { certification: sha256 }) });
  }
  const world: World = {
    ...bench, store, stateDir, timeline,
    async note(run, ...notes) {
      const journal = await openJournal({ stateDir, repository, database: "ehr", id: run, clock: time, actor, signer, reporter: silentReporter });
      for (const note of notes) await journal.append(note);
    },
    async end() {
      await world.note(ids.rollback, { kind: "ended", outcome: "done", message: "back" });
      await publishOutcome(repository, {
        format: 1, kind: "holdfast-rollback-outcome", rollback: ids.rollback, database: "ehr", to: "1.4.1", outcome: "done", message: "back", startedAt: at, finishedAt: at, by: { ...actor, holdfast: "0.1.0" },
        planSha256: "a".repeat(64), journalEntries: 3, incident: ids.incident, facts: {}, healthBefore: null, healthAfter: null, signer: signer.id,
      }, signer);
      await told("rollback", { rollback: ids.rollback });
    },
    async hold(changes = {}, where = repository) {
      await appendHoldRecord(where, signer, { kind: "hold", backup: held, reason: "litigation 17", until: null, by: actor, at, ...changes }, () => undefined);
      if (where === repository) await told(`backup ${changes.kind ?? "hold"}`, { backup: held });
    },
    async rehearse(id, where = repository) {
      const proven = await publishRehearsal(where, {
        format: 1, kind: "holdfast-rehearsal-evidence", id, database: "ehr", repository: { id: where.id, url: "memory:" }, reason: null, checkpoint: { id: checkpoint.id, sha256: "a".repeat(64), running: "1.4.1", release: "1.4.2" },
        backup: { id: held, snapshotAt: at, manifestSha256: "a".repeat(64) }, images: [], platform: "none", isolation: { place: null, measures: [], leftOut: [], placeholders: [] },
        checks: [{ id: "rows", title: "rows", outcome: "pass", detail: "equal", seconds: 1 }], verdict: "pass", summary: "held", removed: { removed: true, detail: "gone" }, startedAt: at, finishedAt: at, performedBy: { ...actor, holdfast: "0.1.0" },
      }, { signer, clock: time, actor });
      if (where === repository) await told("rollback rehearse", { rehearsal: id, evidence: proven.sha256 });
    },
    keys: () => keysOf(store),
  };
  for (const id of ids.rehearsals) await world.rehearse(id);
  await openIncident(repository, signer, ids.incident, opening);
  for (const text of ["first", "second", "third"]) await appendIncident(repository, signer, ids.incident, { kind: "note", text, at, by });
  await told("incident note", { incident: ids.incident });
  await publishBegun(repository, { format: 1, kind: "holdfast-rollback", id: ids.rollback, database: "ehr", startedAt: at, by: { ...actor, holdfast: "0.1.0" }, reason: null, incident: ids.incident, drainMs: 0, plan: planOf(checkpoint.id), signer: signer.id }, signer);
  await world.note(ids.rollback, { kind: "step-begun", step: "observe" }, { kind: "step-done", step: "observe", facts: {}, found: false });
  if (ended) await world.end();
  await writeBegun(repository, stateDir, {
    format: 1, kind: "holdfast-runbook", incident: ids.incident, id: ids.runbook, database: "ehr", startedAt: at, by: { ...actor, holdfast: "0.1.0" }, reason: null, runbook: { id: "x", path: "/x.md", sha256: sha256Of("x"), source: "x" }, inputs: {}, signer: signer.id,
  }, signer);
  await world.note(ids.runbook, { kind: "step-begun", step: "a" }, { kind: "step-done", step: "a", facts: {}, found: false }, { kind: "ended", outcome: "done", message: "done" });
  await told("runbook run", { run: ids.runbook, runbook: "x" });
  await world.hold({ until: "2027-01-01T00:00:00.000Z" });
  await world.hold();
  return world;
}

export interface CopyPlace {
  readonly store: MemoryStore;
  readonly repository: Repository;
}

/** An empty copy, which holds the manifest of the held backup unless told otherwise. */
export async function copyPlace({ repository }: Pick<World, "repository">, { backup = true } = {}): Promise<CopyPlace> {
  const store = memoryStore();
  const copy = await openCopyPlace(repository, store, now);
  if (backup) await store.put(backupKey("ehr", held, manifestFile), Buffer.from("{}"));
  return { store, repository: copy };
}

export interface Copied {
  readonly counts: RecordCounts;
  readonly problems: readonly string[];
  readonly notes: readonly string[];
}

export async function copyRecords(source: Repository, copy: Repository, changes: Partial<RecordCopyOptions> = {}): Promise<Copied> {
  const problems: string[] = [];
  const notes: string[] = [];
  const collecting = async (work: () => Promise<void>): Promise<void> => {
    await work().catch((error: unknown) => {
      if (!(error instanceof HoldfastError) || error.code !== "integrity") throw error;
      problems.push(error.message);
    });
  };
  const run = new RecordCopy(source, copy, { to: "offsite", verify: false, now, signal: new AbortController().signal, note: (_level, message) => void notes.push(message), collecting, ...changes });
  await run.bring(await run.lacking("ehr"));
  await keepTimeline(source.store, copy.store, { from: timelineFolder, to: escrowFolder, verify: false, signal: new AbortController().signal });
  return { counts: run.counts, problems, notes };
}

/** What a check of all records says is damaged, as `kind key`. */
export async function damageAt(repository: Repository, timeline?: Timeline): Promise<string[]> {
  const own = timeline ?? openTimeline({ store: repository.store, stateDir: await temporary(), repositoryId: repository.id, clock: new FakeTime(at), actor: { ...actor, tty: false }, version: "0.1.0" });
  const workplace: Workplace = { repository, timeline: own, close: () => Promise.resolve() };
  const history = await readHistory(workplace);
  const found = [...(await checkTimeline(workplace)).findings, ...(await checkDrills(workplace, "ehr", history)).findings, ...(await checkOtherRecords(workplace, "ehr", history, now)).findings];
  return found.filter(({ severity, kind }) => severity === "damage" && kind !== "checkpoint-backup").map(({ kind, key, detail }) => `${kind} ${key}: ${detail}`);
}
