/** What a prune decided, and what became of it, as a script and as a person reads it. */
import type { PrunedBackup, PruneResult } from "../app/backup/prune-backups.ts";
import { formatBytes, formatCount } from "../text/format.ts";
import { renderTable } from "./table.ts";

interface DecisionJson extends Omit<PrunedBackup, "snapshotAt"> {
  readonly snapshotAt: string;
}

export interface PruneJson extends Omit<PruneResult, "keep" | "remove"> {
  readonly keep: readonly DecisionJson[];
  readonly remove: readonly DecisionJson[];
}

export function pruneJson({ keep, remove, ...rest }: PruneResult): PruneJson {
  const row = (backup: PrunedBackup): DecisionJson => ({ ...backup, snapshotAt: backup.snapshotAt.toISOString() });
  return { ...rest, keep: keep.map(row), remove: remove.map(row) };
}

/** Newest first, as the backups themselves lie. */
export function renderPrune(result: PruneResult): string {
  const verbs = new Map<PrunedBackup, string>([...result.keep.map((backup) => [backup, "keep"] as const), ...result.remove.map((backup) => [backup, "remove"] as const)]);
  const rows = [...verbs].sort(([a], [b]) => b.snapshotAt.getTime() - a.snapshotAt.getTime() || b.id.localeCompare(a.id));
  if (rows.length === 0) return `no backups of ${result.database}`;
  return renderTable(["", "backup", "snapshot", "label", "why"], rows.map(([{ id, snapshotAt, label, reasons }, verb]) => [verb, id, snapshotAt.toISOString(), label ?? "-", reasons.join("; ")]));
}

/** `2 of 2 backups removed, 1.2 GB; 37 stay`. */
export function summarizePrune({ dryRun, keep, remove, removed }: PruneResult): string {
  const bytes = (of: readonly PrunedBackup[]): string => formatBytes(of.reduce((sum, backup) => sum + (backup.bytes ?? 0), 0));
  if (remove.length === 0) return `nothing ${dryRun ? "would go" : "was removed"}; ${formatCount(keep.length)} stay`;
  if (dryRun) return `${formatCount(remove.length)} would be removed, ${bytes(remove)}; ${formatCount(keep.length)} would stay`;
  const gone = remove.filter(({ id }) => removed.includes(id));
  return `${formatCount(gone.length)} of ${formatCount(remove.length)} removed, ${bytes(gone)}; ${formatCount(keep.length + remove.length - gone.length)} stay`;
}
