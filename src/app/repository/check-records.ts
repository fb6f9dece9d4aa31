/** What was said about holds, incidents, rollbacks and executions of runbooks: signatures and chains, and what the timeline names. */
import { readHolds } from "../../catalog/holds.ts";
import { holdKey, incidentKey, rollbackKey, rollbacksFolder, runbookKey, runbooksFolder } from "../../catalog/layout.ts";
import type { Repository } from "../../catalog/repository.ts";
import { HoldfastError } from "../../errors.ts";
import { listIncidents, recordsIn } from "../../rollback/incident/incident.ts";
import { readRollback } from "../../rollback/plan/records.ts";
import { readStoredBegun } from "../../rollback/runbook/records.ts";
import type { Finding, FindingKind } from "./findings.ts";
import { type Prove, proveRollback, proveRunbook } from "./prove-records.ts";

/** What the timeline of this very repository says was recorded, of one database: it has to be there. */
export interface RecordedOnes {
  /** Rollbacks that ended. */
  readonly rollbacks: ReadonlySet<string>;
  readonly runbooks: ReadonlySet<string>;
  readonly incidents: ReadonlySet<string>;
  /** How many records an incident had at the least, by its id. */
  readonly incidentRecords: ReadonlyMap<string, number>;
  /** How often a backup was held or released, by its id. */
  readonly holds: ReadonlyMap<string, number>;
}

export interface CheckedRecords {
  readonly holds: number;
  readonly incidents: number;
  readonly rollbacks: number;
  readonly runbooks: number;
  readonly findings: readonly Finding[];
}

export async function checkRecords(repository: Repository, database: string, recorded: RecordedOnes): Promise<CheckedRecords> {
  const findings: Finding[] = [];
  const report: Report = (kind, key, detail, severity = "damage") => { findings.push({ kind, severity, key, database, detail }); };
  const holds = await checkHolds(repository, database, recorded, report);
  const rollbacks = await checkEach(repository, rollbacksFolder(database), proveRollback, database, (id) => rollbackKey(database, id, "journal/"), report);
  const runbooks = await checkEach(repository, runbooksFolder(database), proveRunbook, database, (id) => runbookKey(database, id, "journal/"), report);
  const named = new Map([...(await namedByRollbacks(repository, database, rollbacks)), ...(await namedByRunbooks(repository, database, runbooks)), ...[...recorded.incidents].map((id) => [id, "the timeline"] as const)]);
  const incidents = await checkIncidents(repository, database, named, recorded, report);
  for (const id of recorded.rollbacks) await checkEnded(repository, database, id, rollbacks, report);
  for (const id of recorded.runbooks) {
    if (!runbooks.has(id)) report("unproved", runbookKey(database, id, ""), "the timeline names this execution of a runbook, but nothing of it is here: the repository was out of reach while it ran, or somebody removed it", "note");
  }
  return { holds, incidents, rollbacks: rollbacks.size, runbooks: runbooks.size, findings };
}

type Report = (kind: FindingKind, key: string, detail: string, severity?: Finding["severity"]) => void;

/** Trusted records count only: one that was changed holds its backup, which is told as well. */
async function checkHolds(repository: Repository, database: string, { holds }: RecordedOnes, report: Report): Promise<number> {
  const states = await readHolds(repository, database);
  for (const [id, { untrusted }] of states) if (untrusted > 0) report("hold", holdKey(database, id), `${untrusted} of its records cannot be trusted: changed, moved, or signed by a stranger; the backup is held`);
  for (const [id, said] of holds) {
    const { records = [], untrusted = 0 } = states.get(id) ?? {};
    if (records.length + untrusted < said) report("hold", holdKey(database, id), `removed: the timeline names ${said} records of this hold, but ${records.length + untrusted} are here`);
  }
  return states.size;
}

async function checkIncidents(repository: Repository, database: string, named: ReadonlyMap<string, string>, { incidentRecords }: RecordedOnes, report: Report): Promise<number> {
  const incidents = await listIncidents(repository, database);
  for (const incident of incidents) {
    const said = incidentRecords.get(incident.id) ?? 0;
    if (recordsIn(incident) < said) report("incident", incidentKey(database, incident.id), `cut: the timeline names ${said} records of this incident, but ${recordsIn(incident)} are here`);
  }
  for (const { id, problems } of incidents) for (const detail of problems) report("incident", incidentKey(database, id), detail);
  const there = new Set(incidents.map(({ id }) => id));
  for (const [id, who] of named) if (!there.has(id)) report("incident", incidentKey(database, id), `removed: ${who} names it`);
  return incidents.length;
}

/** @returns the ids of those that are there, sound or not */
async function checkEach(repository: Repository, folder: string, prove: Prove, database: string, keyOf: (id: string) => string, report: Report): Promise<Set<string>> {
  const there = new Set<string>();
  for await (const id of repository.store.listFolders(folder)) {
    try {
      if ((await prove(repository, database, id)) !== undefined) there.add(id);
    } catch (error) {
      if (!(error instanceof HoldfastError) || error.code !== "integrity") throw error;
      there.add(id);
      report("journal", keyOf(id), error.message);
    }
  }
  return there;
}

/** A rollback that ended well has written its outcome before the timeline could say so. */
async function checkEnded(repository: Repository, database: string, id: string, there: ReadonlySet<string>, report: Report): Promise<void> {
  if (!there.has(id)) {
    report("journal", rollbackKey(database, id, ""), "removed: the timeline names this rollback");
    return;
  }
  const record = await readRollback(repository, database, id).catch(unlessUntrusted);
  if (record !== undefined && record.outcome === undefined) report("journal", rollbackKey(database, id, "outcome.json"), "removed: the timeline says that this rollback ended");
}

async function namedByRollbacks(repository: Repository, database: string, ids: ReadonlySet<string>): Promise<[string, string][]> {
  const named: [string, string][] = [];
  for (const id of ids) {
    const incident = (await readRollback(repository, database, id).catch(unlessUntrusted))?.begun.incident;
    if (incident != null) named.push([incident, id]);
  }
  return named;
}

async function namedByRunbooks(repository: Repository, database: string, ids: ReadonlySet<string>): Promise<[string, string][]> {
  const named: [string, string][] = [];
  for (const id of ids) {
    const incident = (await readStoredBegun(repository, database, id).catch(unlessUntrusted))?.incident;
    if (incident != null) named.push([incident, id]);
  }
  return named;
}

/** What cannot be trusted has its finding already. */
function unlessUntrusted(error: unknown): undefined {
  if (!(error instanceof HoldfastError) || (error.code !== "integrity" && error.code !== "not-found")) throw error;
}
