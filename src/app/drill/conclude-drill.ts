/** The end of a drill: what was found becomes evidence, which is signed and published; a verdict other than a pass is an error. */
import { drillKey } from "../../catalog/layout.ts";
import { storedBytes } from "../../catalog/manifest.ts";
import type { Repository } from "../../catalog/repository.ts";
import type { Signer } from "../../catalog/signatures.ts";
import type { DrillSettings } from "../../config/drill-settings.ts";
import { type DrillCheck, type Evidence, type EvidenceDraft, verdictOf } from "../../drill/evidence/evidence.ts";
import { forecastDrill, pastDrill } from "../../drill/evidence/forecast.ts";
import { DrillStopped } from "../../drill/journal.ts";
import { publishEvidence } from "../../drill/evidence/publish-evidence.ts";
import { listDrills } from "../../drill/evidence/records.ts";
import { renderReports } from "../../drill/report/reports.ts";
import type { Scratch } from "../../drill/scratch/scratch.ts";
import { correctiveActions, objective, objectiveCheck, retestOf, round, summarize } from "../../drill/verdict.ts";
import { HoldfastError, messageOf } from "../../errors.ts";
import type { Context } from "../context.ts";
import { guardOf } from "../guard.ts";
import { objectives, plannedChecks } from "./drill-checks.ts";
import type { DrillRun, Performed } from "./run-drill.ts";

export interface DrillResult {
  readonly evidence: Evidence;
  /** SHA-256 of evidence.json. */
  readonly sha256: string;
  /** Where the evidence and its reports are, for people. */
  readonly folder: string;
}

const mostHistory = 36;

/** Where a drill's files are, as a person would open them. */
export function folderOf({ store }: Repository, { database, id }: Pick<Evidence, "database" | "id">): string {
  const url = store.url.replace(/\?.*/, "").replace(/\/$/, "");
  return `${url.replace(/^file:\/\//, "")}/${drillKey(database, id, "")}`;
}

/** Signs and publishes what a drill has found. */
export async function concludeDrill(run: DrillRun, performed: Performed, signer: Signer, reason: string | undefined): Promise<DrillResult> {
  const { context, workplace, database, begun, chosen, journal } = run;
  const finished = context.clock.now();
  const past = (await listDrills(workplace.repository, database.name, { now: finished, host: context.actor.host })).flatMap(({ evidence }) => evidence ?? []).reverse();
  closeJournal(run, performed);
  const seconds = round(journal.phases.reduce((sum, phase) => sum + phase.seconds, 0));
  const complete = performed.ended === undefined;
  const { drill } = database;
  const rto = objective(seconds, drill.rtoMs, complete);
  const rpo = chosen.manifest === undefined ? null : objective(round((Date.parse(begun.startedAt) - Date.parse(chosen.manifest.snapshotAt)) / 1000), drill.rpoMs, true);
  journal.add(objectiveCheck(objectives.rpo, rpo));
  journal.add(objectiveCheck(objectives.rto, rto));
  const verdict = verdictOf(journal.checks);
  const plainBytes = chosen.manifest?.parts.reduce((sum, part) => sum + part.plainBytes, 0) ?? null;
  const draft: EvidenceDraft = {
    format: 1,
    kind: "holdfast-drill-evidence",
    id: begun.id,
    database: database.name,
    repository: { id: workplace.repository.id, url: workplace.repository.store.url },
    requirement: drill.requirement,
    plan: drill.plan ?? null,
    reason: reason ?? null,
    performedBy: { user: context.actor.user, host: context.actor.host, operator: context.actor.operator, holdfast: context.version },
    startedAt: begun.startedAt,
    finishedAt: finished.toISOString(),
    backup: chosen.manifest === undefined ? null : {
      id: chosen.manifest.id, label: chosen.manifest.label, snapshotAt: chosen.manifest.snapshotAt, server: chosen.manifest.source.server, signer: chosen.manifest.signer,
      storedBytes: storedBytes(chosen.manifest), plainBytes: plainBytes ?? 0, databaseBytes: chosen.manifest.truth.database.bytes, manifestSha256: chosen.manifestSha256, chosen: chosen.how,
    },
    method: performed.scratch === undefined ? null : { provider: drillKind(performed.scratch), description: performed.scratch.description, server: performed.scratch.server.facts.version, scratch: performed.scratch.name },
    verdict,
    summary: summarize(verdict, journal.checks, { backup: chosen.manifest, database: database.name, seconds }),
    checks: journal.checks,
    phases: journal.phases,
    rto,
    rpo,
    forecast: null,
    scratchRemoved: { removed: performed.left.length === 0, detail: removal(performed) },
    correctiveActions: correctiveActions(journal.checks, drill, finished),
    retestOf: retestOf(past),
    history: past.slice(-mostHistory).map(({ id, startedAt, verdict: result, rto: { seconds: rtoSeconds }, backup }) => ({ id, startedAt, verdict: result, rtoSeconds, plainBytes: backup?.plainBytes ?? null })),
  };
  const published = await publishEvidence(workplace.repository, { ...draft, forecast: predict([...past, draft], drill, finished) }, { signer, clock: context.clock, actor: context.actor, guard: guardOf(context, workplace.repository), render: renderReports });
  tellVerdict(context, published);
  return { ...published, folder: folderOf(workplace.repository, draft) };
}

