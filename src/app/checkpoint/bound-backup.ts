/** Whether the backup that a checkpoint is bound to is still the one that it saw. */
import { createHash } from "node:crypto";

import { readSignedManifest, type SignedManifest } from "../../catalog/authenticity.ts";
import type { Repository } from "../../catalog/repository.ts";
import { readShredRecord, wasShredded } from "../../catalog/shredded.ts";
import { HoldfastError } from "../../errors.ts";
import type { Checkpoint } from "../../rollback/checkpoint/checkpoint.ts";

export interface BoundBackup {
  /** `changed`: another manifest lies there than the one that the checkpoint saw, or one that cannot be trusted. */
  readonly state: "there" | "gone" | "shredded" | "changed";
  /** A clause without a full stop. */
  readonly detail: string;
}

export function manifestSha256({ bytes }: Pick<SignedManifest, "bytes">): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Looks at the manifest only. @throws what the store throws */
export async function boundBackup(repository: Repository, { database, backup }: Pick<Checkpoint, "database" | "backup">): Promise<BoundBackup> {
  try {
    const signed = await readSignedManifest(repository, database, backup.id);
    if (signed) return manifestSha256(signed) === backup.manifestSha256 ? { state: "there", detail: "it is there" } : { state: "changed", detail: `another manifest of ${backup.id} lies there than the checkpoint saw` };
    const shredded = await readShredRecord(repository, database, backup.id);
    return shredded ? { state: "shredded", detail: wasShredded(shredded).message } : { state: "gone", detail: `backup ${backup.id} is not in the repository any more` };
  } catch (error) {
    if (error instanceof HoldfastError && error.code === "integrity") return { state: "changed", detail: error.message };
    throw error;
  }
}
