/** The scratch of one drill: how it is had for a backup, and that it is gone. */
import type { Manifest } from "../../catalog/manifest.ts";
import type { DrillSettings } from "../../config/drill-settings.ts";
import { chooseProvider } from "../../drill/scratch/providers.ts";
import type { Ownership, Scratch, ScratchProvider } from "../../drill/scratch/scratch.ts";
import { messageOf } from "../../errors.ts";
import { majorOf } from "../../postgres/server.ts";

export interface Provision {
  readonly owner: Ownership;
  readonly configured: DrillSettings["scratch"];
  readonly providers: readonly ScratchProvider[];
  readonly signal: AbortSignal;
}

/** Room for indexes and WAL beside the data. */
const growth = 1.2;

/** @throws HoldfastError `drill-unverified` if none can be had */
export async function provisionFor({ truth: { server, database } }: Manifest, { owner, configured, providers, signal }: Provision): Promise<Scratch> {
  const major = majorOf(server.versionNum);
  const provider = await chooseProvider(providers, configured, major);
  return provider.provision({ owner, major, bytes: Math.ceil(database.bytes * growth), database: database.name, signal });
}

/** Removes a scratch; one that cannot even be asked counts as still there. */
export function removed(scratch: Pick<Scratch, "name" | "destroy">): Promise<readonly string[]> {
  return scratch.destroy().catch((error: unknown) => [`${scratch.name} (${messageOf(error)})`]);
}

/** Of a scratch that could not be had, or whose making was cancelled, something may be left all the same. */
export async function removeRemains(providers: readonly ScratchProvider[], drill: string): Promise<readonly string[]> {
  const found = (await Promise.all(providers.map((provider) => provider.leftovers()))).flat().filter(({ owner }) => owner?.drill === drill);
  return (await Promise.all(found.map((leftover) => removed({ name: leftover.name, destroy: () => leftover.remove() })))).flat();
}
