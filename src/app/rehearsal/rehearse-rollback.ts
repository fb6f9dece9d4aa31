/**
 * The story of a rehearsal: a checkpoint's backup is restored into a scratch, its images are brought up on it, apart from
 * everything in production, asked how they are, and removed; the signed evidence says whether the pair fits.
 */
import { createHash } from "node:crypto";

import { backupKey, manifestFile, recordId, rehearsalKey } from "../../catalog/layout.ts";
import type { Manifest } from "../../catalog/manifest.ts";
import { readManifest } from "../../catalog/authenticity.ts";
import type { Repository } from "../../catalog/repository.ts";
import type { Signer } from "../../catalog/signatures.ts";
import type { DatabaseConfig } from "../../config/config.ts";
import { DrillJournal, DrillStopped, type PlannedCheck } from "../../drill/journal.ts";
import type { Scratch, ScratchProvider } from "../../drill/scratch/scratch.ts";
import { HoldfastError, messageOf } from "../../errors.ts";
import { runStep, type Step } from "../../ports.ts";
import type { Checkpoint } from "../../rollback/checkpoint/checkpoint.ts";
import { findTarget, listCheckpoints } from "../../rollback/checkpoint/records.ts";
import { type RehearsalDraft, type RehearsalEvidence, summaryOf, verdictOf } from "../../rollback/rehearsal/evidence.ts";
import { publishRehearsal } from "../../rollback/rehearsal/records.ts";
import { cancellationSaying } from "../cancellation.ts";
import { type Context, databaseNamed, requireSigner, type Workplace } from "../context.ts";
import { settleDrills } from "../drill/clean-drills.ts";
import { configuredProviders } from "../drill/configured-providers.ts";
import { checkContent, contentChecks, essentials, proofSteps } from "../drill/drill-checks.ts";
import { fetchAndOpen, restoreIntoScratch } from "../drill/drill-restore.ts";
import { provisionFor, removed, removeRemains } from "../drill/drill-scratch.ts";
import { guardOf } from "../guard.ts";
import { inWorkplace } from "../record.ts";
import { chooseStage } from "./choose-stage.ts";
import type { RehearsalStage } from "./rehearsal-stage.ts";

export interface RehearseOptions {
  readonly database?: string | undefined;
  /** The release that is gone back to, or the id of a checkpoint; by default the newest. */
  readonly to?: string | undefined;
  readonly reason?: string | undefined;
  /** Of the scratch where no platform says where it has to be; by default the configured ones. */
  readonly providers?: readonly ScratchProvider[];
}

export interface RehearsalResult {
  readonly evidence: RehearsalEvidence;
  /** SHA-256 of the evidence as it was signed. */
  readonly sha256: string;
  /** Where the evidence lies in the repository. */
  readonly key: string;
}

const steps: readonly Step[] = [
  { id: "choose", title: "find the checkpoint" },
  { id: "images", title: "look for the images" },
  ...proofSteps,
  { id: "application", title: "bring up the release on the copy" },
  { id: "remove", title: "remove everything" },
  { id: "sign", title: "sign the evidence" },
];

const bound: PlannedCheck = { id: "checkpoint", title: "The backup is the one that the checkpoint was signed with" };

interface Rehearsal {
  readonly context: Context;
  readonly workplace: Workplace;
  readonly database: DatabaseConfig;
  readonly id: string;
  readonly startedAt: Date;
  readonly checkpoint: Checkpoint;
  readonly checkpointSha256: string;
  readonly stage: RehearsalStage;
  readonly journal: DrillJournal;
}

/** How it went: the findings are in the journal. */
interface Performed {
  /** What was still there after everything had been removed; empty proves it gone. */
  readonly left: readonly string[];
  readonly ended: { readonly error: unknown } | undefined;
}

/**
 * Rehearses the rollback to a release.
 * @throws HoldfastError `drill-failed` and `drill-unverified`, as well as `cancelled`, after the evidence was published;
 *   before that `usage`, `not-found`, `configuration`, and `integrity` if the checkpoint cannot be trusted
 */
