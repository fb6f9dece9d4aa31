import type { TimelineEntry } from "../audit/entry.ts";
import type { AuditReport } from "../app/audit.ts";
import { HoldfastError } from "../errors.ts";
import { formatCount, formatSeconds } from "../text/format.ts";
import { renderTable } from "./table.ts";

export function renderTimeline(entries: readonly TimelineEntry[]): string {
  if (entries.length === 0) return "the timeline has no entry in this range";
  const rows = entries.map((entry) => [
    String(entry.sequence),
    entry.at,
    `${entry.actor.operator ?? entry.actor.user}@${entry.actor.host}`,
    entry.action,
    Object.values(entry.subject).join(" ") || "-",
    entry.outcome === "ok" ? "ok" : `${entry.outcome} (${entry.code ?? "?"})`,
    formatSeconds(entry.seconds),
    entry.reason ?? "-",
  ]);
  return renderTable(["#", "at", "who", "action", "subject", "outcome", "took", "reason"], rows, [0]);
}

/** The error that names every entry and every drill that was tampered with; undefined if none was. */
export function tampered(report: AuditReport): HoldfastError | undefined {
  const entries = report.problems.map(({ sequence, key, problem, detail }) => `${sequence === null ? (key ?? "timeline") : `entry ${sequence}`} ${problem}: ${detail}`);
  const drills = report.drills.problems.map(({ drill, problem, detail }) => `drill ${drill} ${problem}: ${detail}`);
  if (entries.length + drills.length === 0) return undefined;
  const what = [...(entries.length > 0 ? ["the timeline"] : []), ...(drills.length > 0 ? ["the evidence of drills"] : [])].join(" and ");
  return new HoldfastError("integrity", `${what} was tampered with: ${[...entries, ...drills].join("; ")}`, {
    hints: ["Keep the repository and this host's copy as they are, and find out who could write to both."],
    details: { report },
  });
}

export function renderReport(report: AuditReport): string {
  const { drills } = report;
  const head = report.head === null ? "empty" : `head is entry ${report.head.sequence}, ${report.head.sha256 ?? ""}`;
  return [
    `the timeline is whole: ${formatCount(report.entries)} entries, ${formatCount(report.signed)} signed, ${formatCount(report.unsigned)} unsigned; ${head}`,
    ...(drills.drills > 0 ? [`the evidence of drills is whole: ${formatCount(drills.drills)} ${drills.drills === 1 ? "drill" : "drills"}, ${formatCount(drills.proven)} with signed evidence`] : []),
    ...[...report.warnings, ...drills.warnings].map((warning) => `warning: ${warning}`),
  ].join("\n");
}
