/** The checkpoints of a repository: published once, read with their signatures, and which of them is meant. */
import { z } from "zod";

import { ahead } from "../../audit/select.ts";
import { checkpointKey, checkpointsFolder, deployedKey } from "../../catalog/layout.ts";
import type { Repository } from "../../catalog/repository.ts";
import type { Signer } from "../../catalog/signatures.ts";
import { publishSigned } from "../../catalog/signed-object.ts";
import { HoldfastError } from "../../errors.ts";
import type { Store } from "../../store/store.ts";
import { type Checkpoint, checkpointSchema, type Deployed, deployedSchema } from "./checkpoint.ts";
import { partsOfCheckpointId, partsOfDeployedName } from "./names.ts";
import { type JsonKind, parseJson, readSignedJson, serializeJson } from "./signed-json.ts";

/** A checkpoint that a trusted key has signed. */
export interface CheckpointRecord {
  readonly id: string;
  readonly database: string;
  readonly checkpoint: Checkpoint;
  /** Of the exact bytes that were signed. */
  readonly sha256: string;
  readonly signer: string;
  readonly problem?: never;
}

/** One that cannot be trusted, and why. */
export interface UntrustedCheckpoint {
  readonly id: string;
  readonly database: string;
  readonly problem: HoldfastError;
  /** What it says of itself, which is for messages and for keeping things only. */
  readonly claims: { readonly release?: string | undefined; readonly running?: string | undefined; readonly backup?: string | undefined };
  readonly checkpoint?: never;
}

export type CheckpointEntry = CheckpointRecord | UntrustedCheckpoint;

const checkpointKind: JsonKind<Checkpoint> = {
  noun: "checkpoint", warning: "Do not roll back to it", schema: checkpointSchema,
  at: ({ takenAt }) => new Date(takenAt), keyOf: ({ database, id }) => checkpointKey(database, id),
};

const deployedKind: JsonKind<Deployed> = {
  noun: "record of a deploy", warning: "Do not count on it", schema: deployedSchema,
  at: ({ at }) => new Date(at), keyOf: ({ database, checkpoint, at }) => deployedKey(database, checkpoint, new Date(at)),
};

/** Signs and publishes a checkpoint, once. @throws HoldfastError `integrity` if another lies there; what the store throws */
export async function publishCheckpoint({ store }: Repository, checkpoint: Checkpoint, signer: Signer): Promise<void> {
  await publishSigned(store, checkpointKey(checkpoint.database, checkpoint.id), serializeJson(checkpoint, checkpointSchema), signer, "Another host took a checkpoint in the same second; take it again.");
}

/** @throws HoldfastError `not-found`; `integrity` when it is unsigned, changed or signed by a stranger */
export async function readCheckpoint(repository: Repository, database: string, id: string): Promise<CheckpointRecord> {
  const read = partsOfCheckpointId(id) && (await readSignedJson(repository, checkpointKey(database, id), checkpointKind));
  if (read) return { id, database, checkpoint: read.content, sha256: read.sha256, signer: read.signer };
  throw new HoldfastError("not-found", `no checkpoint ${id} of ${database} in ${repository.store.url}`, { hints: ["`holdfast checkpoint list` shows what there is."] });
}

/**
 * Proves an object of the checkpoints' folder: a checkpoint, or a record of a deploy.
 * @returns the backup that a checkpoint goes back to; null for a record of a deploy; undefined if it is not there
 * @throws HoldfastError `integrity` when it is neither, unsigned, changed or signed by a stranger
 */
export async function proveCheckpointObject(repository: Repository, database: string, name: string): Promise<{ readonly backup: string | null } | undefined> {
  const key = checkpointKey(database, name);
  if (partsOfDeployedName(name) !== undefined) return (await readSignedJson(repository, key, deployedKind)) && { backup: null };
  if (partsOfCheckpointId(name) === undefined) throw misnamed(key);
  const read = await readSignedJson(repository, key, checkpointKind);
  return read && { backup: read.content.backup.id };
}

function misnamed(key: string): HoldfastError {
  return new HoldfastError("integrity", `${key} is not named like a checkpoint, which is as 1.4.2-20261121T020000Z`);
}

