/** Which backup is meant, and a warning where a newer one is there that cannot be trusted. */
import type { Manifest } from "../../catalog/manifest.ts";
import { type BackupChoice, chooseBackup } from "../../catalog/choice.ts";
import type { Repository } from "../../catalog/repository.ts";
import type { Context } from "../context.ts";

/** @throws HoldfastError as {@link chooseBackup} */
export function chooseAloud({ reporter }: Context, repository: Repository, database: string, choice: BackupChoice): Promise<Manifest> {
  return chooseBackup(repository, database, choice, ({ id, problem }) => {
    reporter.emit({ type: "note", level: "warn", message: `${id} is newer, but does not count: ${problem.message}` });
  });
}
