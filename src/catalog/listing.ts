/** The backups whose manifests are in a repository. */
import { HoldfastError } from "../errors.ts";
import { readManifest } from "./authenticity.ts";
import { backupsFolder } from "./layout.ts";
import type { Manifest } from "./manifest.ts";
import type { Repository } from "./repository.ts";

/** A backup as its manifest tells; `problem` instead when the manifest cannot be trusted. */
export type CatalogEntry = { readonly id: string; readonly database: string } & ({ readonly manifest: Manifest; readonly problem?: never } | { readonly manifest?: never; readonly problem: HoldfastError });

export type UntrustedEntry = Extract<CatalogEntry, { readonly problem: HoldfastError }>;

/** How many manifests are fetched at once. */
const fetches = 16;

/**
 * The backups of a database, newest snapshot first. Folders without a manifest are unfinished or being removed: not listed.
 * A manifest that is unsigned, damaged or signed by a stranger is listed with its problem, and never counts.
 */
export async function listBackups(repository: Repository, database: string): Promise<CatalogEntry[]> {
  const ids: string[] = [];
  for await (const folder of repository.store.listFolders(backupsFolder(database))) ids.push(folder);
  const entries: CatalogEntry[] = [];
  const queue = ids.values();
  const worker = async (): Promise<void> => {
    for (const id of queue) {
      const entry = await readEntry(repository, database, id);
      if (entry) entries.push(entry);
    }
  };
  await Promise.all(Array.from({ length: fetches }, worker));
  return entries.sort((a, b) => recoveryPoint(b).localeCompare(recoveryPoint(a)) || b.id.localeCompare(a.id));
}

const recoveryPoint = (entry: CatalogEntry): string => entry.manifest?.snapshotAt ?? "";

async function readEntry(repository: Repository, database: string, id: string): Promise<CatalogEntry | undefined> {
  try {
    const manifest = await readManifest(repository, database, id);
    return manifest && { id, database, manifest };
  } catch (error) {
    if (error instanceof HoldfastError && error.code === "integrity") return { id, database, problem: error };
    throw error;
  }
}
