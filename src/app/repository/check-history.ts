/** What a repository's history proves: the chain of the timeline, the drills' evidence, and which backups came and went. */
import type { TimelineEntry } from "../../audit/entry.ts";
import { keptTimeline } from "../../audit/escrow.ts";
import { select } from "../../audit/select.ts";
import { type TimelineReport, verifyTimeline } from "../../audit/verify.ts";
import { databaseOfRecordId, escrowFolder, partsOfDrillId, rehearsalKey, rehearsalsFolder, timelineFolder } from "../../catalog/layout.ts";
import { isDatabaseName } from "../../catalog/places.ts";
import type { Repository } from "../../catalog/repository.ts";
import { type RecordedDrill, verifyDrills } from "../../drill/evidence/verify-evidence.ts";
import { type RecordedRehearsal, verifyRehearsals } from "../../rollback/rehearsal/records.ts";
import type { History } from "./check-garbage.ts";
import type { Workplace } from "../context.ts";
import type { RecordedOnes } from "./check-records.ts";
import type { Finding } from "./findings.ts";

export interface RecordedHistory extends History {
  readonly drills: ReadonlyMap<string, readonly RecordedDrill[]>;
  readonly rehearsals: ReadonlyMap<string, readonly RecordedRehearsal[]>;
  /** Ids of the checkpoints that were published, by database. */
  readonly checkpoints: ReadonlyMap<string, readonly string[]>;
  recordsOf(database: string): RecordedOnes;
  /** Those that anything is known of. */
  readonly databases: readonly string[];
}

/** Actions that take one backup away. */
const removals: ReadonlySet<string> = new Set(["remove backup", "backup shred", "repository repair"]);
/** What a prune is about to remove; it says so before the first object goes, so that one that was killed is known. */
const announced = /\bremove (?<id>[a-z0-9][a-z0-9_-]*-\d{8}T\d{6}Z-[0-9a-f]{4})\b/g;

export async function readHistory({ repository, timeline }: Workplace): Promise<RecordedHistory> {
  const published = new Set<string>();
  const removed = new Set<string>();
  const checkpoints = new Map<string, string[]>();
  const proofs = new RecordedProofs();
  const records = new RecordedDeeds();
  for await (const entry of timeline.read()) {
    const { action, outcome, subject: { backup, database, checkpoint }, message } = entry;
    if (action === "checkpoint create" && outcome === "ok" && database !== undefined && isDatabaseName(database) && checkpoint !== undefined) checkpoints.set(database, [...(checkpoints.get(database) ?? []), checkpoint]);
    if (action === "backup" && outcome === "ok" && backup !== undefined) published.add(backup);
    if (removals.has(action) && backup !== undefined) removed.add(backup);
    if (action === "prune") for (const { groups } of (message ?? "").matchAll(announced)) removed.add(groups?.["id"] ?? "");
    proofs.take(entry, false);
    records.take(entry);
  }
  // What came to a copy was not published here, and what did not come may have been left out.
  if (repository.copyOf !== undefined) for await (const { entry } of select(keptTimeline(repository.store), {})) proofs.take(entry, true);
  const { drills, rehearsals } = proofs;
  const databases = [...new Set([...drills.keys(), ...rehearsals.keys(), ...checkpoints.keys(), ...records.databases()])];
  return { published, removed, drills, rehearsals, checkpoints, databases, recordsOf: (database) => records.of(database) };
}

/** Evidence that entries name by its hash. */
class RecordedProofs {
  readonly drills = new Map<string, RecordedDrill[]>();
  readonly rehearsals = new Map<string, RecordedRehearsal[]>();

  /** @param elsewhere - the entry is of the origin of this copy */
  take({ subject: { database, drill, rehearsal, evidence, certification } }: TimelineEntry, elsewhere: boolean): void {
    if (database === undefined || evidence === undefined) return;
    if (rehearsal !== undefined && databaseOfRecordId("rehearsal", rehearsal) === database) this.rehearsals.set(database, [...(this.rehearsals.get(database) ?? []), { id: rehearsal, sha256: evidence, elsewhere }]);
    if (drill !== undefined && partsOfDrillId(drill)?.database === database) this.drills.set(database, [...(this.drills.get(database) ?? []), { drill, sha256: evidence, certification, elsewhere }]);
  }
}

interface Deeds {
  readonly rollbacks: Set<string>;
  readonly runbooks: Set<string>;
  readonly incidents: Set<string>;
  readonly incidentRecords: Map<string, number>;
  readonly holds: Map<string, number>;
}

