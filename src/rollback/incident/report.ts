/** The draft of a post-mortem: what the record knows is filled in, what only people know has a heading and room. */
import { formatDuration, formatInstant } from "../../text/format.ts";
import { type Markdown, markdown, markdownTable } from "../../text/markdown.ts";
import type { Health } from "../health/health.ts";
import type { TableLoss } from "../plan/plan.ts";
import { type Incident, type IncidentRecord, nameOf, type PlanSummary } from "./incident.ts";

export function renderPostMortem(incident: Incident): string {
  const { id, opened, problems } = incident;
  return markdown`# Incident: ${opened?.title ?? id}

${facts(incident)}
${problems.length > 0 ? markdown`**Not everything in the record of this incident can be trusted**, and what cannot is left out below:

${problems.map((problem) => markdown`- ${problem}
`)}
` : undefined}## What happened

${story(incident)}

## Timeline

${markdownTable(["when", "who", "what"], inOrder(incident.records).map((record) => [formatInstant(record.at), nameOf(record.by), describe(record)]))}
## Impact

${impact(incident)}
## Plan and outcome

${planAndOutcome(incident)}
## Health

${health(incident)}
${forPeople}`.toString();
}

function facts({ id, database, opened, closed }: Incident): Markdown {
  const rows: (readonly [string, string])[] = [
    ["incident", id],
    ["database", database],
    ["severity", opened?.severity ?? "not known"],
    ["stakeholders", opened === undefined || opened.stakeholders.length === 0 ? "none named" : opened.stakeholders.join(", ")],
    ["opened", opened === undefined ? "not known" : `${formatInstant(opened.at)} by ${nameOf(opened.by)}`],
    ["closed", closed === undefined ? "not yet" : `${formatInstant(closed.at)} by ${nameOf(closed.by)}`],
    ["rollback", opened?.rollback ?? "none"],
    ...(opened?.runbook == null ? [] : [["runbook", opened.runbook] as const]),
  ];
  return markdownTable(["", ""], rows);
}

/** Between two records, as people say it. */
function between(from: IncidentRecord, to: IncidentRecord): string {
  return formatDuration((Date.parse(to.at) - Date.parse(from.at)) / 1000);
}

const outcomes = { done: "succeeded", failed: "failed", aborted: "was aborted" } as const;

function story({ database, opened, outcome, closed }: Incident): Markdown {
  if (opened === undefined) return markdown`The record of how this incident was opened cannot be trusted. Write here what is known.`;
  const { plan } = opened;
  const what = opened.runbook !== null ? `the runbook ${opened.runbook} was executed` : plan === null ? "an incident was opened" : `a rollback ${plan.from === null ? "" : `from release ${plan.from} `}to release ${plan.to} was begun`;
  const way = plan === null ? "" : ` The way chosen was ${plan.strategy}: ${plan.because}.`;
  const before = opened.health === null ? "" : ` Before it, the application was ${opened.health.healthy ? "healthy" : "not healthy"} (${opened.health.detail}).`;
  const end = outcome === undefined ? " No outcome is recorded yet." : ` It ${outcomes[outcome.outcome]} after ${between(opened, outcome)}: ${outcome.message}.`;
  const closing = closed === undefined ? "" : ` The incident was closed: ${closed.resolution}.`;
  return markdown`On ${formatInstant(opened.at)} ${what} for ${database} by ${nameOf(opened.by)}: ${opened.title}.${before}${way}${end}${closing}`;
}

/** By when it happened: what a run did is often said after the notes that were taken meanwhile. */
export function inOrder(records: readonly IncidentRecord[]): IncidentRecord[] {
  return records.toSorted((a, b) => Date.parse(a.at) - Date.parse(b.at));
}

/** One record in a line. */
export function describe(record: IncidentRecord): string {
  switch (record.kind) {
    case "opened":
      return `opened, ${record.severity}: ${record.title}`;
    case "step":
      return `${{ done: "done", failed: "FAILED", "taken-back": "taken back" }[record.outcome]}: ${record.title}${record.detail === null ? "" : ` (${record.detail})`}`;
    case "health":
      return `health ${record.when}: ${describeHealth(record.health)}`;
    case "outcome":
      return `${outcomes[record.outcome]}: ${record.message}`;
    case "note":
      return record.text;
    case "closed":
      return `closed: ${record.resolution}`;
  }
}

