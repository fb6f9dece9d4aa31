/** A rehearsal as `rollback rehearse` answers it. */
import type { RehearsalResult } from "../app/rehearsal/rehearse-rollback.ts";
import type { RehearsalEvidence } from "../rollback/rehearsal/evidence.ts";
import { formatSeconds, printable, readable } from "../text/format.ts";
import { renderTable } from "./table.ts";

/** The evidence as it was signed, with where it lies in the repository. */
export type RehearsalJson = RehearsalEvidence & { readonly sha256: string; readonly key: string };

export const rehearsalJson = ({ evidence, sha256, key }: RehearsalResult): RehearsalJson => ({ ...evidence, sha256, key });

const widest = 100;
const shortened = (text: string): string => (text.length <= widest ? text : `${text.slice(0, widest - 1)}…`);

export function renderRehearsal({ evidence, key }: RehearsalResult): string {
  const { checks, verdict, summary, checkpoint, backup, images, isolation, startedAt, finishedAt } = evidence;
  const facts: [string, string][] = [
    ["release", `${checkpoint.running}, from checkpoint ${checkpoint.id}`],
    ["backup", `${backup.id}, of ${backup.snapshotAt}`],
    ...images.map(({ workload, reference, id }): [string, string] => ["image", `${workload}: ${reference} (${id})`]),
    ["apart in", isolation.place ?? "a scratch, the database alone"],
    ...(isolation.leftOut.length > 0 ? [["without", isolation.leftOut.join(", ")] satisfies [string, string]] : []),
    ...(isolation.placeholders.length > 0 ? [["placeholder", isolation.placeholders.join(", ")] satisfies [string, string]] : []),
    ["took", formatSeconds((Date.parse(finishedAt) - Date.parse(startedAt)) / 1000)],
    ["evidence", key],
  ];
  return [
    renderTable(["check", "result", "detail"], checks.map(({ id, outcome, detail }) => [id, outcome, shortened(readable(detail))])),
    "",
    `${verdict.toUpperCase()}: ${readable(summary)}`,
    ...facts.map(([name, value]) => `${name.padEnd(12)}${printable(value)}`),
  ].join("\n");
}