export async function rehearseRollback(context: Context, options: RehearseOptions): Promise<RehearsalResult> {
  const { reporter, clock, ids, actor } = context;
  const database = databaseNamed(context.config, options.database);
  const action = { action: "rollback rehearse", subject: { database: database.name }, reason: options.reason };
  return inWorkplace(context, action, async (workplace, subject) => {
    const signer = await requireSigner(context.config, "rehearsal");
    reporter.emit({ type: "plan", steps });
    const { checkpoint, sha256: checkpointSha256 } = await runStep(reporter, "choose", () => chooseCheckpoint(context, workplace.repository, database.name, options.to), ({ id }) => id);
    Object.assign(subject, { checkpoint: checkpoint.id, backup: checkpoint.backup.id });
    const startedAt = clock.now();
    const id = recordId("rehearsal", database.name, startedAt, ids.suffix());
    const expires = new Date(startedAt.getTime() + database.drill.ttlMs);
    const providers = options.providers ?? configuredProviders(context, database);
    const stage = await chooseStage(context, database, checkpoint, { drill: id, user: actor.user, host: actor.host, pid: process.pid, expires }, providers);
    await settleDrills(context, workplace, database, providers, signer);
    Object.assign(subject, { rehearsal: id });
    const rehearsal: Rehearsal = { context, workplace, database, id, startedAt, checkpoint, checkpointSha256, stage, journal: new DrillJournal(reporter) };
    const performed = await perform(rehearsal);
    const result = await runStep(reporter, "sign", () => conclude(rehearsal, performed, signer, options.reason), ({ evidence }) => evidence.verdict);
    Object.assign(subject, { evidence: result.sha256, verdict: result.evidence.verdict });
    const error = performed.ended?.error;
    if (error !== undefined && !(error instanceof DrillStopped)) throw cancellationSaying(error, `the rehearsal ${id} could not verify, and ${performed.left.length === 0 ? "nothing of it is left but its evidence" : `still there is ${performed.left.join(", ")}`}`);
    requirePass(result);
    return result;
  });
}

async function chooseCheckpoint({ reporter }: Context, repository: Repository, database: string, to: string | undefined): Promise<{ readonly id: string; readonly checkpoint: Checkpoint; readonly sha256: string }> {
  return findTarget(await listCheckpoints(repository, database), to, ({ id, problem }) => {
    reporter.emit({ type: "note", level: "warn", message: `the checkpoint ${id} is newer, but does not count: ${problem.message}` });
  });
}

/** Everything between the choice and the verdict. Never rejects: a rehearsal that cannot go on is a finding. */
async function perform({ context, workplace, database, id, startedAt, checkpoint, stage, journal }: Rehearsal): Promise<Performed> {
  const { reporter, signal, actor } = context;
  let scratch: Scratch | undefined;
  let ended: Performed["ended"];
  try {
    await runStep(reporter, "images", () => stage.prepare(journal));
    const manifest = await journal.essential(essentials.signature, () => manifestOf(workplace.repository, checkpoint), ({ signer }) => ({ detail: `signed by ${signer}` }));
    await journal.essential(bound, () => requireBound(workplace.repository, checkpoint), (sha256) => ({ detail: `the SHA-256 of its manifest is ${sha256}` }));
    const drill = { context, workplace, journal, manifest };
    const identity = await fetchAndOpen(drill);
    const owner = { drill: id, host: actor.host, user: actor.user, pid: process.pid, expires: new Date(startedAt.getTime() + database.drill.ttlMs) };
    scratch = await journal.phase("provision", null, () => journal.essential(essentials.provision, () => provisionFor(manifest, { owner, configured: stage.configured, providers: stage.providers, signal }), ({ description }) => ({ detail: description })));
    await restoreIntoScratch(drill, identity, scratch, (work) => journal.phase("checks", null, () => checkContent(work, journal, database)));
    const copy = scratch;
    await runStep(reporter, "application", () => stage.perform(copy, journal));
  } catch (error) {
    ended = { error };
  }
  const made = scratch;
  const left = await runStep(reporter, "remove", async () => {
    await stage.stop();
    const ofScratch = made === undefined ? await removeRemains(stage.providers, id) : await removed(made);
    return [...ofScratch, ...(await stage.remove())];
  }, (still) => (still.length === 0 ? "nothing is left" : `still there: ${still.join(", ")}`));
  return { left, ended };
}

async function manifestOf(repository: Repository, { backup, database }: Checkpoint): Promise<Manifest> {
  const manifest = await readManifest(repository, database, backup.id);
  if (manifest !== undefined) return manifest;
  // Without its backup a checkpoint is no way back: nothing that could be mended here.
  throw new HoldfastError("integrity", `backup ${backup.id}, which the checkpoint was taken with, is not in the repository any more`);
}

