/** What checkpoints are worth: whether their signatures hold, and whether the backups are there that they go back to. */
import { checkpointKey } from "../../catalog/layout.ts";
import { listCheckpoints, listDeployed } from "../../rollback/checkpoint/records.ts";
import { boundBackup } from "../checkpoint/bound-backup.ts";
import { protecting } from "../checkpoint/protection.ts";
import type { Workplace } from "../context.ts";
import type { Finding } from "./findings.ts";

/**
 * A backup that retention has let go, that was shredded, or never brought to a copy, is no damage: its checkpoint still knows the images.
 * @param published - ids of those that the timeline says were published
 */
export async function checkCheckpoints({ repository }: Workplace, database: string, published: readonly string[], now: Date): Promise<{ readonly checkpoints: number; readonly findings: readonly Finding[] }> {
  const [entries, deployed] = await Promise.all([listCheckpoints(repository, database), listDeployed(repository, database)]);
  const findings: Finding[] = [];
  for (const { id, problem } of entries) if (problem) findings.push({ kind: "checkpoint", severity: "damage", key: checkpointKey(database, id), database, detail: problem.message });
  for (const { name, problem } of deployed) if (problem) findings.push({ kind: "checkpoint", severity: "damage", key: checkpointKey(database, name), database, detail: problem.message });
  for (const id of published.filter((each) => !entries.some((entry) => entry.id === each))) {
    findings.push({ kind: "checkpoint", severity: "damage", key: checkpointKey(database, id), database, detail: "this checkpoint was published, and no holdfast removes one, but it is gone" });
  }
  const needed = new Set(protecting(entries, now).map(({ id }) => id));
  for (const { id, checkpoint } of entries) {
    if (checkpoint === undefined) continue;
    const { state, detail } = await boundBackup(repository, checkpoint);
    if (state === "there") continue;
    // Which backups are brought to a copy is chosen: there a missing one says nothing.
    const isLost = state === "gone" && needed.has(id) && repository.copyOf === undefined;
    const severity = state === "changed" || isLost ? "damage" : "note";
    findings.push({ kind: "checkpoint-backup", severity, key: checkpointKey(database, id), database, backup: checkpoint.backup.id, detail: `it goes back to a backup that is ${state}: ${detail}` });
  }
  return { checkpoints: entries.length, findings };
}
