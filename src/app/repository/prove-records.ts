/** Whether one record of a repository is what was written: its signatures, its chain, its name. Each throws `integrity` if it is not. */
import { databaseOfRecordId, rollbackKey, runbookKey } from "../../catalog/layout.ts";
import { originOf } from "../../catalog/copy-place.ts";
import type { Repository } from "../../catalog/repository.ts";
import { readDrill } from "../../drill/evidence/records.ts";
import { checkReports } from "../../drill/evidence/report-index.ts";
import { HoldfastError } from "../../errors.ts";
import { proveCheckpointObject } from "../../rollback/checkpoint/records.ts";
import { readJournal } from "../../rollback/journal/read-journal.ts";
import { readRollback } from "../../rollback/plan/records.ts";
import { readRehearsal } from "../../rollback/rehearsal/records.ts";
import { readStoredBegun } from "../../rollback/runbook/records.ts";

/** What a record that was proved says about others; undefined where it is not there, or is no record yet. */
export interface Proof {
  /** The record before it in its chain, which has to be there first. */
  readonly follows?: string | undefined;
  /** The backup that it goes back to. */
  readonly backup?: string | undefined;
  /** It tells of what was done at this very place, and belongs to no other. */
  readonly ofThisPlace?: boolean;
}

export type Prove = (repository: Repository, database: string, id: string) => Promise<Proof | undefined>;

export const proveCheckpoint: Prove = async (repository, database, name) => {
  const found = await proveCheckpointObject(repository, database, name);
  return found && { backup: found.backup ?? undefined };
};

/** Evidence, reports and certifications of a drill. One without evidence proves nothing, and may get it yet. */
export const proveDrill: Prove = async (repository, database, id) => {
  const record = await readDrill(repository, { database, id }, { now: new Date(), host: "" });
  if (record?.problem !== undefined) throw record.problem;
  if (record?.evidence === undefined) return undefined;
  const [problem] = [...record.certifications.flatMap((each) => each.problem ?? []), ...(await checkReports(repository, record, record.files))];
  if (problem !== undefined) throw problem;
  return evidenceOf(repository, record.evidence);
};

export const proveRehearsal: Prove = async (repository, database, id) => {
  const record = await readRehearsal(repository, database, id);
  return record && evidenceOf(repository, record.evidence);
};

function evidenceOf(repository: Repository, { previous, repository: made }: { readonly previous: { readonly id: string } | null; readonly repository: { readonly id: string } }): Proof {
  return { follows: previous?.id, ofThisPlace: made.id !== originOf(repository) };
}

/** Plan, journal and outcome, also of one that is on its way: its entries are put there one after the other. */
export const proveRollback: Prove = async (repository, database, id) => {
  requireNamed("rollback", database, id, rollbackKey(database, id, ""));
  const { entries } = await readJournal({ repository, database, id });
  const record = await readRollback(repository, database, id).catch((error: unknown) => {
    if (!(error instanceof HoldfastError) || error.code !== "not-found") throw error;
    return undefined;
  });
  if (record === undefined) {
    // Killed between the plan's signature and the plan: nothing was begun.
    if (entries.length === 0) return undefined;
    throw new HoldfastError("integrity", `${rollbackKey(database, id, "plan.json")} is missing: nothing says what was agreed to`);
  }
  const { outcome } = record;
  if (outcome !== undefined && entries.length < outcome.journalEntries) {
    throw new HoldfastError("integrity", `the journal of ${id} has ${entries.length} entries, but its outcome speaks of ${outcome.journalEntries}`);
  }
  return {};
};

/** The execution of a runbook. Where the repository was out of reach when it began, it has a journal only. */
export const proveRunbook: Prove = async (repository, database, id) => {
  requireNamed("runbook", database, id, runbookKey(database, id, ""));
  await readStoredBegun(repository, database, id);
  await readJournal({ repository, database, id });
  return {};
};

function requireNamed(kind: "rollback" | "runbook", database: string, id: string, key: string): void {
  if (databaseOfRecordId(kind, id) !== database) throw new HoldfastError("integrity", `${key} is not named like a ${kind} of ${database}`);
}
