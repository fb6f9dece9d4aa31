/** A drill as `--json` shows it and as a row or a page for people; the ledger of drills. */
import type { DatabaseLedger, DrillRecord } from "../app/drill/show-drills.ts";
import type { Certification } from "../drill/evidence/certification.ts";
import type { Evidence, Verdict } from "../drill/evidence/evidence.ts";
import type { LedgerDrill, LedgerRow } from "../drill/evidence/ledger.ts";
import { formatBytes, formatSeconds, printable, readable } from "../text/format.ts";
import { renderTable } from "./table.ts";

/** The shape that `drill list` and `drill show` share. */
export interface DrillJson {
  readonly id: string;
  readonly database: string;
  /** `running`, or `no-verdict` if it ended without one; `untrusted` if its evidence cannot be trusted. */
  readonly state: Verdict | "running" | "no-verdict" | "untrusted";
  readonly startedAt: string | null;
  /** Id of the backup that was drilled. */
  readonly backup: string | null;
  readonly rtoSeconds: number | null;
  readonly rpoSeconds: number | null;
  /** SHA-256 of evidence.json. */
  readonly evidenceSha256: string | null;
  readonly certifiedBy: readonly string[];
  /** Why it cannot be trusted, or a certification that cannot. */
  readonly problems: readonly string[];
}

export function drillJson(record: DrillRecord): DrillJson {
  const { id, database, evidence, begun } = record;
  return {
    id,
    database,
    state: evidence ? evidence.verdict : begun ? (record.running ? "running" : "no-verdict") : "untrusted",
    startedAt: (evidence ?? begun)?.startedAt ?? null,
    backup: evidence ? (evidence.backup?.id ?? null) : (begun?.backup ?? null),
    rtoSeconds: evidence?.rto.seconds ?? null,
    rpoSeconds: evidence?.rpo?.seconds ?? null,
    evidenceSha256: record.sha256 ?? null,
    certifiedBy: (record.certifications ?? []).flatMap(({ certification }) => certification?.by ?? []),
    problems: record.problem ? [record.problem.message] : (record.certifications ?? []).flatMap(({ problem }) => problem?.message ?? []),
  };
}

const words: Readonly<Record<DrillJson["state"] | LedgerDrill["verdict"], string>> = {
  pass: "pass", fail: "FAIL", unverified: "could not verify", running: "running", "no-verdict": "no verdict", none: "no verdict", untrusted: "UNTRUSTED",
};

export function renderDrills(records: readonly DrillRecord[]): string {
  const rows = records.map(drillJson).map((drill) => [drill.id, drill.startedAt ?? "-", words[drill.state], drill.backup ?? "-", secondsOr(drill.rtoSeconds), secondsOr(drill.rpoSeconds), drill.certifiedBy.join(", ") || "-"]);
  return renderTable(["id", "started", "verdict", "backup", "rto", "rpo", "certified by"], rows, [4, 5]);
}

const secondsOr = (seconds: number | null | undefined): string => (typeof seconds === "number" ? formatSeconds(seconds) : "-");

const page = (facts: readonly (readonly [string, string])[]): string => facts.map(([name, value]) => `${name.padEnd(12)}${printable(value).replaceAll("\n", `\n${" ".repeat(12)}`)}`).join("\n");

export function renderDrill(record: DrillRecord): string {
  const { id, begun, evidence } = record;
  if (evidence) return renderEvidence(evidence, record.sha256, record.certifications.flatMap(({ certification }) => certification ?? []));
  const state = words[drillJson(record).state];
  return page([["verdict", state], ["id", id], ...(begun ? ([["started", begun.startedAt], ["by", `${begun.user}@${begun.host}, process ${begun.pid}`], ["expires", begun.expires], ["backup", begun.backup ?? "-"]] as const) : [])]);
}