/** Tells whoever has to be notified, and warns in time of a drill that is going to miss its objective. */
export function tellVerdict({ reporter }: Context, { evidence, sha256 }: Pick<DrillResult, "evidence" | "sha256">): void {
  const { id, database, backup, verdict, summary, rto, forecast } = evidence;
  const missesNext = forecast?.missesObjective ?? null;
  if (missesNext === true) reporter.emit({ type: "note", level: "warn", message: `the next drill is predicted to miss its objective: ${forecast?.text ?? ""}` });
  reporter.emit({ type: "drill-verdict", drill: id, database, backup: backup?.id ?? null, verdict, summary, evidence: sha256, rtoSeconds: rto.seconds, missesNext });
}

/** What the next drill will take, when it is due. */
function predict(drills: readonly EvidenceDraft[], { everyDays, rtoMs }: DrillSettings, finished: Date): EvidenceDraft["forecast"] {
  const at = new Date(finished.getTime() + everyDays * 86_400_000);
  return forecastDrill(drills.flatMap((drill) => pastDrill(drill) ?? []), { at, objectiveSeconds: rtoMs === undefined ? null : rtoMs / 1000 });
}

function closeJournal({ database, journal }: DrillRun, { ended, left, scratch }: Performed): void {
  if (ended !== undefined) {
    const why = ended.error instanceof DrillStopped ? "an earlier check did not pass" : messageOf(ended.error);
    journal.close(plannedChecks(database), why);
    if (!(ended.error instanceof DrillStopped)) journal.add({ id: "completed", title: "The drill came to its end", outcome: "unverified", detail: why, compared: null, seconds: 0 });
  }
  const removed: Pick<DrillCheck, "outcome" | "detail"> = left.length > 0 ? { outcome: "fail", detail: `still there: ${left.join(", ")}` } : scratch === undefined ? { outcome: "left-out", detail: "no scratch was made" } : { outcome: "pass", detail: `nothing of ${scratch.name} is left` };
  journal.add({ id: "removed", title: "The scratch is gone, with everything in it", ...removed, compared: null, seconds: 0 });
}

function drillKind({ provider }: Scratch): NonNullable<EvidenceDraft["method"]>["provider"] {
  if (provider === "kubernetes") throw new TypeError("a drill has no scratch in a cluster");
  return provider;
}

function removal({ scratch, left }: Performed): string {
  if (left.length > 0) return `still there after removing: ${left.join(", ")}`;
  return scratch === undefined ? "no scratch was made, so there was nothing to remove" : `${scratch.name} was removed, and nothing of it was found afterwards`;
}

/** @throws HoldfastError unless the drill passed */
export function requirePass({ evidence, folder }: DrillResult): void {
  if (evidence.verdict === "pass") return;
  const of = (outcome: DrillCheck["outcome"]) => evidence.checks.filter((check) => check.outcome === outcome).map(({ id, title, detail }) => ({ id, title, detail }));
  const failed = of("fail");
  throw new HoldfastError(evidence.verdict === "fail" ? "drill-failed" : "drill-unverified", evidence.summary, {
    hints: [
      `Read ${folder}report.html, or \`holdfast drill show ${evidence.id}\`.`,
      evidence.verdict === "fail" ? "Do not count on this backup. Mend what failed, and drill again." : "This says nothing about the backup yet: mend what kept the drill from looking, and drill again.",
    ],
    details: { drill: evidence.id, backup: evidence.backup?.id ?? null, verdict: evidence.verdict, failed, unverified: of("unverified") },
  });
}
