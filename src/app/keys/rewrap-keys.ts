/**
 * The story of a rewrap: other people's identities open the backups that there are. Only `key.age` and what belongs to
 * it change. A run that was cut short is run again: what is done already is left as it is.
 */
import { type KeyHolders, replaceKeySidecar, settleKeySidecar } from "../../catalog/key-sidecar.ts";
import { backupKey, keyFile } from "../../catalog/layout.ts";
import { listBackups } from "../../catalog/listing.ts";
import type { Manifest } from "../../catalog/manifest.ts";
import type { Repository } from "../../catalog/repository.ts";
import type { Signer } from "../../catalog/signatures.ts";
import { HoldfastError, throwIfCancelled } from "../../errors.ts";
import type { Lock } from "../../lock/lease.ts";
import { sealBytes } from "../../pipeline/encrypt.ts";
import { runStep } from "../../ports.ts";
import { isVersionedStore } from "../../store/object-versions.ts";
import { cancellationSaying } from "../cancellation.ts";
import { type Context, requireIdentities, requireSigner, type Workplace } from "../context.ts";
import { type Identity, keyAccess, namedIdentities } from "./key-access.ts";
import { throwFailures } from "./key-failures.ts";
import { lockDatabase } from "../lock-database.ts";
import { openBackupKey } from "../backup/open-part.ts";
import { openFor, recorded } from "../record.ts";
import { repositoryDatabases } from "../repository/repository-databases.ts";
import { type Change, parseChange, requireKnown, requireOpenAfter, requireRecipients } from "./rewrap-change.ts";

export interface RewrapOptions {
  readonly database?: string | undefined;
  readonly add: readonly string[];
  readonly remove: readonly string[];
  readonly dryRun: boolean;
  /** A backup that fewer keys would open than before is refused below this number. */
  readonly minimum: number;
  /** Do it nevertheless; one key must stay. */
  readonly belowMinimum: boolean;
  readonly lockWaitMs?: number | undefined;
  readonly reason?: string | undefined;
}

export interface Rewrapped {
  readonly id: string;
  readonly database: string;
  /** `planned`: a dry run. `unchanged`: its recipients are those that were asked for. */
  readonly outcome: "rewrapped" | "planned" | "unchanged" | "failed";
  /** Who can open it now; of a dry run, who could. */
  readonly recipients: readonly string[];
  /** Versions of `key.age` before the present one that the store still has. */
  readonly earlierVersions: number;
  readonly error?: HoldfastError;
}

export interface RewrapResult {
  readonly dryRun: boolean;
  readonly backups: readonly Rewrapped[];
}

/** What is to be done to one backup. */
interface Plan {
  readonly manifest: Manifest;
  readonly recipients: readonly string[];
  /** Undefined where nothing is to be done. */
  readonly identity: Identity | undefined;
}

/** What all backups of one rewrap share. */
interface Work {
  readonly context: Context;
  readonly workplace: Workplace;
  readonly change: Change;
  readonly options: RewrapOptions;
  readonly identities: readonly Identity[];
  readonly signer: Signer;
}

/**
 * Changes who can open the backups of one database, or of all in the repository.
 * @returns an outcome for each; never empty
 * @throws HoldfastError before anything is changed: `usage`, `cannot-decrypt` if no identity is configured, `refused` below
 * the minimum; after all others were rewrapped: `cannot-decrypt`, `integrity` for those that do not open or are damaged
 */
export async function rewrapKeys(context: Context, options: RewrapOptions): Promise<RewrapResult> {
  const change = parseChange(options);
  const subject = { ...(options.database !== undefined && { database: options.database }), add: change.add.join(" "), remove: change.remove.join(" ") };
  const action = { action: "keys rewrap", subject, reason: options.reason };
  const workplace = await openFor(context, action);
  const work = async (told: Record<string, string | undefined>): Promise<RewrapResult> => {
    const identities = await namedIdentities(await requireIdentities(context.config));
    const signer = await requireSigner(context.config, "rewrap", context.clock.now());
    const result = await rewrapAll({ context, workplace, change, options, identities, signer }, told);
    throwFailures(result.backups, options.dryRun ? "cannot be rewrapped" : "were not rewrapped");
    return result;
  };
  try {
    return await (options.dryRun ? work({}) : recorded(context, workplace, action, work));
  } finally {
    await workplace.close();
  }
}

async function rewrapAll(work: Work, told: Record<string, string | undefined>): Promise<RewrapResult> {
  const { context, workplace: { repository }, options: { dryRun } } = work;
  const databases = await repositoryDatabases(repository, work.options.database);
  context.reporter.emit({ type: "plan", steps: [{ id: "plan", title: "open every key" }, ...(dryRun ? [] : [{ id: "rewrap", title: "rewrap" }])] });
  const locks = dryRun ? [] : await lockAll(work, databases);
  const done: Rewrapped[] = [];
  try {
    const { plans, failed } = await runStep(context.reporter, "plan", () => planAll(work, databases), ({ plans: all }) => `${all.filter(({ identity }) => identity).length} of ${all.length} backups to rewrap`);
    done.push(...failed);
    if (dryRun) return { dryRun, backups: [...done, ...plans.map(planned)] };
    const apply = async (): Promise<void> => {
      for (const plan of plans) {
        throwIfCancelled(context.signal);
        for (const { lost } of locks) lost.throwIfAborted();
        done.push(await rewrapOne(work, plan));
      }
    };
    await runStep(context.reporter, "rewrap", apply, () => `${count(done, "rewrapped")} rewrapped, ${count(done, "unchanged")} had those recipients already`);
    return { dryRun, backups: done };
  } catch (error) {
    throw cancellationSaying(error, `${count(done, "rewrapped")} backups were rewrapped; run the same command again for the others`);
  } finally {
    for (const outcome of ["rewrapped", "unchanged", "failed"] as const) told[outcome] = String(count(done, outcome));
    for (const lock of locks) await lock.release();
  }
}

