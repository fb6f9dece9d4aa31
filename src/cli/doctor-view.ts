import type { DoctorCheck } from "../app/doctor/doctor.ts";
import { readable } from "../text/format.ts";
import { renderTable } from "./table.ts";

const words = { ok: "ok", warn: "warning", fail: "FAILED", skip: "skipped" } as const;

export function renderDiagnosis(checks: readonly DoctorCheck[]): string {
  const rows = checks.map((check) => [check.area, check.name, words[check.outcome], readable(check.detail.replace(/\s+/g, " "))]);
  const hints = checks.flatMap((check) => (check.hint === undefined || check.outcome === "ok" ? [] : [`  → ${check.area}, ${check.name}: ${check.hint}`]));
  const failed = checks.filter((check) => check.outcome === "fail").length;
  const verdict = failed === 0 ? "everything that is needed is there" : `${failed} ${failed === 1 ? "check" : "checks"} failed`;
  return [renderTable(["area", "check", "result", "detail"], rows), ...hints, verdict].join("\n");
}
