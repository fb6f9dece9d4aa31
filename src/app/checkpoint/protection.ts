/**
 * Which backups checkpoints keep from being removed. A checkpoint keeps its backup while it is one of the newest of its
 * database, or young; docs/decisions/0061 says why not for ever.
 */
import { checkpointKey } from "../../catalog/layout.ts";
import type { Repository } from "../../catalog/repository.ts";
import { type CheckpointEntry, type CheckpointRecord, listCheckpoints } from "../../rollback/checkpoint/records.ts";

export const protectedCount = 5;
const protectedMs = 90 * 86_400_000;

/**
 * The trusted checkpoints that protect their backup.
 * @param entries - newest first
 */
export function protecting(entries: readonly CheckpointEntry[], now: Date): CheckpointRecord[] {
  const trusted = entries.filter((entry): entry is CheckpointRecord => entry.problem === undefined);
  return trusted.filter(({ checkpoint }, at) => at < protectedCount || now.getTime() - Date.parse(checkpoint.takenAt) < protectedMs);
}

/**
 * By id of a backup, the newest checkpoint that protects it. One that cannot be trusted takes no place from another and
 * protects whatever it names: whether it is ours is for a person to find out.
 */
export async function protectedByCheckpoints(repository: Repository, database: string, backups: readonly string[], now: Date): Promise<Map<string, string>> {
  const entries = await listCheckpoints(repository, database);
  const found = new Map<string, string>();
  for (const { id, problem } of entries) {
    if (problem === undefined) continue;
    const text = (await repository.store.get(checkpointKey(database, id)))?.bytes.toString("utf8") ?? "";
    for (const backup of backups) if (text.includes(backup)) found.set(backup, `${id}, which cannot be trusted`);
  }
  for (const { id, checkpoint } of protecting(entries, now).toReversed()) found.set(checkpoint.backup.id, id);
  return found;
}