const count = (all: readonly Rewrapped[], outcome: Rewrapped["outcome"]): number => all.filter((one) => one.outcome === outcome).length;

function planned({ manifest: { id, database }, recipients, identity }: Plan): Rewrapped {
  return { id, database, outcome: identity ? "planned" : "unchanged", recipients, earlierVersions: 0 };
}

/** The lock of a backup: neither may a new one be published nor an old one be shredded while its key is replaced. */
async function lockAll({ context, workplace, options }: Work, databases: readonly string[]): Promise<Lock[]> {
  const locks: Lock[] = [];
  try {
    for (const database of databases) {
      locks.push(await lockDatabase(context, workplace.repository, database, "backup", { action: "keys rewrap", waitMs: options.lockWaitMs }));
    }
    return locks;
  } catch (error) {
    for (const lock of locks) await lock.release();
    throw error;
  }
}

/** Opens every key before the first is changed, so that what cannot be done is refused while nothing is done yet. */
async function planAll(work: Work, databases: readonly string[]): Promise<{ plans: Plan[]; failed: Rewrapped[] }> {
  const { context, workplace: { repository }, change, options, identities } = work;
  const plans: Plan[] = [];
  const failed: Rewrapped[] = [];
  const named = new Set<string>();
  for (const database of databases) {
    for (const { id, manifest, problem } of await listBackups(repository, database)) {
      throwIfCancelled(context.signal);
      try {
        if (manifest === undefined) throw problem;
        const access = await keyAccess(repository, manifest, identities);
        for (const recipient of [...manifest.encryption.keyRecipients, ...access.holders.recipients]) named.add(recipient);
        plans.push(planOne(manifest, access, change, options, identities));
      } catch (error) {
        if (!(error instanceof HoldfastError) || (error.code !== "integrity" && error.code !== "cannot-decrypt")) throw error;
        failed.push({ id, database, outcome: "failed", recipients: [], earlierVersions: 0, error });
      }
    }
  }
  if (plans.length + failed.length === 0) throw new HoldfastError("not-found", `no backup in ${repository.store.url}, so nothing was rewrapped`, { hints: ["Make one with `holdfast backup`."] });
  if (failed.length === 0) requireKnown(change, named);
  return { plans, failed };
}

function planOne(manifest: Manifest, { holders, identities: tried }: { holders: KeyHolders; identities: readonly { recipient: string; opens: boolean }[] }, change: Change, options: RewrapOptions, identities: readonly Identity[]): Plan {
  const present = holders.recipients;
  const recipients = [...present.filter((recipient) => !change.remove.includes(recipient)), ...change.add.filter((recipient) => !present.includes(recipient))];
  const same = holders.source !== "unfinished" && recipients.length === present.length && recipients.every((recipient) => present.includes(recipient));
  if (same) return { manifest, recipients, identity: undefined };
  requireRecipients(manifest.id, present, recipients, options);
  const opening = tried.find(({ opens }) => opens)?.recipient;
  const identity = identities.find(({ recipient }) => recipient === opening);
  if (identity === undefined) {
    throw new HoldfastError("cannot-decrypt", `none of the ${identities.length} identities at hand opens backup ${manifest.id}`, { hints: [`It is encrypted to ${present.join(", ")}: use the identity of one of these.`] });
  }
  requireOpenAfter(manifest.id, recipients, identities.map(({ recipient }) => recipient));
  return { manifest, recipients, identity };
}

async function rewrapOne({ context, workplace: { repository }, identities, signer }: Work, { manifest, recipients, identity }: Plan): Promise<Rewrapped> {
  const { id, database } = manifest;
  if (identity === undefined) {
    const settled = await settleKeySidecar(repository, manifest);
    return { id, database, outcome: settled ? "rewrapped" : "unchanged", recipients, earlierVersions: 0 };
  }
  const oneOff = await openBackupKey(repository, manifest, [identity.secret]);
  const sidecar = await sealBytes(Buffer.from(`${oneOff}\n`), recipients);
  await replaceKeySidecar(repository, manifest, { sidecar, keyRecipients: recipients, at: context.clock.now() }, signer);
  await proveRewrapped(repository, manifest, sidecar, identities);
  return { id, database, outcome: "rewrapped", recipients, earlierVersions: await earlierVersions(repository, manifest) };
}

/** Reads back what was written, and opens it with each identity at hand that is to open it, and with no other. */
async function proveRewrapped(repository: Repository, manifest: Manifest, sidecar: Buffer, identities: readonly Identity[]): Promise<void> {
  const access = await keyAccess(repository, manifest, identities);
  if (access.sidecar.equals(sidecar) && access.holders.source === "record" && access.identities.some(({ opens }) => opens)) return;
  throw new HoldfastError("integrity", `key.age of ${manifest.id} is not what was just written`, { hints: ["Somebody else writes there, or the store lost it. Run `holdfast keys check`, then this command again."], details: { backup: manifest.id, part: keyFile } });
}

async function earlierVersions({ store }: Repository, { database, id }: Manifest): Promise<number> {
  if (!isVersionedStore(store)) return 0;
  const versions = await store.versionsOf(backupKey(database, id, keyFile));
  return Math.max(0, versions.filter(({ deletion }) => !deletion).length - 1);
}