async function requireBound({ store }: Repository, { id, backup, database }: Checkpoint): Promise<string> {
  const stored = await store.get(backupKey(database, backup.id, manifestFile));
  const found = createHash("sha256").update(stored?.bytes ?? "").digest("hex");
  if (found === backup.manifestSha256) return found;
  throw new HoldfastError("integrity", `the manifest of backup ${backup.id} has the SHA-256 ${found}, but the checkpoint ${id} was taken with ${backup.manifestSha256}`);
}

async function conclude(rehearsal: Rehearsal, { left, ended }: Performed, signer: Signer, reason: string | undefined): Promise<RehearsalResult> {
  const { context, workplace, database, id, startedAt, checkpoint, checkpointSha256, stage, journal } = rehearsal;
  if (ended !== undefined) {
    const stopped = ended.error instanceof DrillStopped;
    const why = stopped ? "an earlier check did not pass" : messageOf(ended.error);
    journal.close([bound, ...contentChecks(database), ...stage.planned], why);
    if (!stopped) journal.add({ id: "completed", title: "The rehearsal came to its end", outcome: "unverified", detail: why, compared: null, seconds: 0 });
  }
  const detail = left.length > 0 ? `still there after removing: ${left.join(", ")}` : `everything that was made for it was removed, and nothing was found afterwards`;
  journal.add({ id: "removed", title: "Everything is gone, with the copy", outcome: left.length > 0 ? "fail" : "pass", detail, compared: null, seconds: 0 });
  const checks = journal.checks.map(({ id: check, title, outcome, detail: found, seconds }) => ({ id: check, title, outcome, detail: found, seconds }));
  const { platform, workloads } = checkpoint.state;
  const draft: RehearsalDraft = {
    format: 1,
    kind: "holdfast-rehearsal-evidence",
    id,
    database: database.name,
    repository: { id: workplace.repository.id, url: workplace.repository.store.url },
    reason: reason ?? null,
    checkpoint: { id: checkpoint.id, sha256: checkpointSha256, running: checkpoint.running, release: checkpoint.release },
    backup: { id: checkpoint.backup.id, snapshotAt: checkpoint.backup.snapshotAt, manifestSha256: checkpoint.backup.manifestSha256 },
    images: workloads.flatMap(({ name: workload, images }) => images.map(({ container, reference, id: image }) => ({ workload, container, reference, id: image }))),
    platform,
    isolation: { place: stage.place, ...mutable(stage.isolation()) },
    checks,
    verdict: verdictOf(checks),
    summary: summaryOf(checks, { running: checkpoint.running, backup: checkpoint.backup.id, platform }),
    removed: { removed: left.length === 0, detail },
    startedAt: startedAt.toISOString(),
    finishedAt: context.clock.now().toISOString(),
    performedBy: { user: context.actor.user, host: context.actor.host, operator: context.actor.operator, holdfast: context.version },
  };
  const { evidence, sha256 } = await publishRehearsal(workplace.repository, draft, { signer, clock: context.clock, actor: context.actor, guard: guardOf(context, workplace.repository) });
  return { evidence, sha256, key: rehearsalKey(database.name, id) };
}

function mutable({ measures, leftOut, placeholders }: ReturnType<RehearsalStage["isolation"]>): Pick<RehearsalEvidence["isolation"], "measures" | "leftOut" | "placeholders"> {
  return { measures: [...measures], leftOut: [...leftOut], placeholders: [...placeholders] };
}

/** @throws HoldfastError unless the rehearsal passed */
function requirePass({ evidence, key }: RehearsalResult): void {
  if (evidence.verdict === "pass") return;
  const of = (outcome: RehearsalEvidence["verdict"]) => evidence.checks.filter((check) => check.outcome === outcome).map(({ id, title, detail }) => ({ id, title, detail }));
  const failed = evidence.verdict === "fail";
  throw new HoldfastError(failed ? "drill-failed" : "drill-unverified", `the rehearsal ${failed ? "failed" : "could not verify"}: ${evidence.summary}`, {
    hints: [
      `The evidence is ${key} in the repository.`,
      failed ? "Do not count on a rollback to this checkpoint. Mend what failed, take another checkpoint, and rehearse again." : "This says nothing about the release and its backup yet: mend what kept the rehearsal from looking, and rehearse again.",
    ],
    details: { rehearsal: evidence.id, checkpoint: evidence.checkpoint.id, backup: evidence.backup.id, verdict: evidence.verdict, failed: of("fail"), unverified: of("unverified") },
  });
}
