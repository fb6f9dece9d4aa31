/** How backups go: published ones, and what was left of those that never were. */
import type { Store } from "../store/store.ts";
import { backupFolder, backupKey, backupsFolder, databaseOfId, keyFile, manifestFile } from "./layout.ts";

/** Removes a backup that was never published, or unpublishes one: the manifest goes first, so no ruin is ever listed. */
export async function removeBackup(store: Store, database: string, id: string): Promise<void> {
  const folder = backupFolder(database, id);
  const manifest = folder + manifestFile;
  await store.delete(manifest);
  await store.abortUploads(folder);
  for await (const object of store.list(folder)) await store.delete(object.key);
}

/**
 * Removes what earlier runs left of backups that nobody can ever open: uploads that were not completed, and parts
 * without a manifest whose key was never stored, so that it died with its run. To be called under the database's lock.
 * A folder with a key is left alone: its manifest may have been lost by mistake.
 * @returns the ids of the backups that it removed objects of
 */
export async function removeUnfinished(store: Store, database: string): Promise<string[]> {
  const above = backupsFolder(database);
  await store.abortUploads(above);
  const folders = new Map<string, string[]>();
  for await (const { key } of store.list(above)) {
    const [id = "", ...rest] = key.slice(above.length).split("/");
    if (databaseOfId(id) === database) folders.set(id, [...(folders.get(id) ?? []), rest.join("/")]);
  }
  const removed: string[] = [];
  for (const [id, files] of folders) {
    if (files.some((file) => file.startsWith(manifestFile) || file.startsWith(keyFile))) continue;
    for (const file of files) await store.delete(backupKey(database, id, file));
    removed.push(id);
  }
  return removed;
}