function describeHealth({ healthy, detail, version }: Health): string {
  return `${healthy ? "healthy" : "NOT healthy"}, ${detail}${version === null ? "" : `, version ${version}`}`;
}

function impact({ opened, outcome }: Incident): Markdown {
  const plan = opened?.plan;
  if (opened === undefined || plan == null) return markdown`No plan is recorded. Write here who was affected, how, and for how long.
`;
  return markdown`- Stopped: ${plan.stops.workloads.join(", ") || "nothing"}
- For how long, as planned: ${plan.stops.seconds === null ? "not known beforehand" : formatDuration(plan.stops.seconds)} (${plan.stops.basis})
- From the opening of the incident to the outcome: ${outcome === undefined ? "no outcome yet" : between(opened, outcome)}
- Data: ${lossText(plan)}

${plan.loss.tables.length > 0 ? lossTable(plan.loss) : undefined}
Write here who was affected, and how: _to be written_
`;
}

function lossText({ strategy, loss, snapshotAt, backup }: PlanSummary): string {
  if (strategy === "down-sql") return "what the down-SQL dropped, deleted or changed, which nobody has counted";
  return loss.data ? `what was written in the ${formatDuration(loss.minutes * 60)} since the snapshot of ${formatInstant(snapshotAt)} (backup ${backup})` : "nothing is lost";
}

/** Plans of earlier versions say nothing of changed and deleted rows. */
function lossTable({ tables, changes }: PlanSummary["loss"]): Markdown {
  const most = (count: number | null | undefined): string => (count == null ? "not known" : String(count));
  const columns = (loss: TableLoss): string[] => (changes === undefined ? [] : [most(loss.changed), most(loss.deleted)]);
  const header = ["table", "rows lost", "rows now less rows then", "how it is known", ...(changes === undefined ? [] : ["changed, at most", "deleted, at most"])];
  const table = markdownTable(header, tables.map((loss) => [loss.table, String(loss.inserted ?? "not known"), String(loss.difference ?? "-"), knownBy[loss.by], ...columns(loss)]), [1, 2, 4, 5]);
  if (changes === undefined) return table;
  return markdown`${table}
Changed and deleted rows: ${changes.until === null ? `not known, since ${changes.unknown ?? "nothing was counted"}` : `at most, by the server's counters of what was committed until ${formatInstant(changes.until)}`}
`;
}

const knownBy: Readonly<Record<TableLoss["by"], string>> = { sequence: "rows beyond the sequence's value in the snapshot", count: "numbers of rows compared", gone: "the table is gone", new: "the table is new", "not-counted": "it was locked, unreadable or too large" };

function planAndOutcome({ opened, outcome, records }: Incident): Markdown {
  const plan = opened?.plan;
  const steps = records.filter((record) => record.kind === "step");
  return markdown`${plan == null ? "No plan is recorded." : markdown`- Way: ${plan.strategy}, since ${plan.because}
- From release ${plan.from ?? "not known"} to ${plan.to}, by the checkpoint ${plan.checkpoint}
- Migrations since the checkpoint: ${plan.migrations.join(", ") || "none"}`}
- Outcome: ${outcome === undefined ? "none is recorded" : `it ${outcomes[outcome.outcome]}: ${outcome.message}`}

${steps.length > 0 ? markdownTable(["when", "step", "outcome", "detail"], steps.map((step) => [formatInstant(step.at), step.title, step.outcome, step.detail ?? ""])) : undefined}`;
}

function health({ opened, records }: Incident): Markdown {
  const told = records.filter((record) => record.kind === "health");
  const rows = [...(opened?.health ? [["at the opening", opened.health] as const] : []), ...told.map(({ when, health: seen }) => [when, seen] as const)];
  if (rows.length === 0) return markdown`No health check is recorded.
`;
  return markdownTable(["when", "at", "healthy", "what it said", "version"], rows.map(([when, { at, healthy, detail, version }]) => [when, formatInstant(at), healthy ? "yes" : "NO", detail, version ?? "-"]));
}

const forPeople = markdown`## Root cause

_To be written: why it could happen, not who did it._

## Contributing factors

_To be written._

## What went well

_To be written._

## Lessons

_To be written._

## Follow-ups

| what | owner | due | done |
| --- | --- | --- | --- |
|  |  |  |  |
`;
