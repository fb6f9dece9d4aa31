import type { TimelineEntry } from "../audit/entry.ts";
import type { AuditReport } from "../app/audit.ts";
import { HoldfastError } from "../errors.ts";
import { counted, formatCount, formatSeconds } from "../text/format.ts";
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
  const origin = (report.origin?.problems ?? []).map(({ sequence, key, problem, detail }) => `entry ${sequence ?? key ?? "?"} of the origin ${problem}: ${detail}`);
  const records = report.records.problems.map(({ key, detail }) => `${key}: ${detail}`);
  if (entries.length + drills.length + origin.length + records.length === 0) return undefined;
  const what = [...(entries.length > 0 ? ["the timeline"] : []), ...(origin.length > 0 ? ["the kept timeline of the origin"] : []), ...(drills.length > 0 ? ["the evidence of drills"] : []), ...(records.length > 0 ? [named(report.records.problems)] : [])].join(" and ");
  return new HoldfastError("integrity", `${what} was tampered with: ${[...entries, ...origin, ...drills, ...records].join("; ")}`, {
    hints: ["Keep the repository and this host's copy as they are, and find out who could write to both."],
    details: { report },
  });
}

const words: Readonly<Record<string, string>> = { checkpoint: "checkpoints", rehearsal: "rehearsals", hold: "holds", incident: "incidents", journal: "journals" };

/** "the records of holds and incidents". */
function named(problems: AuditReport["records"]["problems"]): string {
  return `the records of ${[...new Set(problems.map(({ kind }) => words[kind] ?? kind))].join(" and ")}`;
}

export function renderReport(report: AuditReport): string {
  const { drills, records, origin } = report;
  const recorded = [counted(records.checkpoints, "checkpoint"), counted(records.rehearsals, "rehearsal"), counted(records.rollbacks, "rollback"), counted(records.runbooks, "runbook"), counted(records.incidents, "incident"), counted(records.holds, "hold")].filter((text) => !text.startsWith("0 "));
  const head = report.head === null ? "empty" : `head is entry ${report.head.sequence}, ${report.head.sha256 ?? ""}`;
  return [
    `the timeline is whole: ${formatCount(report.entries)} entries, ${formatCount(report.signed)} signed, ${formatCount(report.unsigned)} unsigned; ${head}`,
    ...(drills.drills > 0 ? [`the evidence of drills is whole: ${formatCount(drills.drills)} ${drills.drills === 1 ? "drill" : "drills"}, ${formatCount(drills.proven)} with signed evidence`] : []),
    ...(recorded.length > 0 ? [`all other records are whole: ${recorded.join(", ")}`] : []),
    ...(origin === null ? [] : [`what is kept of the origin's timeline is whole: ${formatCount(origin.entries)} entries, ${formatCount(origin.signed)} signed; whether it goes on is not known here`]),
    ...[...report.warnings, ...drills.warnings, ...records.warnings].map((warning) => `warning: ${warning}`),
  ].join("\n");
}
