/** Which backup an operator means. */
import { HoldfastError } from "../errors.ts";
import { readManifest } from "./authenticity.ts";
import { backupId, databaseOfId } from "./layout.ts";
import type { UntrustedEntry } from "./listing.ts";
import type { Manifest } from "./manifest.ts";
import type { Repository } from "./repository.ts";
import { readShredRecord, wasShredded } from "./shredded.ts";
import { listSummaries } from "./summaries.ts";

const exampleTime = new Date("2026-11-21T02:00:00Z");

/** Which backup is meant: an id, or the newest one (`latest`), or the newest not after an instant. */
export type BackupChoice = { readonly id: string } | { readonly latest: true } | { readonly asOf: Date };

/**
 * Finds the backup that is meant among those whose manifests can be trusted.
 * @param onUntrusted - hears of each that would be newer than the one that is found
 * @throws HoldfastError `usage` if what was named is no id, `not-found` if there is none, `integrity` if the one that was named cannot be trusted
 */
export async function chooseBackup(repository: Repository, database: string, choice: BackupChoice, onUntrusted: (entry: UntrustedEntry) => void = () => undefined): Promise<Manifest> {
  if ("id" in choice) {
    const owner = databaseOfId(choice.id);
    if (owner === undefined) {
      throw new HoldfastError("usage", `${JSON.stringify(choice.id)} is not the id of a backup, which is like ${backupId(database, exampleTime, "7f3a")}`, { hints: ["`holdfast backup list` shows the ids that there are."] });
    }
    const manifest = await readManifest(repository, owner, choice.id);
    if (manifest) return manifest;
    const shredded = await readShredRecord(repository, owner, choice.id);
    if (shredded) throw wasShredded(shredded);
    throw new HoldfastError("not-found", `no backup ${choice.id} in ${repository.store.url}`, { hints: ["`holdfast backup list` shows what there is."] });
  }
  const { entries } = await listSummaries(repository, database);
  const good = entries.flatMap((entry) => entry.summary ?? []);
  const found = "asOf" in choice ? good.find((summary) => new Date(summary.snapshotAt) <= choice.asOf) : good[0];
  const manifest = found && (await readManifest(repository, database, found.id));
  if (manifest) {
    for (const entry of entries) if (entry.problem && entry.id > manifest.id) onUntrusted(entry);
    return manifest;
  }
  const oldest = good.at(-1);
  const untrusted = entries.length - good.length;
  throw new HoldfastError("not-found", "asOf" in choice && oldest ? `no backup of ${database} as old as ${choice.asOf.toISOString()}` : `no backup of ${database} in ${repository.store.url}`, {
    hints: [
      ...(untrusted > 0 ? [`${untrusted} ${untrusted === 1 ? "backup is" : "backups are"} there but cannot be trusted; \`holdfast backup list\` says why.`] : []),
      oldest ? `The oldest is ${oldest.id}, of ${oldest.snapshotAt}.` : `Make one with \`holdfast backup --database ${database}\`.`,
    ],
  });
}
