/** What killed drills have left, on every kind of place, and its removal. */
import { messageOf } from "../../errors.ts";
import type { Leftover, ScratchProvider } from "./scratch.ts";

export interface Removal {
  /** What is gone now. */
  readonly removed: readonly Leftover[];
  /** What still belongs to a drill that may run. */
  readonly kept: readonly Leftover[];
  /** What could not be removed, in words; empty is the proof that nothing of a killed drill is there. */
  readonly stillThere: readonly string[];
}

/** Everything of drills that is found. Folders come last: a container that is still being made would use its folder. */
export async function findLeftovers(providers: readonly ScratchProvider[]): Promise<Leftover[]> {
  const found: Leftover[] = [];
  for (const provider of lastFirst(providers)) found.push(...(await provider.leftovers()));
  return found;
}

/** Removes what no drill needs any more. */
export async function removeLeftovers(providers: readonly ScratchProvider[]): Promise<Removal> {
  const removed: Leftover[] = [];
  const kept: Leftover[] = [];
  const stillThere: string[] = [];
  for (const provider of lastFirst(providers)) {
    for (const leftover of await provider.leftovers()) {
      if (!leftover.abandoned) {
        kept.push(leftover);
        continue;
      }
      const left = await leftover.remove().catch((error: unknown) => [`${leftover.name} (${messageOf(error)})`]);
      if (left.length === 0) removed.push(leftover);
      else stillThere.push(...left);
    }
  }
  return { removed, kept, stillThere };
}

function lastFirst(providers: readonly ScratchProvider[]): ScratchProvider[] {
  return [...providers.filter(({ name }) => name !== "local"), ...providers.filter(({ name }) => name === "local")];
}
