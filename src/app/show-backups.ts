/** Looking at backups: nothing here changes anything, and nothing that is not signed by a trusted key is shown. */
import type { Manifest } from "../catalog/manifest.ts";
import type { BackupChoice } from "../catalog/choice.ts";
import { listBackups } from "../catalog/listing.ts";
import { chooseAloud } from "./choose-aloud.ts";
import { type Context, databaseNamed, openWorkplace } from "./context.ts";

/** The trusted backups of a database, newest first; warns of each that cannot be trusted. */
export async function listDatabaseBackups(context: Context, database?: string): Promise<Manifest[]> {
  const { name } = databaseNamed(context.config, database);
  const workplace = await openWorkplace(context);
  try {
    const entries = await listBackups(workplace.repository, name);
    for (const { id, problem } of entries) {
      if (problem) context.reporter.emit({ type: "note", level: "warn", message: `${id} does not count: ${problem.message}` });
    }
    return entries.flatMap(({ manifest }) => manifest ?? []);
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
