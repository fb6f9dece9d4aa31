/** The rehearsals of a repository: published once, chained, signed, and read only after their signature was checked. */
import { createHash } from "node:crypto";

import { databaseOfRecordId, lockKey, rehearsalKey, rehearsalsFolder, signatureSuffix } from "../../catalog/layout.ts";
import { belongsTo, type Repository } from "../../catalog/repository.ts";
import type { Signer } from "../../catalog/signatures.ts";
import { publishSigned } from "../../catalog/signed-object.ts";
import { HoldfastError } from "../../errors.ts";
import type { Guard } from "../../lock/guarded.ts";
import { acquireLock } from "../../lock/lease.ts";
import type { Clock } from "../../ports.ts";
import { type JsonKind, readSignedJson, serializeJson } from "../checkpoint/signed-json.ts";
import { type RehearsalDraft, type RehearsalEvidence, rehearsalSchema } from "./evidence.ts";

export interface ProvenRehearsal {
  readonly id: string;
  readonly evidence: RehearsalEvidence;
  /** SHA-256 of the bytes that were signed. */
  readonly sha256: string;
  readonly problem?: never;
}

/** A rehearsal with its evidence, or with why that cannot be trusted: then it never counts. */
export type RehearsalRecord = ProvenRehearsal | { readonly id: string; readonly problem: HoldfastError; readonly evidence?: never };

export interface RehearsalPublication {
  readonly signer: Signer;
  readonly clock: Clock;
  readonly actor: { readonly user: string; readonly host: string };
  /** What keeps it alone if the store honours no conditional writes. */
  readonly guard?: Guard | undefined;
}

const kind: JsonKind<RehearsalEvidence> = {
  noun: "evidence of a rehearsal", warning: "Do not show it to anybody as proof", schema: rehearsalSchema,
  at: ({ finishedAt }) => new Date(finishedAt), keyOf: ({ database, id }) => rehearsalKey(database, id),
};

/** @throws HoldfastError `integrity` if there is evidence of that id already; `lock-held`; what the store throws */
export async function publishRehearsal(repository: Repository, draft: RehearsalDraft, { signer, clock, actor, guard }: RehearsalPublication): Promise<ProvenRehearsal> {
  const { store } = repository;
  const { database, id } = draft;
  const lock = await acquireLock(store, lockKey(database, "rehearsal"), { action: "rollback rehearse", actor, clock, waitMs: 60_000, guard });
  try {
    const proven = (await listRehearsals(repository, database)).filter((record) => record.evidence !== undefined).filter(({ evidence }) => evidence.repository.id === repository.id);
    const evidence: RehearsalEvidence = { ...draft, previous: chainEnd(proven), signer: signer.id };
    const bytes = serializeJson(evidence, rehearsalSchema);
    await lock.assertHeld();
    await publishSigned(store, rehearsalKey(database, id), bytes, signer, "A rehearsal publishes its evidence once; rehearse again.");
    return { id, evidence, sha256: sha256Of(bytes) };
  } finally {
    await lock.release();
  }
}

/** The evidence that the next one follows: that which no other follows yet. @param proven - newest first */
function chainEnd(proven: readonly ProvenRehearsal[]): RehearsalEvidence["previous"] {
  const followed = new Set(proven.map(({ evidence }) => evidence.previous?.id));
  const end = proven.find(({ id }) => !followed.has(id)) ?? proven[0];
  return end === undefined ? null : { id: end.id, sha256: end.sha256 };
}

/** The rehearsals of a database, newest first; what is not signed by a trusted key is listed with its problem. */
export async function listRehearsals(repository: Repository, database: string): Promise<RehearsalRecord[]> {
  const folder = rehearsalsFolder(database);
  const ids = new Set<string>();
  for await (const { key } of repository.store.list(folder)) {
    const name = key.slice(folder.length);
    const file = name.endsWith(signatureSuffix) ? name.slice(0, -signatureSuffix.length) : name;
    // A run that died between the two has left a signature alone: it never was evidence.
    if (file === name && name.endsWith(".json")) ids.add(name.slice(0, -".json".length));
  }
  const newestFirst = [...ids].sort().reverse();
  return Promise.all(newestFirst.map((id) => readRehearsal(repository, database, id).then(
    (record): RehearsalRecord => record ?? { id, problem: new HoldfastError("not-found", `${rehearsalKey(database, id)} was removed while it was read`) },
    (error: unknown): RehearsalRecord => {
      if (error instanceof HoldfastError && error.code === "integrity") return { id, problem: error };
      throw error;
    },
  )));
}

