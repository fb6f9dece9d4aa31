import type { RestoreResult } from "../app/restore/restore-backup.ts";
import { HoldfastError } from "../errors.ts";
import { shellWord } from "../process/shell-word.ts";
import { formatCount, formatSeconds, readable } from "../text/format.ts";
import { renderTable } from "./table.ts";

export function parseRoleMap(pairs: readonly string[]): Map<string, string> {
  return new Map(
    pairs.map((pair) => {
      const at = pair.indexOf("=");
      if (at <= 0 || at === pair.length - 1) throw new HoldfastError("usage", `--role-map ${pair} is not of the form OLD=NEW`);
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}

/** @param into - the target as it was given: a URL must be given again for an undo, and may hold a password */
export function renderRestore(result: RestoreResult, swap: boolean, into: string): string {
  if (result.dryRun) {
    const checks = renderTable(["check", "result", "detail"], result.checks.map((check) => [check.name, check.outcome, readable(check.detail)]));
    const plan = swap
      ? `would restore ${result.backup} beside ${result.target}, compare, and swap; what was written since ${result.snapshotAt} would stay in the database set aside`
      : `would restore ${result.backup} (${result.snapshotAt}) into ${result.target}`;
    return `${checks}\n\n${plan}; nothing was changed`;
  }
  return [
    `restored ${result.backup} into ${result.target}: ${formatCount(result.tables)} tables, ${formatCount(result.rows)} rows equal to the source at ${result.snapshotAt}, in ${formatSeconds(result.seconds)}`,
    ...result.notes.map((note) => `note: ${note.what} ${note.object}: was ${note.expected}, is ${note.found}`),
    ...(result.kept === undefined ? [] : [
          `the former database is kept as ${result.kept}; \`holdfast restore undo --target ${into === result.target ? shellWord(result.target) : "THE-SAME-URL"} --confirm ${shellWord(result.target)}\` brings it back`,
          `drop it when it is no longer needed: DROP DATABASE "${result.kept.replaceAll('"', '""')}"`,
        ]),
  ].join("\n");
}
