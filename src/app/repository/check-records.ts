/** What was said about incidents, and what rollbacks wrote as they went: signatures and chains. */
import { databaseOfRecordId, incidentKey, rollbackKey, rollbacksFolder, runbookKey, runbooksFolder } from "../../catalog/layout.ts";
import type { Repository } from "../../catalog/repository.ts";
import { HoldfastError } from "../../errors.ts";
import { listIncidents } from "../../rollback/incident/incident.ts";
import { readJournal } from "../../rollback/journal/read-journal.ts";
import { readRollback } from "../../rollback/plan/records.ts";
import type { Finding } from "./findings.ts";

export async function checkRecords(repository: Repository, database: string): Promise<Finding[]> {
  return [...(await checkIncidents(repository, database)), ...(await checkJournals(repository, database)), ...(await checkRunbooks(repository, database))];
}

async function checkIncidents(repository: Repository, database: string): Promise<Finding[]> {
  const incidents = await listIncidents(repository, database);
  return incidents.flatMap(({ id, problems }) => problems.map((detail): Finding => ({ kind: "incident", severity: "damage", key: incidentKey(database, id), database, detail })));
}

/** Plan, outcome and journal, also of a rollback that is on its way: its entries are put there one after the other. */
async function checkJournals(repository: Repository, database: string): Promise<Finding[]> {
  const findings: Finding[] = [];
  for await (const id of repository.store.listFolders(rollbacksFolder(database))) {
    if (databaseOfRecordId("rollback", id) !== database) continue;
    try {
      const { entries } = await readJournal({ repository, database, id });
      const outcome = await readRollback(repository, database, id).then((record) => record.outcome, unlessMissing);
      if (outcome !== undefined && entries.length < outcome.journalEntries) findings.push({ kind: "journal", severity: "damage", key: rollbackKey(database, id, "journal/"), database, detail: `the journal has ${entries.length} entries, but its outcome speaks of ${outcome.journalEntries}` });
    } catch (error) {
      if (!(error instanceof HoldfastError) || error.code !== "integrity") throw error;
      findings.push({ kind: "journal", severity: "damage", key: rollbackKey(database, id, "journal/"), database, detail: error.message });
    }
  }
  return findings;
}

/** Executions of runbooks: their journals, as those of rollbacks. */
async function checkRunbooks(repository: Repository, database: string): Promise<Finding[]> {
  const findings: Finding[] = [];
  for await (const id of repository.store.listFolders(runbooksFolder(database))) {
    if (databaseOfRecordId("runbook", id) !== database) continue;
    await readJournal({ repository, database, id }).catch((error: unknown) => {
      if (!(error instanceof HoldfastError) || error.code !== "integrity") throw error;
      findings.push({ kind: "journal", severity: "damage", key: runbookKey(database, id, "journal/"), database, detail: error.message });
    });
  }
  return findings;
}

function unlessMissing(error: unknown): undefined {
  if (!(error instanceof HoldfastError) || error.code !== "not-found") throw error;
}
