/** Rollbacks in the repository: `rollbacks/<id>/plan.json`, its journal, and `outcome.json` once it has ended. */
import { createHash } from "node:crypto";
import type { z } from "zod";

import { rollbackKey, rollbacksFolder } from "../../catalog/layout.ts";
import type { Repository } from "../../catalog/repository.ts";
import type { Signer } from "../../catalog/signatures.ts";
import { publishSigned, readSigned } from "../../catalog/signed-object.ts";
import { HoldfastError, messageOf } from "../../errors.ts";
import { type BegunRollback, begunSchema, outcomeSchema, type RollbackOutcome } from "./outcome.ts";

export const planFile = "plan.json";
export const outcomeFile = "outcome.json";

/** A rollback as its folder tells. */
export type RollbackRecord = { readonly id: string } & (
  | { readonly begun: BegunRollback; readonly planSha256: string; readonly outcome: RollbackOutcome | undefined; readonly problem?: never }
  | { readonly begun?: never; readonly planSha256?: never; readonly outcome?: never; readonly problem: HoldfastError }
);

const textOf = (value: object): Buffer => Buffer.from(`${JSON.stringify(value, null, 2)}\n`);
const sha256Of = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** @returns SHA-256 of the plan's bytes @throws HoldfastError `integrity` if another lies there; what the store throws */
export async function publishBegun({ store }: Repository, begun: BegunRollback, signer: Signer): Promise<string> {
  const bytes = textOf(begunSchema.parse(begun));
  await publishSigned(store, rollbackKey(begun.database, begun.id, planFile), bytes, signer, "A rollback writes its plan once; run it again.");
  return sha256Of(bytes);
}

export async function publishOutcome({ store }: Repository, outcome: RollbackOutcome, signer: Signer): Promise<void> {
  await publishSigned(store, rollbackKey(outcome.database, outcome.rollback, outcomeFile), textOf(outcomeSchema.parse(outcome)), signer, "A rollback ends once.");
}

/** Reads one rollback. @throws HoldfastError `not-found`, or `integrity` if it cannot be trusted */
export async function readRollback(repository: Repository, database: string, id: string): Promise<Exclude<RollbackRecord, { problem: HoldfastError }>> {
  const begun = await readOne(repository, database, id, planFile, begunSchema, ({ startedAt }) => startedAt);
  if (begun === undefined) {
    throw new HoldfastError("not-found", `no rollback ${id} of ${database} in ${repository.store.url}`, { hints: ["`holdfast rollback list` shows what there is."] });
  }
  const outcome = await readOne(repository, database, id, outcomeFile, outcomeSchema, ({ finishedAt }) => finishedAt);
  if (begun.content.id !== id || begun.content.database !== database || (outcome !== undefined && outcome.content.rollback !== id)) {
    throw new HoldfastError("integrity", `the record of ${id} is that of ${begun.content.id}: it was moved or copied`, { hints: ["Put it back from a copy of the repository, if there is one."] });
  }
  return { id, begun: begun.content, planSha256: begun.sha256, outcome: outcome?.content };
}

/** The rollbacks of a database, newest first; what cannot be trusted is listed with its problem. */
export async function listRollbacks(repository: Repository, database: string): Promise<RollbackRecord[]> {
  const folder = rollbacksFolder(database);
  const ids = new Set<string>();
  for await (const { key } of repository.store.list(folder)) ids.add(key.slice(folder.length).split("/")[0] ?? "");
  const records: RollbackRecord[] = [];
  for (const id of [...ids].toSorted().reverse()) records.push(await readRollback(repository, database, id).catch((error: unknown) => ({ id, problem: asProblem(error) })));
  return records;
}

function asProblem(error: unknown): HoldfastError {
  if (!(error instanceof HoldfastError) || (error.code !== "integrity" && error.code !== "not-found")) throw error;
  return error;
}

async function readOne<T extends { readonly signer: string }>(repository: Repository, database: string, id: string, file: string, shape: z.ZodType<T>, at: (content: T) => string): Promise<{ content: T; sha256: string } | undefined> {
  const key = rollbackKey(database, id, file);
  const signed = await readSigned(repository, key, { noun: "rollback", warning: "Do not go on with it", parse: (bytes) => parsed(bytes, shape, key), at: (content) => new Date(at(content)) });
  return signed && { content: signed.content, sha256: sha256Of(signed.bytes) };
}

function parsed<T>(bytes: Buffer, shape: z.ZodType<T>, key: string): T {
  try {
    return shape.parse(JSON.parse(bytes.toString("utf8")));
  } catch (error) {
    throw new HoldfastError("integrity", `${key} is not a record that this holdfast knows: ${messageOf(error)}`, { cause: error });
  }
}
