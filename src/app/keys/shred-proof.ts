/** Proof that a shredded backup is closed: nothing is left of its key, and no identity at hand opens what is left of it. */
import { backupKey } from "../../catalog/layout.ts";
import type { Repository } from "../../catalog/repository.ts";
import type { ShredRecord } from "../../catalog/shredded.ts";
import { HoldfastError } from "../../errors.ts";
import { decryptStream } from "../../pipeline/encrypt.ts";
import { isVersionedStore } from "../../store/object-versions.ts";

/**
 * @returns the names of the parts that are still there and do not open
 * @throws HoldfastError `integrity` if a version of the key is left, or a part opens
 */
export async function proveShredded(repository: Repository, record: ShredRecord, identities: readonly string[], keyObjects: readonly string[]): Promise<string[]> {
  for (const key of keyObjects) await requireGone(repository, key);
  const closed: string[] = [];
  for (const { name, file } of record.parts) {
    if (await isClosed(repository, backupKey(record.database, record.id, file), identities)) closed.push(name);
  }
  return closed;
}

async function requireGone({ store }: Repository, key: string): Promise<void> {
  const left = isVersionedStore(store) ? (await store.versionsOf(key)).length : (await store.head(key)) === undefined ? 0 : 1;
  if (left === 0) return;
  throw new HoldfastError("integrity", `${key} was destroyed, but the store still shows ${left} ${left === 1 ? "version" : "versions"} of it`, { hints: ["Look for another program that writes there, then run the command again."], details: { key } });
}

/** @returns false if there is no such part any more */
async function isClosed({ store }: Repository, key: string, identities: readonly string[]): Promise<boolean> {
  if ((await store.head(key)) === undefined) return false;
  try {
    // An authenticated chunk is enough: the file's key was found.
    for await (const chunk of decryptStream(identities)(await store.read(key))) if (chunk.length >= 0) break;
  } catch (error) {
    if (error instanceof HoldfastError && (error.code === "cannot-decrypt" || error.code === "integrity")) return true;
    throw error;
  }
  throw new HoldfastError("integrity", `${key} still opens with an identity at hand: it was not encrypted to the backup's own key`, { hints: ["Remove that part itself; find out who wrote it."], details: { key } });
}
