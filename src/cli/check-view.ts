/** What a check of the repository found, for people, and as the failure that damage is. */
import type { CheckReport, Finding } from "../app/repository/findings.ts";
import { HoldfastError } from "../errors.ts";
import { formatBytes, formatCount, formatSeconds, printable, readable } from "../text/format.ts";
import { renderTable } from "./table.ts";

const shownInMessage = 10;

export function renderCheck(report: CheckReport): string {
  const { checked, findings, url, level } = report;
  const entries = checked.entries === null ? "the timeline left out" : `${formatCount(checked.entries)} timeline entries`;
  const what = `${formatCount(checked.backups)} backups of ${checked.databases.join(", ") || "no database"} with ${formatCount(checked.parts)} parts (${level}), ${formatCount(checked.drills)} drills, ${entries}, ${formatCount(checked.objects)} objects of ${formatBytes(checked.bytes)}`;
  const rows = findings.map((finding) => [finding.severity, finding.kind, finding.age === undefined ? "-" : formatSeconds(finding.age), printable(finding.key), `${readable(printable(finding.detail))}${outcomeOf(finding)}`]);
  const table = rows.length === 0 ? [] : [renderTable(["", "kind", "age", "where", "what"], rows, [2])];
  return [`${url}: ${what}`, ...table, verdictOf(report)].join("\n\n");
}

function outcomeOf({ repaired, unrepaired }: Finding): string {
  if (repaired === undefined) return "";
  return repaired ? " (removed or mended)" : ` (left: ${unrepaired ?? "unknown why"})`;
}

function count(findings: readonly Finding[]): string {
  return `${formatCount(findings.length)} ${findings.length === 1 ? "finding" : "findings"}`;
}

function verdictOf({ clean, findings, checked }: CheckReport): string {
  if (clean) return "clean";
  const garbage = findings.filter(({ severity, repaired }) => severity === "garbage" && repaired !== true);
  const damage = findings.filter(({ severity }) => severity === "damage");
  const parts = [...(damage.length > 0 ? [`${count(damage)} of damage`] : []), ...(garbage.length > 0 ? [`${count(garbage)} of garbage`] : []), ...(checked.backups === 0 ? ["no backup was there to be checked"] : [])];
  return `not clean: ${parts.join(", ")}${garbage.some(({ repaired }) => repaired === undefined) ? "; `holdfast repository check --repair` removes the garbage" : ""}`;
}

/** The error that damage is, or that there was nothing to check: that proves nothing. */
export function checkFailure(report: CheckReport): HoldfastError | undefined {
  const damage = report.findings.filter(({ severity }) => severity === "damage");
  if (damage.length > 0) {
    const lines = damage.slice(0, shownInMessage).map(({ kind, key, detail }) => `${kind} ${key}: ${detail}`);
    const more = damage.length > shownInMessage ? `; and ${damage.length - shownInMessage} more` : "";
    return new HoldfastError("integrity", `the repository is damaged: ${lines.join("; ")}${more}`, {
      hints: ["Do not count on the backups that are named; damage is never repaired and never removed.", "Keep the repository as it is until you know who could write to it, and make a new backup.", "`--json` shows every finding."],
      details: { report },
    });
  }
  if (report.checked.backups > 0) return undefined;
  return new HoldfastError("not-found", `no backup in ${report.url}, so nothing was checked`, { hints: ["Make one with `holdfast backup`."], details: { report } });
}
