/** Evidence becomes evidence: chained to the drill before, signed, and published once, with its reports before it. */
import { publishSigned, putOnce } from "../../catalog/signed-object.ts";
import { begunFile, drillKey, evidenceFile, lockKey, reportIndexFile } from "../../catalog/layout.ts";
import type { Repository } from "../../catalog/repository.ts";
import type { Signer } from "../../catalog/signatures.ts";
import { HoldfastError } from "../../errors.ts";
import type { Guard } from "../../lock/guarded.ts";
import { acquireLock, type Lock } from "../../lock/lease.ts";
import type { Clock } from "../../ports.ts";
import type { Store } from "../../store/store.ts";
import { type Evidence, type EvidenceDraft, serializeEvidence } from "./evidence.ts";
import { listDrills, type ProvenDrill } from "./records.ts";
import { type ReportFile, reportIndexOf } from "./report-index.ts";
import { type DrillPlace, sha256Of, textOf } from "./signed-file.ts";

export interface DrillLockOptions {
  readonly clock: Clock;
  readonly actor: { readonly user: string; readonly host: string };
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds to wait for another that publishes; a minute unless told. */
  readonly lockWaitMs?: number | undefined;
  /** What keeps it alone if the store honours no conditional writes. */
  readonly guard?: Guard | undefined;
}

export interface Publication extends DrillLockOptions {
  readonly signer: Signer;
  /** Makes the reports, once the evidence is complete. */
  readonly render: (evidence: Evidence, bytes: Buffer) => readonly ReportFile[] | Promise<readonly ReportFile[]>;
}

export interface PublishedEvidence {
  readonly evidence: Evidence;
  readonly bytes: Buffer;
  readonly sha256: string;
  readonly reports: readonly ReportFile[];
}

/** Runs `work` while nobody else adds to the drills of a database. */
export async function underDrillLock<T>({ store }: Repository, database: string, action: string, { clock, actor, signal, lockWaitMs = 60_000, guard }: DrillLockOptions, work: (lock: Lock) => Promise<T>): Promise<T> {
  const lock = await acquireLock(store, lockKey(database, "drill"), { action, actor, clock, signal, waitMs: lockWaitMs, guard });
  try {
    return await work(lock);
  } finally {
    await lock.release();
  }
}

/**
 * Publishes the evidence of a drill. A run that dies in the middle leaves reports and signatures, but no evidence; whoever
 * publishes for it afterwards replaces them.
 * @throws HoldfastError `integrity` if the drill has evidence already; `lock-held`; what the store throws
 */
export async function publishEvidence(repository: Repository, draft: EvidenceDraft, publication: Publication): Promise<PublishedEvidence> {
  const { store } = repository;
  const { signer, render, clock, actor } = publication;
  const { database, id } = draft;
  const ifTaken = "A drill publishes its evidence once; run another one.";
  return await underDrillLock(repository, database, "drill", publication, async (lock) => {
    const records = await listDrills(repository, database, { now: clock.now(), host: actor.host });
    if ((await store.head(drillKey(database, id, evidenceFile))) !== undefined) throw new HoldfastError("integrity", `drill ${id} has evidence already`, { hints: [ifTaken] });
    await removeUnpublished(store, draft, records.find((record) => record.id === id)?.files ?? []);
    const evidence: Evidence = { ...draft, previous: chainEnd(records.filter((record) => record.evidence !== undefined).filter(({ evidence }) => evidence.repository.id === repository.id)), signer: signer.id };
    const bytes = serializeEvidence(evidence);
    const sha256 = sha256Of(bytes);
    const reports = await render(evidence, bytes);
    for (const report of reports) await putOnce(store, drillKey(database, id, report.name), report.bytes, ifTaken);
    await publishSigned(store, drillKey(database, id, reportIndexFile), textOf(reportIndexOf(id, sha256, reports, signer.id)), signer, ifTaken);
    await lock.assertHeld();
    await publishSigned(store, drillKey(database, id, evidenceFile), bytes, signer, ifTaken);
    return { evidence, bytes, sha256, reports };
  });
}

/** What a run that died while it published has left: nobody else can finish it, and without evidence it is nothing. */
async function removeUnpublished(store: Store, { database, id }: DrillPlace, files: readonly string[]): Promise<void> {
  for (const file of files) if (file !== begunFile) await store.delete(drillKey(database, id, file));
}

/**
 * The evidence that the next one follows: that which no other follows yet. Ids alone do not tell, for a drill that began
 * earlier may publish later.
 * @param proven - newest first
 */
function chainEnd(proven: readonly ProvenDrill[]): Evidence["previous"] {
  const followed = new Set(proven.map(({ evidence }) => evidence.previous?.id));
  const end = proven.find(({ evidence }) => !followed.has(evidence.id)) ?? proven[0];
  return end === undefined ? null : { id: end.evidence.id, sha256: end.sha256 };
}
