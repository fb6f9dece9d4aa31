/** A copy's choice as flags say it, and its result for people. */
import type { CopyChoice, CopyResult } from "../app/repository/copy-repository.ts";
import { parseInstant } from "./choice.ts";
import { counted, formatBytes, formatCount, formatSeconds } from "../text/format.ts";

export function copyChoice({ since, latest, newer }: { readonly since?: string | undefined; readonly latest: boolean; readonly newer: boolean }): CopyChoice {
  if (since !== undefined) return { since: parseInstant(since, "since") };
  return latest ? "latest" : newer ? "newer" : "all";
}

export function renderCopy({ url, copied, unchanged, bytes, records, timelineEntries, seconds }: CopyResult): string {
  const lines = copied.map(({ id, bytes: sent }) => `${id}  ${formatBytes(sent)} sent`);
  return [...lines, `${url}: records copied: ${renderRecords(records, "copied")}; there before: ${renderRecords(records, "unchanged")}`, `${url}: ${formatCount(copied.length)} backups copied, ${formatBytes(bytes)}; ${formatCount(unchanged)} were there; ${formatCount(timelineEntries)} entries of the timeline; ${formatSeconds(seconds)}`].join("\n");
}

/** "2 checkpoints, 1 drills"; none is left out. */
function renderRecords(records: CopyResult["records"], which: "copied" | "unchanged"): string {
  const some = Object.entries(records).filter(([, count]) => count[which] > 0);
  return some.map(([kind, count]) => counted(count[which], kind.slice(0, -1), kind)).join(", ") || "none";
}
