/** Backups of which a store with versions still keeps what no listing shows: earlier versions, and the marks that hide them. */
import { isVersionedStore, type ListedVersion } from "../store/object-versions.ts";
import type { Store } from "../store/store.ts";
import { backupsFolder, databaseOfId, manifestFile } from "./layout.ts";

export interface HiddenBackup {
  readonly id: string;
  /** Keys of the objects of which a version is left. */
  readonly keys: readonly string[];
  /** Versions that hold bytes; without any, only delete markers are left. */
  readonly versions: number;
  readonly bytes: number;
  /** A version of its manifest is left: it was published once. */
  readonly published: boolean;
  /** When the last of it was written, or hidden. */
  readonly modified: Date;
}

interface Gathered {
  readonly keys: Set<string>;
  versions: number;
  bytes: number;
  published: boolean;
  modified: number;
  /** Something of it is listed. */
  listed: boolean;
}

/**
 * The backups of a database of which nothing is listed any more.
 * @param only - looks at that one alone
 */
export async function hiddenBackups(store: Store, database: string, only?: string): Promise<HiddenBackup[]> {
  if (!isVersionedStore(store)) return [];
  const above = backupsFolder(database);
  const found = new Map<string, Gathered>();
  for await (const version of store.listVersions(only === undefined ? above : `${above}${only}/`)) {
    const id = version.key.slice(above.length).split("/")[0] ?? "";
    if (databaseOfId(id) !== database) continue;
    const gathered = found.get(id) ?? { keys: new Set<string>(), versions: 0, bytes: 0, published: false, modified: 0, listed: false };
    found.set(id, gathered);
    gather(gathered, version, `${above}${id}/${manifestFile}`);
  }
  return [...found].flatMap(([id, { listed, keys, modified, ...rest }]) => (listed ? [] : [{ id, ...rest, keys: [...keys], modified: new Date(modified) }]));
}

function gather(gathered: Gathered, { key, deletion, latest, bytes, modified }: ListedVersion, manifest: string): void {
  if (latest && !deletion) gathered.listed = true;
  gathered.modified = Math.max(gathered.modified, modified.getTime());
  gathered.keys.add(key);
  if (deletion) return;
  gathered.versions += 1;
  gathered.bytes += bytes;
  if (key === manifest) gathered.published = true;
}
