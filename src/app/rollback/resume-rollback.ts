/** A rollback that stopped in the middle goes on, goes back, or is ended as it stands. */
import { listRollbacks, readRollback, type RollbackRecord } from "../../rollback/plan/records.ts";
import { HoldfastError } from "../../errors.ts";
import { type Context, databaseNamed, reachTarget, requireSigner, type Workplace } from "../context.ts";
import { type Action, inWorkplace } from "../record.ts";
import { carryOut, type Direction, type RollbackResult, underRollbackLock } from "./carry-out.ts";
import { incidentPen } from "../incident/incident-pen.ts";

export interface ResumeOptions {
  readonly database?: string | undefined;
  /** The rollback that is meant; by default the one that has not ended. */
  readonly id?: string | undefined;
  readonly reason?: string | undefined;
}

/** Runs the steps that are left; one that was done is not done again. @throws HoldfastError as the rollback itself */
export function resumeRollback(context: Context, options: ResumeOptions): Promise<RollbackResult> {
  return goOn(context, options, "rollback resume", "resume");
}

/** Takes back what was done, newest first. @throws HoldfastError `refused` before anything is touched, where a step cannot be taken back */
export function abortRollback(context: Context, options: ResumeOptions): Promise<RollbackResult> {
  return goOn(context, options, "rollback abort", "abort");
}

/** Ends a rollback as it stands: for what a person has finished, or taken back, by hand. */
export function leaveRollback(context: Context, options: ResumeOptions & { readonly reason: string }): Promise<RollbackResult> {
  return goOn(context, options, "rollback abort --leave-as-is", "leave");
}

/** Who was killed holds the lock for one lease. */
const lockPatienceMs = 20_000;

async function goOn(context: Context, options: ResumeOptions, name: string, direction: Direction): Promise<RollbackResult> {
  const database = databaseNamed(context.config, options.database);
  const action: Action = { action: name, subject: { database: database.name, rollback: options.id }, reason: options.reason };
  return inWorkplace(context, action, async (workplace, subject) => {
    const signer = await requireSigner(context.config, "rollback", context.clock.now());
    const { server } = await reachTarget(context, database);
    return underRollbackLock(context, workplace, database, server, async (held) => {
      const { begun, planSha256 } = await unfinished(workplace, database.name, options.id);
      subject["rollback"] = begun.id;
      subject["release"] = begun.plan.to;
      const record = incidentPen(held, workplace, begun.incident, signer);
      await record.resumed(name);
      return await carryOut(held, workplace, { database, begun, planSha256, signer, record }, direction, options.reason).finally(() => Object.assign(subject, record.told()));
    }, lockPatienceMs);
  });
}

async function unfinished(workplace: Workplace, database: string, id: string | undefined): Promise<Extract<RollbackRecord, { begun: object }>> {
  const found = id === undefined ? await onlyUnfinished(workplace, database) : await readRollback(workplace.repository, database, id);
  if (found.outcome === undefined) return found;
  throw new HoldfastError("refused", `${found.id} has ended: ${found.outcome.message}`, { hints: [`\`holdfast rollback show ${found.id}\` tells how it went.`] });
}

async function onlyUnfinished({ repository }: Workplace, database: string): Promise<Extract<RollbackRecord, { begun: object }>> {
  const records = await listRollbacks(repository, database);
  const open = records.filter((record): record is Extract<RollbackRecord, { begun: object }> => record.begun !== undefined && record.outcome === undefined);
  const [first] = open;
  if (first === undefined) {
    const untrusted = records.filter(({ problem }) => problem !== undefined).length;
    throw new HoldfastError("not-found", `no rollback of ${database} is under way`, { hints: untrusted > 0 ? [`${untrusted} cannot be trusted; \`holdfast rollback list\` says why.`] : ["`holdfast rollback list` shows those that have ended."] });
  }
  if (open.length > 1) throw new HoldfastError("usage", `several rollbacks of ${database} have not ended: ${open.map(({ id }) => id).join(", ")}`, { hints: ["Name the one that is meant."] });
  return first;
}
