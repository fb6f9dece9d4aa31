/**
 * The story of a shredding: the backup's key is destroyed, so that nobody can ever open its parts, wherever they were
 * copied to. A signed record goes first and stays; then the manifest goes, so that no ruin is listed; then the key.
 * Killed in between, the same command goes on. docs/decisions/0041.
 */
import { readManifest } from "../../catalog/authenticity.ts";
import { backupFolder, backupKey, databaseOfId, keyFile, keyRecordFile, manifestFile, signatureSuffix } from "../../catalog/layout.ts";
import type { Manifest } from "../../catalog/manifest.ts";
import type { Repository } from "../../catalog/repository.ts";
import { readShredRecord, type ShredRecord, shredRecordOf, writeShredRecord } from "../../catalog/shredded.ts";
import type { Signer } from "../../catalog/signatures.ts";
import { HoldfastError, throwIfCancelled } from "../../errors.ts";
import type { Lock } from "../../lock/lease.ts";
import { runStep, type Step } from "../../ports.ts";
import { isVersionedStore } from "../../store/object-versions.ts";
import { type Context, requireIdentities, requireSigner, type Workplace } from "../context.ts";
import { lockDatabase } from "../lock-database.ts";
import { inWorkplace } from "../record.ts";
import { refuseToShred } from "./shred-refusals.ts";
import { proveShredded } from "./shred-proof.ts";

export interface ShredOptions {
  readonly id: string;
  /** What the operator typed: the id, or more where the backup is the last of its kind. */
  readonly confirm?: string | undefined;
  readonly lockWaitMs?: number | undefined;
  readonly reason?: string | undefined;
}

export interface ShredResult {
  readonly record: ShredRecord;
  /** Versions of the key's objects that were destroyed now; 0 if an earlier run had done it. */
  readonly destroyed: number;
  /** Parts that are still there, and which no identity at hand opened. */
  readonly closedParts: readonly string[];
  /** Identities that were tried on them. */
  readonly identities: number;
}

const steps: readonly Step[] = [
  { id: "record", title: "write the record of the shredding" },
  { id: "manifest", title: "remove the manifest" },
  { id: "key", title: "destroy the key" },
  { id: "prove", title: "prove that nothing opens" },
];

/**
 * Shreds one backup, or completes a shredding that was cut short.
 * @throws HoldfastError `not-found`; `refused` if it is not confirmed, held, or its key is under object lock; `integrity` if afterwards anything is left or opens
 */
export async function shredBackup(context: Context, options: ShredOptions): Promise<ShredResult> {
  const database = databaseOfId(options.id);
  if (database === undefined) throw new HoldfastError("usage", `${JSON.stringify(options.id)} is not the id of a backup`, { hints: ["`holdfast backup list` shows the ids that there are."] });
  const action = { action: "backup shred", subject: { database, backup: options.id }, reason: options.reason };
  return inWorkplace(context, action, async (workplace, subject) => {
    const { clock } = context;
    const signer = await requireSigner(context.config, "shred", clock.now());
    const identities = context.config.identityFile === undefined ? [] : await requireIdentities(context.config);
    // Those of a prune: neither a backup nor a rewrap nor a new hold may come in between.
    const locks: Lock[] = [];
    try {
      for (const name of ["backup", "prune"]) locks.push(await lockDatabase(context, workplace.repository, database, name, { action: "backup shred", waitMs: options.lockWaitMs }));
      const assertHeld = async (): Promise<void> => { for (const lock of locks) await lock.assertHeld(); };
      const result = await shred({ context, workplace, options, database, signer, identities }, assertHeld);
      subject["destroyed"] = String(result.destroyed);
      return result;
    } finally {
      for (const lock of locks) await lock.release();
    }
  });
}

interface Work {
  readonly context: Context;
  readonly workplace: Workplace;
  readonly options: ShredOptions;
  readonly database: string;
  readonly signer: Signer;
  readonly identities: readonly string[];
}

/** From its first step on it is not cancelled: what is half destroyed is worse than what takes a second more. */
async function shred({ context, workplace, options, database, signer, identities }: Work, assertHeld: () => Promise<void>): Promise<ShredResult> {
  const { reporter, signal } = context;
  const { repository } = workplace;
  const { id, confirm } = options;
  const manifest = await readManifest(repository, database, id);
  const record = (await readShredRecord(repository, database, id)) ?? (manifest && recordOf(context, manifest, options));
  if (record === undefined) throw new HoldfastError("not-found", `no backup ${id} in ${repository.store.url}`, { hints: ["`holdfast backup list` shows what there is."] });
  const files = keyFiles.map((file) => backupKey(database, id, file));
  await refuseToShred(context, workplace, { database, id, listed: manifest !== undefined, confirm, keyObjects: files });
  await assertHeld();
  throwIfCancelled(signal);
  reporter.emit({ type: "plan", steps });
  await runStep(reporter, "record", () => writeShredRecord(repository, record, signer));
  await runStep(reporter, "manifest", () => removeManifest(repository, database, id));
  const destroyed = await runStep(reporter, "key", () => destroyKey(repository, database, id, files), (versions) => `${versions} versions`);
  const closedParts = await runStep(reporter, "prove", () => proveShredded(repository, record, identities, files), (parts) => `${parts.length} parts, ${identities.length} identities`);
  return { record, destroyed, closedParts, identities: identities.length };
}

function recordOf({ actor: { host, user }, clock }: Context, manifest: Manifest, { reason }: ShredOptions): ShredRecord {
  return shredRecordOf(manifest, { shreddedAt: clock.now().toISOString(), shreddedBy: { host, user }, reason: reason ?? null });
}

/** All that is of the key; what opens the backup goes first. */
const keyFiles = [keyFile, keyFile + signatureSuffix, keyRecordFile] as const;

/** The manifest before its signature: then there is no backup, and nothing that looks like a forged one. */
async function removeManifest({ store }: Repository, database: string, id: string): Promise<void> {
  for (const file of [manifestFile, manifestFile + signatureSuffix]) await store.delete(backupKey(database, id, file));
}

/** With what a killed writer of the key may have left beside it. */
async function destroyKey({ store }: Repository, database: string, id: string, keyObjects: readonly string[]): Promise<number> {
  await store.abortUploads(backupFolder(database, id));
  let destroyed = 0;
  for (const key of keyObjects) {
    if (isVersionedStore(store)) {
      destroyed += await store.deleteVersions(key);
    } else if ((await store.head(key)) !== undefined) {
      await store.delete(key);
      destroyed += 1;
    }
  }
  return destroyed;
}
