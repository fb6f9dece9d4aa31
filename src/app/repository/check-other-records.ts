/** All records of a database but backups and drills, together: what `repository check` and `audit verify` both look at. */
import type { Workplace } from "../context.ts";
import { checkCheckpoints } from "./check-checkpoints.ts";
import { checkRehearsals, type RecordedHistory } from "./check-history.ts";
import { type CheckedRecords, checkRecords } from "./check-records.ts";

export interface OtherRecords extends CheckedRecords {
  readonly checkpoints: number;
  readonly rehearsals: number;
}

export async function checkOtherRecords(workplace: Workplace, database: string, history: RecordedHistory, now: Date): Promise<OtherRecords> {
  const checkpoints = await checkCheckpoints(workplace, database, history.checkpoints.get(database) ?? [], now);
  const rehearsals = await checkRehearsals(workplace, database, history);
  const records = await checkRecords(workplace.repository, database, history.recordsOf(database));
  return { ...records, checkpoints: checkpoints.checkpoints, rehearsals: rehearsals.rehearsals, findings: [...checkpoints.findings, ...rehearsals.findings, ...records.findings] };
}
