/** How a backup comes to be: a folder of its own, its signature, and its manifest last. */
import { HoldfastError } from "../errors.ts";
import type { Ids } from "../ports.ts";
import type { Store } from "../store/store.ts";
import { backupFolder, backupId, backupKey, manifestFile } from "./layout.ts";
import { type Manifest, serializeManifest } from "./manifest.ts";
import type { Signer } from "./signatures.ts";
import { publishSigned } from "./signed-object.ts";

/**
 * An id that nothing lies under yet. Call it while holding the database's lock, which keeps others from taking it too:
 * a run that wrote into the folder of another backup would ruin that one, and remove it when it failed.
 */
export async function freeBackupId(store: Store, database: string, at: Date, ids: Ids): Promise<string> {
  const tries = 10;
  for (let left = tries; left > 0; left -= 1) {
    const id = backupId(database, at, ids.suffix());
    if (await isEmpty(store, backupFolder(database, id))) return id;
  }
  throw new HoldfastError("store-failed", `${tries} ids of ${database} at ${at.toISOString()} were taken already`, { hints: ["Run the backup again."] });
}

async function isEmpty(store: Store, folder: string): Promise<boolean> {
  for await (const object of store.list(folder)) if (object.key.startsWith(folder)) return false;
  return true;
}

/** Publishes a backup: its signature first, its manifest last, and neither over what somebody else published under that id. */
export async function publishManifest(store: Store, manifest: Manifest, signer: Signer): Promise<void> {
  const bytes = serializeManifest(manifest);
  await publishSigned(store, backupKey(manifest.database, manifest.id, manifestFile), bytes, signer, "Another backup took the same id; run the backup again.");
}
