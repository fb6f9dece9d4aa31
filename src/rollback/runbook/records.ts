/**
 * Executions of runbooks: what was begun, signed, with the text that is executed, so that it can be gone on with on another
 * host or after the file was changed. It lies on this host first, since the repository may be what is broken.
 */
import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";

import { runbookKey } from "../../catalog/layout.ts";
import type { Repository } from "../../catalog/repository.ts";
import { openRecord, sealRecord } from "../../catalog/signed-record.ts";
import type { Signer } from "../../catalog/signatures.ts";
import { HoldfastError, systemCodeOf } from "../../errors.ts";

export const begunRunbookSchema = z.strictObject({
  format: z.literal(1),
  kind: z.literal("holdfast-runbook"),
  id: z.string(),
  database: z.string(),
  startedAt: z.iso.datetime({ precision: 3 }),
  by: z.strictObject({ user: z.string(), host: z.string(), operator: z.string().nullable(), holdfast: z.string() }),
  reason: z.string().nullable(),
  runbook: z.strictObject({ id: z.string(), path: z.string(), sha256: z.string(), source: z.string() }),
  /** Without the secrets, which whoever goes on has to give again. */
  inputs: z.record(z.string(), z.string()),
  /** That was opened for it; null where none could be. */
  incident: z.string().nullable(),
  signer: z.string(),
});
export type BegunRunbook = z.infer<typeof begunRunbookSchema>;

export const sha256Of = (text: string): string => createHash("sha256").update(text).digest("hex");

const file = "begun.json";
const localPath = (stateDir: string, id: string): string => join(stateDir, "rollbacks", id, file);

/** @throws HoldfastError `store-failed` if it is not on this host's disk; whether the repository has it is `stored`'s to say */
export async function writeBegun({ store }: Repository, stateDir: string, begun: BegunRunbook, signer: Signer): Promise<{ readonly stored: unknown }> {
  const bytes = sealRecord(begunRunbookSchema.parse(begun), signer);
  const path = localPath(stateDir, begun.id);
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeFile(path, bytes, { flag: "wx", mode: 0o600, flush: true });
  } catch (error) {
    throw new HoldfastError("store-failed", `${path} cannot be written: ${systemCodeOf(error) ?? "unknown"}`, { hints: ["Nothing was begun. Let the user that runs holdfast write there, which HOLDFAST_STATE_DIR places."], cause: error });
  }
  return { stored: await store.put(runbookKey(begun.database, begun.id, file), bytes, { ifAbsent: true }).then(() => undefined, (error: unknown) => error) };
}

/** From this host, or from the repository. @throws HoldfastError `not-found`, or `integrity` if it cannot be trusted */
export async function readBegun(repository: Repository, stateDir: string, database: string, id: string): Promise<BegunRunbook> {
  const local = await readFile(localPath(stateDir, id)).catch(() => undefined);
  const begun = local === undefined ? await readStoredBegun(repository, database, id) : proven(local, repository, database, id);
  if (begun !== undefined) return begun;
  throw new HoldfastError("not-found", `no execution ${id} of a runbook for ${database}, neither on this host nor in ${repository.store.url}`);
}

/** As the repository has it; undefined if it has not. @throws HoldfastError `integrity` if it cannot be trusted */
export async function readStoredBegun(repository: Repository, database: string, id: string): Promise<BegunRunbook | undefined> {
  const stored = await repository.store.get(runbookKey(database, id, file));
  return stored && proven(stored.bytes, repository, database, id);
}

function proven(bytes: Buffer, { trusted }: Repository, database: string, id: string): BegunRunbook {
  const key = runbookKey(database, id, file);
  const { record } = openRecord(bytes, begunRunbookSchema, trusted, key, ({ startedAt }) => startedAt);
  if (record.id === id && record.database === database && record.runbook.sha256 === sha256Of(record.runbook.source)) return record;
  throw new HoldfastError("integrity", `the record of ${id} is that of ${record.id}: it was moved or copied`, { hints: ["Put it back from a copy of the repository, if there is one."] });
}
