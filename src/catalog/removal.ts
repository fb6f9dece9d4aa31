/** How backups go: published ones, and what was left of those that never were. */
import type { LockingStore, Purged } from "../store/object-lock.ts";
import type { Store } from "../store/store.ts";
import { backupFolder, backupKey, backupsFolder, databaseOfId, keyFile, manifestFile } from "./layout.ts";

/**
 * Removes a backup that was never published, or unpublishes one: the manifest goes first, so no ruin is ever listed.
 * Where the store keeps versions, they stay: see {@link purgeBackup}.
 */
export async function removeBackup(store: Store, database: string, id: string): Promise<void> {
  const folder = backupFolder(database, id);
  await store.delete(folder + manifestFile);
  await store.abortUploads(folder);
  const keys: string[] = [];
  for await (const { key } of store.list(folder)) keys.push(key);
  // Signatures and key go next: without them, what a crash leaves is garbage that the next backup's sweep removes.
  const isSecond = (key: string): boolean => key.startsWith(folder + manifestFile) || key.startsWith(folder + keyFile);
  for (const key of [...keys.filter(isSecond).reverse(), ...keys.filter((other) => !isSecond(other))]) await store.delete(key);
}

/** Removes a backup with all its versions, as far as their retention has ended. What is retained stays, hidden. */
export async function purgeBackup(store: LockingStore, database: string, id: string): Promise<Purged> {
  await removeBackup(store, database, id);
  return store.purge(backupFolder(database, id));
}

/** Until when the store refuses to delete some object of a backup; undefined if it would delete all of them. */
export async function lockedUntil(store: LockingStore, database: string, id: string): Promise<Date | undefined> {
  const keys: string[] = [];
  for await (const { key } of store.list(backupFolder(database, id))) keys.push(key);
  const ends = (await Promise.all(keys.map((key) => store.retainedUntil(key)))).filter((end) => end !== undefined);
  return ends.length === 0 ? undefined : new Date(Math.max(...ends.map((end) => end.getTime())));
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
