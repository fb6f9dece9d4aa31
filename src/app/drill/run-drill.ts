/**
 * The story of a drill: a backup is fetched, opened, restored into a scratch, compared with its source's truth, timed,
 * and the scratch is gone before the evidence of it all is signed. Whatever happens on the way, evidence is left.
 */
import type { Manifest } from "../../catalog/manifest.ts";
import type { DatabaseConfig } from "../../config/config.ts";
import { DrillJournal, DrillStopped } from "../../drill/journal.ts";
import { beginDrill, type Begun, ownershipOf } from "../../drill/evidence/begun.ts";
import type { Scratch, ScratchProvider } from "../../drill/scratch/scratch.ts";
import { runStep, type Step } from "../../ports.ts";
import { cancellationSaying } from "../cancellation.ts";
import { type ChosenBackup, chooseForDrill, type DrillChoice } from "./choose-for-drill.ts";
import { settleDrills } from "./clean-drills.ts";
import { configuredProviders } from "./configured-providers.ts";
import { concludeDrill, type DrillResult, requirePass } from "./conclude-drill.ts";
import { type Context, databaseNamed, requireSigner, type Workplace } from "../context.ts";
import { checkCopy, essentials, proofSteps, requireSomethingToCompare } from "./drill-checks.ts";
import { fetchAndOpen, restoreIntoScratch } from "./drill-restore.ts";
import { provisionFor, removed, removeRemains } from "./drill-scratch.ts";
import { inWorkplace } from "../record.ts";

export interface DrillOptions {
  readonly database?: string | undefined;
  readonly choice: DrillChoice;
  readonly reason?: string | undefined;
  /** In place of those of the configuration. */
  readonly providers?: readonly ScratchProvider[];
}

const steps: readonly Step[] = [
  { id: "choose", title: "choose the backup" },
  ...proofSteps,
  { id: "remove", title: "remove the scratch" },
  { id: "sign", title: "sign the evidence" },
];

/** One drill on its way. */
export interface DrillRun {
  readonly context: Context;
  readonly workplace: Workplace;
  readonly database: DatabaseConfig;
  readonly begun: Begun;
  readonly chosen: ChosenBackup;
  readonly journal: DrillJournal;
}

/** How it went: the findings are in the journal. */
export interface Performed {
  readonly scratch: Scratch | undefined;
  /** What was still there after the scratch had been removed; empty proves it gone. */
  readonly left: readonly string[];
  /** What ended it before its end: a check that stopped it, a cancellation, a bug. */
  readonly ended: { readonly error: unknown } | undefined;
}

/**
 * Drills one backup of a database.
 * @throws HoldfastError `drill-failed` and `drill-unverified`, as well as `cancelled`, after the evidence was published;
 *   before that `usage`, `not-found`, `configuration`, and `refused` where there would be nothing to compare
 */
export async function runDrill(context: Context, options: DrillOptions): Promise<DrillResult> {
  const { reporter } = context;
  const database = databaseNamed(context.config, options.database);
  const action = { action: "drill restore", subject: { database: database.name }, reason: options.reason };
  return inWorkplace(context, action, async (workplace, subject) => {
    const signer = await requireSigner(context.config, "drill");
    const providers = options.providers ?? configuredProviders(context, database);
    await settleDrills(context, workplace, database, providers, signer);
    reporter.emit({ type: "plan", steps });
    const chosen = await runStep(reporter, "choose", () => chooseForDrill(context, workplace.repository, database.name, options.choice), ({ manifest, how }) => `${manifest?.id ?? "not trusted"}, ${how}`);
    if (chosen.manifest) requireSomethingToCompare(chosen.manifest, database);
    const begun = await begin(context, workplace, database, chosen);
    Object.assign(subject, { drill: begun.id, backup: chosen.manifest?.id });
    const run: DrillRun = { context, workplace, database, begun, chosen, journal: new DrillJournal(reporter) };
    const performed = await perform(run, providers);
    const result = await runStep(reporter, "sign", () => concludeDrill(run, performed, signer, options.reason), ({ evidence }) => evidence.verdict);
    Object.assign(subject, { evidence: result.sha256, verdict: result.evidence.verdict });
    const error = performed.ended?.error;
    if (error !== undefined && !(error instanceof DrillStopped)) throw cancellationSaying(error, `the drill ${begun.id} could not verify, and ${performed.left.length === 0 ? "nothing of it is left but its evidence" : `still there is ${performed.left.join(", ")}`}`);
    requirePass(result);
    return result;
  });
}

/** Everything between the choice and the verdict. Never rejects: a drill that cannot go on is a finding. */
async function perform(run: DrillRun, providers: readonly ScratchProvider[]): Promise<Performed> {
  const { context, workplace, database, begun, chosen, journal } = run;
  let scratch: Scratch | undefined;
  let ended: Performed["ended"];
  try {
    const manifest = await journal.essential(essentials.signature, () => trusted(chosen), ({ signer }) => ({ detail: `signed by ${signer}` }));
    const drill = { context, workplace, journal, manifest };
    const identity = await fetchAndOpen(drill);
    scratch = await journal.phase("provision", null, () => journal.essential(essentials.provision, () => provisionFor(manifest, { owner: ownershipOf(begun), configured: database.drill.scratch, providers, signal: context.signal }), ({ description }) => ({ detail: description })));
    const { url } = scratch;
    await restoreIntoScratch(drill, identity, scratch, (work) => journal.phase("checks", null, () => checkCopy(work, journal, database, { url, drill: begun.id })));
  } catch (error) {
    ended = { error };
  }
  const made = scratch;
  const remove = (): Promise<readonly string[]> => (made === undefined ? removeRemains(providers, begun.id) : removed(made));
  const wasMaking = journal.phases.some(({ id }) => id === "provision");
  const left = !wasMaking ? [] : await runStep(context.reporter, "remove", remove, (still) => (still.length === 0 ? "nothing is left" : `still there: ${still.join(", ")}`));
  return { scratch, left, ended };
}

function begin({ clock, actor, ids }: Context, { repository }: Workplace, { name, drill }: DatabaseConfig, chosen: ChosenBackup): Promise<Begun> {
  const startedAt = clock.now();
  return beginDrill(repository.store, { database: name, backup: chosen.manifest?.id ?? null, startedAt, expires: new Date(startedAt.getTime() + drill.ttlMs), actor, ids });
}

function trusted(chosen: ChosenBackup): Promise<Manifest> {
  return chosen.problem === undefined ? Promise.resolve(chosen.manifest) : Promise.reject(chosen.problem);
}
