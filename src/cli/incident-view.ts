/** An incident as `--json` shows it, as a row and as a page for people. */
import { type Incident, type IncidentRecord, nameOf } from "../rollback/incident/incident.ts";
import { describe, inOrder } from "../rollback/incident/report.ts";
import { formatInstant, printable } from "../text/format.ts";
import { renderTable } from "./table.ts";

/** The shape that `incident list` and `incident show` share. */
export interface IncidentJson {
  readonly id: string;
  readonly database: string;
  readonly state: "open" | "closed";
  readonly severity: string | null;
  readonly title: string | null;
  readonly openedAt: string | null;
  readonly closedAt: string | null;
  /** How the rollback or runbook went; null while it goes on, or where there is none. */
  readonly outcome: "done" | "failed" | "aborted" | null;
  readonly rollback: string | null;
  readonly runbook: string | null;
  readonly records: number;
  /** What in its record cannot be trusted. */
  readonly problems: readonly string[];
}

export function incidentJson({ id, database, opened, closed, outcome, records, problems }: Incident): IncidentJson {
  return {
    id,
    database,
    state: closed === undefined ? "open" : "closed",
    severity: opened?.severity ?? null,
    title: opened?.title ?? null,
    openedAt: opened?.at ?? null,
    closedAt: closed?.at ?? null,
    outcome: outcome?.outcome ?? null,
    rollback: opened?.rollback ?? null,
    runbook: opened?.runbook ?? null,
    records: records.length,
    problems,
  };
}

/** The same with everything that was said. */
export interface WholeIncidentJson extends Omit<IncidentJson, "records"> {
  readonly records: readonly IncidentRecord[];
}

export function wholeIncidentJson(incident: Incident): WholeIncidentJson {
  return { ...incidentJson(incident), records: incident.records };
}

export function renderIncidents(incidents: readonly Incident[]): string {
  const rows = incidents.map(incidentJson).map(({ id, openedAt, severity, state, outcome, title, problems }) => [id, openedAt ?? "-", severity ?? "-", problems.length > 0 ? "UNTRUSTED" : state, outcome ?? "-", title ?? "-"]);
  return renderTable(["id", "opened", "severity", "state", "outcome", "title"], rows);
}

export function renderIncident(incident: Incident): string {
  const { id, database, opened, closed, problems, records } = incident;
  const facts: (readonly [string, string])[] = [
    ["incident", id],
    ["title", opened?.title ?? "-"],
    ["state", closed === undefined ? "open" : `closed at ${closed.at} by ${nameOf(closed.by)}: ${closed.resolution}`],
    ["severity", opened?.severity ?? "-"],
    ["stakeholders", opened?.stakeholders.join(", ") ?? "-"],
    ["database", database],
    ["rollback", opened?.rollback ?? "-"],
    ...(opened?.runbook == null ? [] : [["runbook", opened.runbook] as const]),
    ...problems.map((problem) => ["UNTRUSTED", problem] as const),
  ];
  const page = facts.map(([name, value]) => `${name.padEnd(14)}${printable(value).replaceAll("\n", `\n${" ".repeat(14)}`)}`).join("\n");
  const rows = inOrder(records).map((record) => [formatInstant(record.at), nameOf(record.by), printable(describe(record)).replaceAll("\n", " ")]);
  return `${page}\n\n${renderTable(["when", "who", "what"], rows)}`;
}
