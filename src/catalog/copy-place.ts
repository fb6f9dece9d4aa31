/** Where copies of a repository lie: a location of its own id, whose marker says whose backups it holds. */
import { randomUUID } from "node:crypto";

import { HoldfastError } from "../errors.ts";
import type { Store } from "../store/store.ts";
import { formatVersion } from "./layout.ts";
import { findRepository, openRepository, type Repository, writeMarker } from "./repository.ts";

/** The repository that the backups were made in: all its copies, and the copies of these, share it. */
export function originOf({ id, copyOf }: Repository): string {
  return copyOf ?? id;
}

/**
 * Opens `store` as a place for copies of `source`'s backups; an empty location becomes one.
 * @throws HoldfastError `refused` if it is the source itself, however it is spelled, or holds anything but the source's backups
 */
export async function openCopyPlace(source: Repository, store: Store, now: Date): Promise<Repository> {
  refuseNesting(source.store.url, store.url);
  let found = await findRepository(store, source.trusted);
  if (found === undefined) {
    await requireEmpty(store);
    await writeMarker(store, { format: formatVersion, id: randomUUID(), createdAt: now.toISOString(), copyOf: originOf(source) });
    found = await openRepository(store, source.trusted);
  }
  if (found.id === source.id) {
    throw new HoldfastError("refused", `${store.url} is the repository that is to be copied itself: both are repository ${source.id}`, {
      hints: ["Name another location with --to. If the folder was copied by hand, remove that and let `holdfast repository copy` make it."],
    });
  }
  if (originOf(found) !== originOf(source)) {
    throw new HoldfastError("refused", `${store.url} is another repository: it ${describe(found)}, but the backups are those of ${originOf(source)}`, {
      hints: ["Name an empty location with --to; it becomes a copy by itself, without `repository init`."],
      details: { expected: originOf(source), found: originOf(found) },
    });
  }
  return found;
}

function describe({ id, copyOf }: Repository): string {
  return copyOf === undefined ? `is ${id}` : `is a copy of ${copyOf}`;
}

async function requireEmpty(store: Store): Promise<void> {
  for await (const { key } of store.list("")) {
    throw new HoldfastError("refused", `${store.url} is no repository, and not empty: it holds ${key}`, { hints: ["Name an empty location with --to."] });
  }
}

/** One inside the other would be listed as one of its databases. */
function refuseNesting(source: string, destination: string): void {
  const [from, to] = [placeIn(source), placeIn(destination)];
  if (from.server !== to.server || from.folder === to.folder) return;
  if (!from.folder.startsWith(to.folder) && !to.folder.startsWith(from.folder)) return;
  throw new HoldfastError("refused", `${source} and ${destination} lie one inside the other`, { hints: ["Name a location beside the repository with --to; best on other hardware."] });
}

function placeIn(url: string): { readonly folder: string; readonly server: string } {
  const [place = "", server = ""] = url.split("?", 2);
  return { folder: `${place}/`, server };
}
