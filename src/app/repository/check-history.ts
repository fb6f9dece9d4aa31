/** What a repository's history proves: the chain of the timeline, the drills' evidence, and which backups came and went. */
import { type TimelineReport, verifyTimeline } from "../../audit/verify.ts";
import { databaseOfRecordId, partsOfDrillId, rehearsalKey, timelineFolder } from "../../catalog/layout.ts";
import { type RecordedDrill, verifyDrills } from "../../drill/evidence/verify-evidence.ts";
import { type RecordedRehearsal, verifyRehearsals } from "../../rollback/rehearsal/records.ts";
import type { History } from "./check-garbage.ts";
import type { Workplace } from "../context.ts";
import type { Finding } from "./findings.ts";

export interface RecordedHistory extends History {
  readonly drills: ReadonlyMap<string, readonly RecordedDrill[]>;
  readonly rehearsals: ReadonlyMap<string, readonly RecordedRehearsal[]>;
  /** Ids of the checkpoints that were published, by database. */
  readonly checkpoints: ReadonlyMap<string, readonly string[]>;
}

/** Actions that take one backup away. */
const removals: ReadonlySet<string> = new Set(["remove backup", "backup shred", "repository repair"]);
/** What a prune is about to remove; it says so before the first object goes, so that one that was killed is known. */
const announced = /\bremove (?<id>[a-z0-9][a-z0-9_-]*-\d{8}T\d{6}Z-[0-9a-f]{4})\b/g;

export async function readHistory({ timeline }: Workplace): Promise<RecordedHistory> {
  const published = new Set<string>();
  const removed = new Set<string>();
  const drills = new Map<string, RecordedDrill[]>();
  const checkpoints = new Map<string, string[]>();
  const rehearsals = new Map<string, RecordedRehearsal[]>();
  for await (const { action, outcome, subject, message } of timeline.read()) {
    const { backup, database, drill, rehearsal, evidence, certification, checkpoint } = subject;
    if (action === "checkpoint create" && outcome === "ok" && database !== undefined && checkpoint !== undefined) checkpoints.set(database, [...(checkpoints.get(database) ?? []), checkpoint]);
    if (action === "backup" && outcome === "ok" && backup !== undefined) published.add(backup);
    if (removals.has(action) && backup !== undefined) removed.add(backup);
    if (action === "prune") for (const { groups } of (message ?? "").matchAll(announced)) removed.add(groups?.["id"] ?? "");
    if (rehearsal !== undefined && evidence !== undefined && database !== undefined && databaseOfRecordId("rehearsal", rehearsal) === database) {
      rehearsals.set(database, [...(rehearsals.get(database) ?? []), { id: rehearsal, sha256: evidence }]);
    }
    if (drill === undefined || evidence === undefined || database === undefined || partsOfDrillId(drill)?.database !== database) continue;
    drills.set(database, [...(drills.get(database) ?? []), { drill, sha256: evidence, certification }]);
  }
  return { published, removed, drills, rehearsals, checkpoints };
}

export async function checkTimeline({ repository, timeline }: Workplace): Promise<{ readonly report: TimelineReport; readonly findings: readonly Finding[] }> {
  const report = await verifyTimeline(repository.store, { trusted: repository.trusted, local: timeline.localCopy });
  const damage = report.problems.map(({ key, sequence, problem, detail }): Finding => ({
    kind: "timeline", severity: "damage", key: key ?? `${timelineFolder}/`, detail: `${sequence === null ? "" : `entry ${sequence} `}${problem}: ${detail}`,
  }));
  const notes = report.warnings.map((detail): Finding => ({ kind: "unproved", severity: "note", key: `${timelineFolder}/`, detail }));
  return { report, findings: [...damage, ...notes] };
}

export async function checkDrills({ repository }: Workplace, database: string, history: RecordedHistory): Promise<{ readonly drills: number; readonly findings: readonly Finding[] }> {
  const { drills, problems, warnings } = await verifyDrills(repository, database, history.drills.get(database) ?? []);
  const damage = problems.map(({ drill, problem, detail }): Finding => ({ kind: "drill", severity: "damage", key: `${database}/drills/${drill}/`, database, detail: `${problem}: ${detail}` }));
  const notes = warnings.map((detail): Finding => ({ kind: "unproved", severity: "note", key: `${database}/drills/`, database, detail }));
  return { drills, findings: [...damage, ...notes] };
}

export async function checkRehearsals({ repository }: Workplace, database: string, history: RecordedHistory): Promise<readonly Finding[]> {
  const { problems } = await verifyRehearsals(repository, database, history.rehearsals.get(database) ?? []);
  return problems.map(({ rehearsal, detail }): Finding => ({ kind: "rehearsal", severity: "damage", key: rehearsalKey(database, rehearsal), database, detail }));
}