function renderEvidence(evidence: Evidence, sha256: string, certifications: readonly Certification[]): string {
  const { backup, method, performedBy, previous } = evidence;
  const facts: [string, string][] = [
    ["verdict", `${words[evidence.verdict]}: ${evidence.summary}`],
    ["id", evidence.id],
    ["started", evidence.startedAt],
    ["by", `${performedBy.operator ?? performedBy.user}@${performedBy.host}, holdfast ${performedBy.holdfast}`],
    ["reason", evidence.reason ?? "-"],
    ["requirement", `${evidence.requirement}${evidence.plan === null ? "" : `; plan ${evidence.plan}`}`],
    ["backup", backup === null ? "none could be chosen" : `${backup.id}, ${formatBytes(backup.plainBytes)}, chosen: ${backup.chosen}`],
    ["method", method?.description ?? "-"],
    ["rto", objectiveText(evidence.rto)],
    ["rpo", evidence.rpo === null ? "-" : objectiveText(evidence.rpo)],
    ["forecast", evidence.forecast?.text ?? "-"],
    ["scratch", evidence.scratchRemoved.detail],
    ["retest of", evidence.retestOf ?? "-"],
    ["follows", previous?.id ?? "none: it is the first"],
    ["evidence", sha256],
    ["signed by", evidence.signer],
    ["certified", certifications.map(({ by, at, statement, signer }) => `${by}, ${at}, key ${signer}: ${statement}`).join("\n") || "not yet; `holdfast drill certify` adds a reviewer's signature"],
  ];
  const checks = renderTable(["check", "outcome", "took", "what was found"], evidence.checks.map((check) => [check.title, check.outcome, formatSeconds(check.seconds), readable(check.detail)]), [2]);
  const phases = renderTable(["phase", "took", "rate"], evidence.phases.map(({ id, seconds, bytes }) => [id, formatSeconds(seconds), bytes === null || seconds === 0 ? "-" : `${formatBytes(bytes / seconds)}/s`]), [1, 2]);
  const actions = evidence.correctiveActions.map(({ action, owner, due }) => [action, owner ?? "nobody yet", due ?? "-"]);
  return [page(facts), checks, phases, ...(actions.length > 0 ? [renderTable(["corrective action", "owner", "due"], actions)] : [])].join("\n\n");
}

function objectiveText({ seconds, objectiveSeconds, met }: Evidence["rto"]): string {
  if (objectiveSeconds === null) return `${formatSeconds(seconds)}, no objective is set`;
  return `${formatSeconds(seconds)}, ${met === false ? "misses" : "meets"} the objective of ${formatSeconds(objectiveSeconds)}`;
}

/** The ledger in JSON: instants as text. */
export interface LedgerJson {
  readonly database: string;
  readonly interval: DatabaseLedger["interval"];
  readonly since: string;
  readonly due: string;
  readonly overdue: boolean;
  readonly rows: readonly (Omit<LedgerRow, "drills"> & { readonly drills: readonly (Omit<LedgerDrill, "startedAt"> & { readonly startedAt: string })[] })[];
}

export function ledgerJson({ database, interval, since, due, overdue, rows }: DatabaseLedger): LedgerJson {
  const drillsOf = (row: LedgerRow) => row.drills.map((drill) => ({ ...drill, startedAt: drill.startedAt.toISOString() }));
  return { database, interval, since: since.toISOString(), due: due.toISOString(), overdue, rows: rows.map((row) => ({ ...row, drills: drillsOf(row) })) };
}

const states: Readonly<Record<LedgerRow["state"], string>> = { fulfilled: "fulfilled", missed: "MISSED", open: "open", "not-due": "nothing due" };

export function renderLedger({ rows, due, overdue }: DatabaseLedger): string {
  const table = renderTable(
    ["month", "owed", "state", "days overdue", "drills"],
    rows.map(({ month, obligation, state, gapDays, drills }) => [month, obligation ?? "-", states[state], gapDays === 0 ? "-" : String(gapDays), drills.map(({ id, verdict, certifiedBy }) => `${id} ${words[verdict]}${certifiedBy.length > 0 ? ", certified" : ""}`).join("; ") || "none"]),
    [3],
  );
  return `${table}\n\n${overdue ? `OVERDUE: a passed drill was due by ${due.toISOString()}; run \`holdfast drill restore\`` : `the next drill has to pass by ${due.toISOString()}`}`;
}
