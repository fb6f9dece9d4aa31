/** Which backup a drill tries: as for a restore, or any one of the last days, so that not only the newest is ever proved. */
import type { BackupChoice } from "../catalog/choice.ts";
import { listBackups } from "../catalog/listing.ts";
import type { Manifest } from "../catalog/manifest.ts";
import type { Repository } from "../catalog/repository.ts";
import { HoldfastError } from "../errors.ts";
import { chooseAloud } from "./choose-aloud.ts";
import type { Context } from "./context.ts";

export type DrillChoice = BackupChoice | { readonly randomWithinMs: number };

/** A backup, and how it was chosen, in words. */
export interface ChosenBackup {
  readonly manifest: Manifest;
  readonly how: string;
}

/** @throws HoldfastError as for a restore; `not-found` if there is none in the time to choose from */
export async function chooseForDrill(context: Context, repository: Repository, database: string, choice: DrillChoice): Promise<ChosenBackup> {
  if ("randomWithinMs" in choice) return chooseAtRandom(context, repository, database, choice.randomWithinMs);
  const manifest = await chooseAloud(context, repository, database, choice);
  return { manifest, how: "id" in choice ? "by its id" : "asOf" in choice ? `the newest not after ${choice.asOf.toISOString()}` : "the latest" };
}

async function chooseAtRandom({ clock, ids }: Context, repository: Repository, database: string, withinMs: number): Promise<ChosenBackup> {
  const since = clock.now().getTime() - withinMs;
  const days = Math.round(withinMs / 86_400_000);
  const candidates = (await listBackups(repository, database)).flatMap(({ manifest }) => (manifest !== undefined && Date.parse(manifest.snapshotAt) >= since ? [manifest] : []));
  const manifest = candidates[Number.parseInt(ids.suffix(), 16) % candidates.length];
  if (manifest === undefined) throw new HoldfastError("not-found", `no backup of ${database} from the last ${days} days`, { hints: ["`holdfast backup list` shows what there is."] });
  return { manifest, how: `at random among the ${candidates.length} of the last ${days} days` };
}
