/** Looking at backups: nothing here changes anything, and nothing that is not signed by a trusted key is shown. */
import type { Manifest } from "../../catalog/manifest.ts";
import type { BackupChoice } from "../../catalog/choice.ts";
import { listShredded, wasShredded } from "../../catalog/shredded.ts";
import { listSummaries } from "../../catalog/summaries.ts";
import type { BackupSummary } from "../../catalog/summary.ts";
import { chooseAloud } from "./choose-aloud.ts";
import { type Context, databaseNamed, openWorkplace } from "../context.ts";

/** The trusted backups of a database, newest first; warns of each that cannot be trusted. */
export async function listDatabaseBackups(context: Context, database?: string): Promise<BackupSummary[]> {
  const { name } = databaseNamed(context.config, database);
  const workplace = await openWorkplace(context);
  try {
    const { entries, indexProblem } = await listSummaries(workplace.repository, name);
    if (indexProblem !== undefined) context.reporter.emit({ type: "note", level: "warn", message: `the index of ${name} is not used: ${indexProblem}; \`holdfast repository check --repair\` rebuilds it` });
    for (const { id, problem } of entries) {
      if (problem) context.reporter.emit({ type: "note", level: "warn", message: `${id} does not count: ${problem.message}` });
    }
    for (const shredded of await listShredded(workplace.repository, name)) {
      const [level, message] = "record" in shredded ? (["info", wasShredded(shredded.record).message] as const) : (["warn", `the record of a shredded backup cannot be trusted: ${shredded.problem.message}`] as const);
      context.reporter.emit({ type: "note", level, message });
    }
    return entries.flatMap(({ summary }) => summary ?? []);
  } finally {
    await workplace.close();
  }
}

export async function showBackup(context: Context, choice: BackupChoice, database?: string): Promise<Manifest> {
  const { name } = databaseNamed(context.config, database);
  const workplace = await openWorkplace(context);
  try {
    return await chooseAloud(context, workplace.repository, name, choice);
  } finally {
    await workplace.close();
  }
}
