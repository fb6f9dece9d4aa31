/** Looking at the timeline, and checking it together with every record that it names: nothing that was signed is left out. */
import type { TimelineEntry } from "../audit/entry.ts";
import { keptTimeline } from "../audit/escrow.ts";
import { type Range, select } from "../audit/select.ts";
import { type TimelineReport, verifyTimeline } from "../audit/verify.ts";
import { databasesIn, type Repository } from "../catalog/repository.ts";
import { type DrillsReport, verifyDrills } from "../drill/evidence/verify-evidence.ts";
import { HoldfastError } from "../errors.ts";
import { type Context, openWorkplace, type Workplace } from "./context.ts";
import { readHistory, type RecordedHistory, verifyKept } from "./repository/check-history.ts";
import { checkOtherRecords } from "./repository/check-other-records.ts";
import type { Finding } from "./repository/findings.ts";

export interface AuditRange extends Range {
  /** Of a copy: what it keeps of its origin's timeline, in place of its own. */
  readonly origin?: boolean | undefined;
}

export async function readAudit(context: Context, { origin = false, ...range }: AuditRange): Promise<TimelineEntry[]> {
  const workplace = await openWorkplace(context);
  try {
    const { store, copyOf } = workplace.repository;
    if (origin && copyOf === undefined) throw new HoldfastError("refused", `${store.url} is no copy, and keeps the timeline of no other repository`, { hints: ["Name a copy with --from, or leave --origin out."] });
    const entries: TimelineEntry[] = [];
    for await (const { entry } of select(origin ? keptTimeline(store) : store, range)) entries.push(entry);
    return entries;
  } finally {
    await workplace.close();
  }
}

/** All records but drills: how many of each were looked at, and what was done to them. */
export interface RecordsReport {
  readonly checkpoints: number;
  readonly rehearsals: number;
  readonly holds: number;
  readonly incidents: number;
  readonly rollbacks: number;
  readonly runbooks: number;
  readonly problems: readonly Pick<Finding, "kind" | "key" | "database" | "detail">[];
  readonly warnings: readonly string[];
}

export interface AuditReport extends TimelineReport {
  /** The evidence of all databases' drills. */
  readonly drills: DrillsReport;
  readonly records: RecordsReport;
  /** In a copy, what it keeps of its origin's timeline; null otherwise. */
  readonly origin: TimelineReport | null;
}

/** Checks the repository's chain against itself and against this host's own copy, and everything that was signed beside it against both. */
export async function verifyAudit(context: Context): Promise<AuditReport> {
  const workplace = await openWorkplace(context);
  try {
    const { repository, timeline } = workplace;
    if (repository.trusted.length === 0) {
      throw new HoldfastError("configuration", "no trusted signer is configured, so every entry would look like a stranger's", { hints: ["Set HOLDFAST_TRUSTED_SIGNERS to the public signing key, as PEM or the name of its file."] });
    }
    const report = await verifyTimeline(repository.store, { trusted: repository.trusted, local: timeline.localCopy });
    const origin = (await verifyKept(repository)) ?? null;
    // The timelines first: what they name is published before its entry is written.
    const history = await readHistory(workplace);
    const databases = [...new Set([...(await databasesIn(repository.store)), ...history.databases])].sort();
    return { ...report, drills: await verifyAllDrills(repository, databases, history), records: await verifyRecords(workplace, databases, history, context.clock.now()), origin };
  } finally {
    await workplace.close();
  }
}

async function verifyAllDrills(repository: Repository, databases: readonly string[], recorded: RecordedHistory): Promise<DrillsReport> {
  const reports: DrillsReport[] = [];
  for (const database of databases) reports.push(await verifyDrills(repository, database, recorded.drills.get(database) ?? []));
  return {
    drills: reports.reduce((sum, { drills }) => sum + drills, 0),
    proven: reports.reduce((sum, { proven }) => sum + proven, 0),
    problems: reports.flatMap(({ problems }) => problems),
    warnings: reports.flatMap(({ warnings }) => warnings),
  };
}

async function verifyRecords(workplace: Workplace, databases: readonly string[], history: RecordedHistory, now: Date): Promise<RecordsReport> {
  const sums = { checkpoints: 0, rehearsals: 0, holds: 0, incidents: 0, rollbacks: 0, runbooks: 0 };
  const findings: Finding[] = [];
  for (const database of databases) {
    const checked = await checkOtherRecords(workplace, database, history, now);
    for (const kind of Object.keys(sums) as (keyof typeof sums)[]) sums[kind] += checked[kind];
    // Whether backups are still there is not asked here.
    findings.push(...checked.findings.filter(({ kind }) => kind !== "checkpoint-backup"));
  }
  return {
    ...sums,
    problems: findings.filter(({ severity }) => severity === "damage").map(({ kind, key, database = "", detail }) => ({ kind, key, database, detail })),
    warnings: findings.filter(({ severity }) => severity !== "damage").map(({ detail }) => detail),
  };
}

export type { TimelineEntry };