/** The checkpoints of a database, that of the newest snapshot first; those that cannot be trusted say why, and stand where their name puts them. */
export async function listCheckpoints(repository: Repository, database: string): Promise<CheckpointEntry[]> {
  const names = (await namesIn(repository.store, database)).filter((name) => partsOfDeployedName(name) === undefined);
  const entries: CheckpointEntry[] = [];
  for await (const entry of ahead(names, (id) => readEntry(repository, database, id))) if (entry) entries.push(entry);
  return entries.sort((a, b) => snapshotOf(b) - snapshotOf(a) || timeOf(b) - timeOf(a) || b.id.localeCompare(a.id));
}

const timeOf = ({ id, checkpoint }: CheckpointEntry): number => (checkpoint ? Date.parse(checkpoint.takenAt) : (partsOfCheckpointId(id)?.at.getTime() ?? -Infinity));
/** By the clock of the database's server, which the hosts that take checkpoints share: one whose own is ahead would stand first until the others have caught up. */
const snapshotOf = (entry: CheckpointEntry): number => (entry.checkpoint ? Date.parse(entry.checkpoint.backup.snapshotAt) : timeOf(entry));

/** Names of the JSON files of the checkpoints' folder, without their ending. */
async function namesIn(store: Store, database: string): Promise<string[]> {
  const folder = checkpointsFolder(database);
  const names: string[] = [];
  for await (const { key } of store.list(folder)) if (key.endsWith(".json")) names.push(key.slice(folder.length, -".json".length));
  return names;
}

/** Undefined if it is gone since it was listed. */
async function readEntry(repository: Repository, database: string, id: string): Promise<CheckpointEntry | undefined> {
  const key = checkpointKey(database, id);
  try {
    if (partsOfCheckpointId(id) === undefined) throw misnamed(key);
    const read = await readSignedJson(repository, key, checkpointKind);
    return read && { id, database, checkpoint: read.content, sha256: read.sha256, signer: read.signer };
  } catch (error) {
    if (!(error instanceof HoldfastError && error.code === "integrity")) throw error;
    const stored = await repository.store.get(key);
    return stored && { id, database, problem: error, claims: claimsOf(parseJson(stored.bytes)) };
  }
}

const claimsShape = z.object({
  release: z.string().optional().catch(undefined),
  running: z.string().optional().catch(undefined),
  backup: z.union([z.string(), z.object({ id: z.string() }).transform(({ id }) => id)]).optional().catch(undefined),
});

function claimsOf(json: unknown): UntrustedCheckpoint["claims"] {
  return claimsShape.safeParse(json).data ?? {};
}

/** Signs and publishes what was seen after a deploy. @throws HoldfastError `integrity` if another lies there; what the store throws */
export async function publishDeployed({ store }: Repository, deployed: Deployed, signer: Signer): Promise<void> {
  const key = deployedKey(deployed.database, deployed.checkpoint, new Date(deployed.at));
  await publishSigned(store, key, serializeJson(deployed, deployedSchema), signer, "Another host looked at the deploy in the same second; look again.");
}

export type DeployedEntry = { readonly checkpoint: string; readonly name: string } & ({ readonly deployed: Deployed; readonly problem?: never } | { readonly deployed?: never; readonly problem: HoldfastError });

/** What was seen after the deploys of a database, or of one checkpoint, newest first. */
export async function listDeployed(repository: Repository, database: string, checkpoint?: string): Promise<DeployedEntry[]> {
  const found = (await namesIn(repository.store, database)).flatMap((name) => {
    const parts = partsOfDeployedName(name);
    return parts === undefined || (checkpoint !== undefined && parts.checkpoint !== checkpoint) ? [] : [{ name, ...parts }];
  });
  const entries: DeployedEntry[] = [];
  for await (const entry of ahead(found.sort((a, b) => b.at.getTime() - a.at.getTime()), (parts) => readDeployed(repository, database, parts))) if (entry) entries.push(entry);
  return entries;
}

async function readDeployed(repository: Repository, database: string, { name, checkpoint }: { readonly name: string; readonly checkpoint: string }): Promise<DeployedEntry | undefined> {
  try {
    const read = await readSignedJson(repository, checkpointKey(database, name), deployedKind);
    return read && { checkpoint, name, deployed: read.content };
  } catch (error) {
    if (error instanceof HoldfastError && error.code === "integrity") return { checkpoint, name, problem: error };
    throw error;
  }
}

export { findBefore, findTarget } from "./choice.ts";
