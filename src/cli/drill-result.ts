/** What `drill restore` and `drill clean` answer. */
import type { CleanResult } from "../app/drill/clean-drills.ts";
import type { DrillResult } from "../app/drill/conclude-drill.ts";
import type { Evidence } from "../drill/evidence/evidence.ts";
import { HoldfastError } from "../errors.ts";
import { formatCount, formatSeconds, readable } from "../text/format.ts";
import { renderTable } from "./table.ts";

/** The evidence as it was signed, with where it lies. */
export type DrillJson = Evidence & { readonly sha256: string; readonly folder: string };

export const drillJson = ({ evidence, sha256, folder }: DrillResult): DrillJson => ({ ...evidence, sha256, folder });

export function renderDrillResult({ evidence, folder }: DrillResult): string {
  const checks = renderTable(["check", "result", "detail"], evidence.checks.map(({ id, outcome, detail }) => [id, outcome, shortened(readable(detail))]));
  const phases = evidence.phases.map(({ id, seconds }) => `${id} ${formatSeconds(seconds)}`).join(", ");
  return [
    checks,
    "",
    `${evidence.verdict.toUpperCase()}: ${readable(evidence.summary)}`,
    `recovery time ${formatSeconds(evidence.rto.seconds)}${promised(evidence.rto)} (${phases})`,
    ...(evidence.rpo === null ? [] : [`recovery point ${formatSeconds(evidence.rpo.seconds)} before the drill${promised(evidence.rpo)}`]),
    ...(evidence.forecast === null ? [] : [evidence.forecast.text]),
    `evidence ${folder}evidence.json`,
    `report   ${folder}report.html`,
  ].join("\n");
}

const widest = 100;
const shortened = (text: string): string => (text.length <= widest ? text : `${text.slice(0, widest - 1)}…`);
const promised = ({ objectiveSeconds }: Evidence["rto"]): string => (objectiveSeconds === null ? "" : `, ${formatSeconds(objectiveSeconds)} allowed`);

export function renderClean({ removed, inUse, settled }: CleanResult): string {
  const lines = [
    ...removed.map((name) => `removed ${name}`),
    ...settled.map((drill) => `${drill} was killed: it could not verify`),
    ...inUse.map((name) => `left alone, a drill may be using it: ${name}`),
  ];
  return lines.length === 0 ? "nothing to clean: no drill has left anything" : [...lines, `${formatCount(removed.length)} removed`].join("\n");
}

/** @throws HoldfastError if patients' data may still lie in a scratch */
export function requireClean({ left }: CleanResult): void {
  if (left.length === 0) return;
  throw new HoldfastError("done-with-warnings", `${left.length} of what killed drills have left could not be removed: ${left.join("; ")}`, {
    hints: ["Remove it by hand: it may hold the data of a backup."],
    details: { left },
  });
}
