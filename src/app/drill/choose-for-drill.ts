/** Which backup a drill tries: as for a restore, or any one of the last days, so that not only the newest is ever proved. */
import { createHash } from "node:crypto";

import type { BackupChoice } from "../../catalog/choice.ts";
import { backupKey, manifestFile } from "../../catalog/layout.ts";
import { listBackups } from "../../catalog/listing.ts";
import type { Manifest } from "../../catalog/manifest.ts";
import type { Repository } from "../../catalog/repository.ts";
import { HoldfastError } from "../../errors.ts";
import { chooseAloud } from "../backup/choose-aloud.ts";
import type { Context } from "../context.ts";

export type DrillChoice = BackupChoice | { readonly randomWithinMs: number };

/** A backup, and how it was chosen, in words. One that was named and cannot be trusted is a finding of the drill. */
export type ChosenBackup = { readonly how: string } & (
  | { readonly manifest: Manifest; readonly manifestSha256: string; readonly problem?: never }
  | { readonly manifest?: never; readonly problem: HoldfastError }
);

/** @throws HoldfastError as for a restore; `not-found` if there is none in the time to choose from */
export async function chooseForDrill(context: Context, repository: Repository, database: string, choice: DrillChoice): Promise<ChosenBackup> {
  if ("randomWithinMs" in choice) return chooseAtRandom(context, repository, database, choice.randomWithinMs);
  const how = "id" in choice ? "by its id" : "asOf" in choice ? `the newest not after ${choice.asOf.toISOString()}` : "the latest";
  try {
    return await chosen(repository, await chooseAloud(context, repository, database, choice), how);
  } catch (error) {
    if (error instanceof HoldfastError && error.code === "integrity") return { how, problem: error };
    throw error;
  }
}

async function chooseAtRandom({ clock, ids }: Context, repository: Repository, database: string, withinMs: number): Promise<ChosenBackup> {
  const since = clock.now().getTime() - withinMs;
  const days = Math.round(withinMs / 86_400_000);
  const candidates = (await listBackups(repository, database)).flatMap(({ manifest }) => (manifest !== undefined && Date.parse(manifest.snapshotAt) >= since ? [manifest] : []));
  const manifest = candidates[Number.parseInt(ids.suffix(), 16) % candidates.length];
  if (manifest === undefined) throw new HoldfastError("not-found", `no backup of ${database} from the last ${days} days`, { hints: ["`holdfast backup list` shows what there is."] });
  return chosen(repository, manifest, `at random among the ${candidates.length} of the last ${days} days`);
}

async function chosen({ store }: Repository, manifest: Manifest, how: string): Promise<ChosenBackup> {
  const stored = await store.get(backupKey(manifest.database, manifest.id, manifestFile));
  if (stored === undefined) throw new HoldfastError("not-found", `backup ${manifest.id} was removed while it was chosen`);
  return { how, manifest, manifestSha256: createHash("sha256").update(stored.bytes).digest("hex") };
}
