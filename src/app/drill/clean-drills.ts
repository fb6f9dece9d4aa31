/** What drills that were killed have left: their scratches are removed, and their missing verdict is written down. */
import type { Signer } from "../../catalog/signatures.ts";
import type { DatabaseConfig } from "../../config/config.ts";
import type { Begun } from "../../drill/evidence/begun.ts";
import type { EvidenceDraft } from "../../drill/evidence/evidence.ts";
import { publishEvidence } from "../../drill/evidence/publish-evidence.ts";
import { listDrills } from "../../drill/evidence/records.ts";
import { renderReports } from "../../drill/report/reports.ts";
import { removeLeftovers } from "../../drill/scratch/leftovers.ts";
import type { ScratchProvider } from "../../drill/scratch/scratch.ts";
import { correctiveActions, objective, summarize } from "../../drill/verdict.ts";
import { messageOf } from "../../errors.ts";
import { configuredSigner, type Context, databaseNamed, type Workplace } from "../context.ts";
import { tellVerdict } from "./conclude-drill.ts";
import { configuredProviders } from "./configured-providers.ts";
import { guardOf } from "../guard.ts";
import { openFor, recordedIfFailed } from "../record.ts";
import { removeRehearsals } from "../rehearsal/clean-rehearsals.ts";

export interface CleanResult {
  /** Scratches that were removed. */
  readonly removed: readonly string[];
  /** What could not be removed, with what of it is still there. */
  readonly left: readonly string[];
  /** Scratches of drills that may still run, on this host or another. */
  readonly inUse: readonly string[];
  /** Drills that ended without a verdict and now have one: could not verify. */
  readonly settled: readonly string[];
}

/** Cleans up after killed drills of one database, or of all. */
export async function cleanDrills(context: Context, options: { readonly database?: string | undefined }): Promise<CleanResult> {
  const databases = options.database === undefined ? [...context.config.databases.values()] : [databaseNamed(context.config, options.database)];
  const action = { action: "drill clean", subject: { ...(options.database !== undefined && { database: options.database }) } };
  const workplace = await openFor(context, action);
  try {
    return await recordedIfFailed(context, workplace, action, async () => {
      const signer = await configuredSigner(context.config);
      const results: CleanResult[] = [];
      for (const database of databases) results.push(await settleDrills(context, workplace, database, configuredProviders(context, database), signer));
      return { removed: unique(results.flatMap(({ removed }) => removed)), left: unique(results.flatMap(({ left }) => left)), inUse: unique(results.flatMap(({ inUse }) => inUse)), settled: results.flatMap(({ settled }) => settled) };
    });
  } finally {
    await workplace.close();
  }
}

/** Two databases may share a place for scratches. */
const unique = (names: readonly string[]): string[] => [...new Set(names)];

/** Removes abandoned scratches and closes drills without a verdict. Without a signer these stay as they are, shown as ended. */
export async function settleDrills(context: Context, workplace: Workplace, database: DatabaseConfig, providers: readonly ScratchProvider[], signer: Signer | undefined): Promise<CleanResult> {
  const { reporter } = context;
  const outcome = await removeLeftovers(providers);
  const rehearsals = await removeRehearsals(context, database);
  const removed = [...outcome.removed.map(({ name }) => name), ...rehearsals.removed];
  const inUse = [...outcome.kept.map(({ name }) => name), ...rehearsals.inUse];
  const stillThere = [...outcome.stillThere, ...rehearsals.left];
  for (const name of removed) reporter.emit({ type: "note", level: "info", message: `removed ${name}, which a drill that was killed had left` });
  for (const what of stillThere) reporter.emit({ type: "note", level: "warn", message: `a drill that was killed left what cannot be removed: ${what}` });
  return { removed, left: stillThere, inUse, settled: signer === undefined ? [] : await settleVerdicts(context, workplace, database, { signer, stillThere }) };
}

async function settleVerdicts(context: Context, workplace: Workplace, database: DatabaseConfig, { signer, stillThere }: { readonly signer: Signer; readonly stillThere: readonly string[] }): Promise<string[]> {
  const { clock, actor, reporter } = context;
  const settled: string[] = [];
  const drills = await listDrills(workplace.repository, database.name, { now: clock.now(), host: actor.host });
  for (const { begun, running } of drills.reverse()) {
    if (begun === undefined || running) continue;
    try {
      const { sha256, evidence } = await publishEvidence(workplace.repository, killedDrill(context, workplace, database, { begun, stillThere }), { signer, clock, actor, guard: guardOf(context, workplace.repository), render: renderReports });
      await workplace.timeline.record({ action: "drill restore", subject: { database: database.name, drill: begun.id, evidence: sha256, verdict: evidence.verdict }, outcome: "failed", code: "drill-unverified", message: evidence.summary, seconds: 0 });
      tellVerdict(context, { evidence, sha256 });
      settled.push(begun.id);
    } catch (error) {
      reporter.emit({ type: "note", level: "warn", message: `the drill ${begun.id} was killed, and that could not be written down: ${messageOf(error)}` });
    }
  }
  return settled;
}

/** The evidence of a drill that could give none itself. */
function killedDrill({ clock, actor, version }: Context, { repository }: Workplace, database: DatabaseConfig, { begun, stillThere }: { readonly begun: Begun; readonly stillThere: readonly string[] }): EvidenceDraft {
  const finished = clock.now();
  const checks: EvidenceDraft["checks"] = [{
    id: "completed", title: "The drill came to its end", outcome: "unverified", compared: null, seconds: 0,
    detail: `process ${begun.pid} on ${begun.host}, which drilled ${begun.backup === null ? "no backup yet" : `backup ${begun.backup}`}, was killed; ${actor.user} on ${actor.host} found that out`,
  }];
  const { requirement, plan, rtoMs } = database.drill;
  return {
    format: 1, kind: "holdfast-drill-evidence", id: begun.id, database: database.name, repository: { id: repository.id, url: repository.store.url },
    requirement, plan: plan ?? null, reason: null,
    performedBy: { user: begun.user, host: begun.host, operator: null, holdfast: version },
    startedAt: begun.startedAt, finishedAt: finished.toISOString(),
    backup: null, method: null, verdict: "unverified", summary: summarize("unverified", checks, { backup: begun.backup === null ? undefined : { id: begun.backup }, database: database.name, seconds: 0 }),
    checks, phases: [], rto: objective(0, rtoMs, false), rpo: null, forecast: null,
    scratchRemoved: removalSeenFrom(actor.host, begun, stillThere),
    correctiveActions: correctiveActions(checks, database.drill, finished), retestOf: null, history: [],
  };
}

/** Only the host of a drill can tell that nothing of it is left there. */
function removalSeenFrom(host: string, begun: Begun, stillThere: readonly string[]): EvidenceDraft["scratchRemoved"] {
  if (stillThere.length > 0) return { removed: false, detail: `still there after removing what killed drills had left: ${stillThere.join(", ")}` };
  if (begun.host !== host) return { removed: false, detail: `it ran on ${begun.host}, where ${host} cannot look; run \`holdfast drill clean\` there` };
  return { removed: true, detail: "what killed drills had left on this host was removed before this was written, and nothing of it was found afterwards" };
}
