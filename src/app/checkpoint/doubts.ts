/** What speaks against a checkpoint of the present state, said before the deploy: after it nothing of it can be mended. */
import type { DatabaseConfig } from "../../config/config.ts";
import { HoldfastError } from "../../errors.ts";
import type { Platform, PlatformState } from "../../rollback/platform/platform.ts";
import { databaseServiceHint, databaseServices } from "../rollback/database-service.ts";

/** @throws HoldfastError `configuration` where nothing runs, or the database would be stopped with the release */
export function requireGoodPlace(runs: PlatformState, database: DatabaseConfig): void {
  requireSomething(runs);
  const names = databaseServices(runs, database);
  if (names.length > 0) throw new HoldfastError("configuration", `the database is reached through a service of the release: ${names.join(", ")}`, { hints: [databaseServiceHint] });
}

/** A wrong name of a project looks like one that is down. A rollback to nothing would change nothing, and be done. */
function requireSomething({ address, workloads }: PlatformState): void {
  if (workloads.length === 0 || workloads.some(({ replicas }) => replicas > 0)) return;
  const place = Object.entries(address).map(([name, value]) => `${name} ${value}`).join(", ");
  throw new HoldfastError("configuration", `nothing runs of ${workloads.map(({ name }) => name).join(", ")} (${place}), so there is nothing to go back to`, {
    hints: ["Look whether the rollback's configuration names the place where the application runs.", "If it is stopped on purpose, take the checkpoint while it runs: a checkpoint records what runs."],
  });
}

/** What of a rollback's preflight is about what is recorded, rather than about the moment of the rollback. */
const ofTheRecord: ReadonlySet<string> = new Set(["stopped", "directory", "configuration"]);

/** What would be gone back to, where it is not what runs; what would not be there any more; and what would refuse the rollback. */
export async function doubtsAbout(platform: Platform, runs: PlatformState, signal: AbortSignal): Promise<string[]> {
  const unlike = (await platform.observe(runs, signal)).flatMap(({ problem }) => problem ?? []);
  const still = runs.workloads.filter(({ replicas }) => replicas === 0).map(({ name }) => name);
  return [
    ...(unlike.length > 0 ? [`what is deployed is not what runs (${unlike.join("; ")}): a rollback to this checkpoint would come back to what is deployed`] : []),
    ...(still.length > 0 ? [`nothing runs of ${still.join(", ")}: a rollback to this checkpoint would come back to that`] : []),
    ...((await platform.forgets?.(signal)) ?? []),
    ...(platform.kind === "compose" ? await refusalsOf(platform, runs, signal) : []),
  ];
}

/** Of a cluster, `doctor` asks. */
async function refusalsOf(platform: Platform, runs: PlatformState, signal: AbortSignal): Promise<string[]> {
  const found = await platform.preflight(runs, runs, signal);
  return found.flatMap(({ id, outcome, detail }) => (outcome === "blocked" ? [`as things are now, a rollback to this checkpoint would be refused: ${detail}`] : ofTheRecord.has(id) ? [detail] : []));
}