/**
 * Reads and authenticates one rehearsal's evidence.
 * @returns undefined if there is none
 * @throws HoldfastError `integrity` when it is unsigned, changed, a stranger's, or another rehearsal's
 */
export async function readRehearsal(repository: Repository, database: string, id: string): Promise<ProvenRehearsal | undefined> {
  const key = rehearsalKey(database, id);
  const read = await readSignedJson(repository, key, kind);
  if (read === undefined) return undefined;
  const { content: evidence, sha256, signer } = read;
  const [expected, found] = [`one of repository ${repository.id}, signed by ${signer}`, `one of repository ${evidence.repository.id}, signed by ${evidence.signer}`];
  if (databaseOfRecordId("rehearsal", id) === database && belongsTo(repository, evidence.repository.id) && evidence.signer === signer) return { id, evidence, sha256 };
  throw new HoldfastError("integrity", `${key} says it is ${found}, but it is ${expected}: it was moved, copied or changed`, { hints: [`${kind.warning}.`], details: { expected, found } });
}

/** The newest trusted rehearsal of a checkpoint; undefined if it never was rehearsed. */
export async function lastRehearsal(repository: Repository, database: string, checkpoint: string): Promise<RehearsalEvidence | undefined> {
  const records = await listRehearsals(repository, database);
  const of = records.flatMap(({ evidence }) => (evidence?.checkpoint.id === checkpoint ? [evidence] : []));
  return of.sort((a, b) => b.startedAt.localeCompare(a.startedAt))[0];
}

/** A rehearsal's evidence as the timeline names it: what was there once, and has to be there still. */
export interface RecordedRehearsal {
  readonly id: string;
  readonly sha256: string;
  /** Named by the origin's timeline only, of a copy: it may never have been brought. */
  readonly elsewhere?: boolean;
}

export interface RehearsalProblem {
  readonly rehearsal: string;
  readonly detail: string;
}

export interface RehearsalsReport {
  readonly rehearsals: number;
  readonly problems: readonly RehearsalProblem[];
  /** What limits the proof without being wrong. */
  readonly warnings: readonly string[];
}

/** Finds whatever was done to the rehearsals of a database since they were recorded. */
export async function verifyRehearsals(repository: Repository, database: string, recorded: readonly RecordedRehearsal[]): Promise<RehearsalsReport> {
  const records = await listRehearsals(repository, database);
  const problems = new Map<string, string>();
  const report = (rehearsal: string, detail: string): void => { if (!problems.has(rehearsal)) problems.set(rehearsal, detail); };
  for (const { id, problem } of records) if (problem !== undefined) report(id, problem.message);
  const proven = new Map(records.flatMap((record) => (record.evidence === undefined ? [] : [[record.id, record] as const])));
  const followers = new Map<string, string>();
  for (const { id, evidence: { previous, repository: { id: made } } } of [...proven.values()].reverse()) {
    // A copy has a chain of its own beside that of its origin.
    const place = `${made} ${previous?.id ?? ""}`;
    const follower = followers.get(place);
    if (follower !== undefined) report(id, `forked: it follows ${previous === null ? "none" : previous.id}, and so does ${follower}`);
    followers.set(place, id);
    if (previous === null) continue;
    const before = proven.get(previous.id);
    if (before === undefined) report(previous.id, `removed: rehearsal ${id} follows it`);
    else if (before.sha256 !== previous.sha256) report(previous.id, `changed: the SHA-256 of its evidence is ${before.sha256}, but ${id} follows ${previous.sha256}`);
  }
  const absent = new Set<string>();
  for (const { id, sha256, elsewhere } of recorded) {
    const found = proven.get(id);
    if (found === undefined && elsewhere === true) absent.add(id);
    else if (found === undefined) report(id, "removed: the timeline names it");
    else if (found.sha256 !== sha256) report(id, `changed: the SHA-256 of its evidence is ${found.sha256}, but the timeline recorded ${sha256}`);
  }
  return { rehearsals: records.length, problems: [...problems].map(([rehearsal, detail]) => ({ rehearsal, detail })), warnings: [...absent].filter((id) => !problems.has(id)).map((id) => `the origin's timeline names rehearsal ${id}, which is not in this copy`) };
}

function sha256Of(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
