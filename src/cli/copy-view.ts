/** A copy's choice as flags say it, and its result for people. */
import type { CopyChoice, CopyResult } from "../app/repository/copy-repository.ts";
import { parseInstant } from "./choice.ts";
import { formatBytes, formatCount, formatSeconds } from "../text/format.ts";

export function copyChoice({ since, latest, newer }: { readonly since?: string | undefined; readonly latest: boolean; readonly newer: boolean }): CopyChoice {
  if (since !== undefined) return { since: parseInstant(since, "since") };
  return latest ? "latest" : newer ? "newer" : "all";
}

export function renderCopy({ url, copied, unchanged, bytes, timelineEntries, seconds }: CopyResult): string {
  const lines = copied.map(({ id, bytes: sent }) => `${id}  ${formatBytes(sent)} sent`);
  return [...lines, `${url}: ${formatCount(copied.length)} backups copied, ${formatBytes(bytes)}; ${formatCount(unchanged)} were there; ${formatCount(timelineEntries)} entries of the timeline; ${formatSeconds(seconds)}`].join("\n");
}
