/** Looking at the timeline, and checking it together with the evidence that it names. */
import type { TimelineEntry } from "../audit/entry.ts";
import type { Range } from "../audit/select.ts";
import { type TimelineReport, verifyTimeline } from "../audit/verify.ts";
import { partsOfDrillId } from "../catalog/layout.ts";
import { databasesIn, type Repository } from "../catalog/repository.ts";
import { type DrillsReport, type RecordedDrill, verifyDrills } from "../drill/evidence/verify-evidence.ts";
import { HoldfastError } from "../errors.ts";
import { type Context, openWorkplace, type Workplace } from "./context.ts";

export async function readAudit(context: Context, range: Range): Promise<TimelineEntry[]> {
  const workplace = await openWorkplace(context);
  try {
    const entries: TimelineEntry[] = [];
    for await (const entry of workplace.timeline.read(range)) entries.push(entry);
    return entries;
  } finally {
    await workplace.close();
  }
}

export interface AuditReport extends TimelineReport {
  /** The evidence of all databases' drills. */
  readonly drills: DrillsReport;
}

/** Checks the repository's chain against itself and against this host's own copy, and the drills' evidence against both. */
export async function verifyAudit(context: Context): Promise<AuditReport> {
  const workplace = await openWorkplace(context);
  try {
    const { store, trusted } = workplace.repository;
    if (trusted.length === 0) {
      throw new HoldfastError("configuration", "no trusted signer is configured, so every entry would look like a stranger's", { hints: ["Set HOLDFAST_TRUSTED_SIGNERS to the public signing key, as PEM or the name of its file."] });
    }
    const timeline = await verifyTimeline(store, { trusted, local: workplace.timeline.localCopy });
    // The timeline first: evidence is published before its entry is written.
    return { ...timeline, drills: await verifyAllDrills(workplace.repository, await drillsRecorded(workplace)) };
  } finally {
    await workplace.close();
  }
}

/** What the timeline says about drills, by database. An entry without the hash of evidence is of a drill that published none, one without the id of a drill is not ours. */
async function drillsRecorded({ timeline }: Workplace): Promise<Map<string, RecordedDrill[]>> {
  const recorded = new Map<string, RecordedDrill[]>();
  for await (const { action, subject } of timeline.read()) {
    const { database, drill, evidence, certification } = subject;
    if (!action.startsWith("drill ") || drill === undefined || evidence === undefined) continue;
    if (database === undefined || partsOfDrillId(drill)?.database !== database) continue;
    recorded.set(database, [...(recorded.get(database) ?? []), { drill, sha256: evidence, certification }]);
  }
  return recorded;
}

async function verifyAllDrills(repository: Repository, recorded: ReadonlyMap<string, readonly RecordedDrill[]>): Promise<DrillsReport> {
  const databases = new Set([...(await databasesIn(repository.store)), ...recorded.keys()]);
  const reports: DrillsReport[] = [];
  for (const database of [...databases].sort()) reports.push(await verifyDrills(repository, database, recorded.get(database) ?? []));
  return {
    drills: reports.reduce((sum, { drills }) => sum + drills, 0),
    proven: reports.reduce((sum, { proven }) => sum + proven, 0),
    problems: reports.flatMap(({ problems }) => problems),
    warnings: reports.flatMap(({ warnings }) => warnings),
  };
}

export type { TimelineEntry };