/** Records that entries name which say that all went well: they were written before. */
class RecordedDeeds {
  readonly #databases = new Map<string, Deeds>();

  databases(): Iterable<string> {
    return this.#databases.keys();
  }

  of(database: string): Deeds {
    const found: Deeds = this.#databases.get(database) ?? { rollbacks: new Set(), runbooks: new Set(), incidents: new Set(), incidentRecords: new Map(), holds: new Map() };
    this.#databases.set(database, found);
    return found;
  }

  take({ action, outcome, subject: { database, backup, rollback, run, incident, records } }: TimelineEntry): void {
    // Whoever can write to the repository can write such an entry, and its name becomes part of a key.
    if (outcome !== "ok" || database === undefined || !isDatabaseName(database)) return;
    const { rollbacks, runbooks, incidents, incidentRecords, holds } = this.of(database);
    if (databaseOfRecordId("rollback", rollback ?? "") === database) rollbacks.add(rollback ?? "");
    if (databaseOfRecordId("runbook", run ?? "") === database) runbooks.add(run ?? "");
    if (databaseOfRecordId("incident", incident ?? "") === database) incidents.add(incident ?? "");
    if (incident !== undefined && /^\d{1,9}$/.test(records ?? "")) incidentRecords.set(incident, Math.max(incidentRecords.get(incident) ?? 0, Number(records)));
    if ((action === "backup hold" || action === "backup release") && backup !== undefined) holds.set(backup, (holds.get(backup) ?? 0) + 1);
  }
}

export async function checkTimeline({ repository, timeline }: Workplace): Promise<{ readonly report: TimelineReport; readonly findings: readonly Finding[] }> {
  const report = await verifyTimeline(repository.store, { trusted: repository.trusted, local: timeline.localCopy });
  const kept = await verifyKept(repository);
  const damage = report.problems.map(({ key, sequence, problem, detail }): Finding => ({
    kind: "timeline", severity: "damage", key: key ?? `${timelineFolder}/`, detail: `${sequence === null ? "" : `entry ${sequence} `}${problem}: ${detail}`,
  }));
  const notes = report.warnings.map((detail): Finding => ({ kind: "unproved", severity: "note", key: `${timelineFolder}/`, detail }));
  const keptDamage = (kept?.problems ?? []).map(({ sequence, problem, detail }): Finding => ({
    kind: "timeline", severity: "damage", key: `${escrowFolder}/`, detail: `${sequence === null ? "" : `entry ${sequence} `}of the origin ${problem}: ${detail}`,
  }));
  return { report, findings: [...damage, ...keptDamage, ...notes] };
}

/** Of a copy, the timeline of its origin as far as it was kept: nobody has a witness of where it ends. Undefined of what is no copy. */
export async function verifyKept({ store, trusted, copyOf }: Repository): Promise<TimelineReport | undefined> {
  if (copyOf === undefined) return undefined;
  const report = await verifyTimeline(keptTimeline(store), { trusted });
  return { ...report, problems: report.problems.map((problem) => ({ ...problem, key: problem.key === null ? null : `${escrowFolder}/${problem.key.slice(timelineFolder.length + 1)}` })) };
}

export async function checkDrills({ repository }: Workplace, database: string, history: RecordedHistory): Promise<{ readonly drills: number; readonly findings: readonly Finding[] }> {
  const { drills, problems, warnings } = await verifyDrills(repository, database, history.drills.get(database) ?? []);
  const damage = problems.map(({ drill, problem, detail }): Finding => ({ kind: "drill", severity: "damage", key: `${database}/drills/${drill}/`, database, detail: `${problem}: ${detail}` }));
  const notes = warnings.map((detail): Finding => ({ kind: "unproved", severity: "note", key: `${database}/drills/`, database, detail }));
  return { drills, findings: [...damage, ...notes] };
}

export async function checkRehearsals({ repository }: Workplace, database: string, history: RecordedHistory): Promise<{ readonly rehearsals: number; readonly findings: readonly Finding[] }> {
  const { rehearsals, problems, warnings } = await verifyRehearsals(repository, database, history.rehearsals.get(database) ?? []);
  const damage = problems.map(({ rehearsal, detail }): Finding => ({ kind: "rehearsal", severity: "damage", key: rehearsalKey(database, rehearsal), database, detail }));
  return { rehearsals, findings: [...damage, ...warnings.map((detail): Finding => ({ kind: "unproved", severity: "note", key: rehearsalsFolder(database), database, detail }))] };
}
