/** Everything that lies in a repository, taken from one listing of it and put where it belongs. */
import type { Store, StoredObject } from "../store/store.ts";
import { placeOf } from "./places.ts";

export interface DatabaseInventory {
  /** The objects of each backup's folder, by file. */
  readonly backups: Map<string, Map<string, StoredObject>>;
  readonly locks: StoredObject[];
  /** Ids of backups that were shredded. */
  readonly shredded: Set<string>;
}

export interface Inventory {
  readonly databases: Map<string, DatabaseInventory>;
  /** What an examination of the repository's storage left behind. */
  readonly probes: readonly StoredObject[];
  /** What no Holdfast puts there. */
  readonly foreign: readonly StoredObject[];
  readonly objects: number;
  readonly bytes: number;
}

/** @param folder - only what lies below it, with its slash; by default everything */
export async function takeInventory(store: Store, folder = ""): Promise<Inventory> {
  const databases = new Map<string, DatabaseInventory>();
  const probes: StoredObject[] = [];
  const foreign: StoredObject[] = [];
  let objects = 0;
  let bytes = 0;
  for await (const object of store.list(folder)) {
    objects += 1;
    bytes += object.bytes;
    const place = placeOf(object.key);
    if (place === undefined) foreign.push(object);
    else if (place.room === "probe") probes.push(object);
    else if ("database" in place) {
      const found: DatabaseInventory = databases.get(place.database) ?? { backups: new Map<string, Map<string, StoredObject>>(), locks: [], shredded: new Set<string>() };
      databases.set(place.database, found);
      if (place.room === "lock") found.locks.push(object);
      if (place.room === "shredded") found.shredded.add(place.id);
      if (place.room === "backup") {
        const files = found.backups.get(place.id) ?? new Map<string, StoredObject>();
        found.backups.set(place.id, files.set(place.file, object));
      }
    }
  }
  return { databases, probes, foreign, objects, bytes };
}
