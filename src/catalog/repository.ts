/** A repository: the marker that makes a location one. */
import { randomUUID } from "node:crypto";
import { z } from "zod";

import { HoldfastError } from "../errors.ts";
import type { Store } from "../store/store.ts";
import { formatVersion, markerKey, timelineFolder } from "./layout.ts";
import type { TrustedSigner } from "./signatures.ts";

const formatSchema = z.looseObject({ format: z.number() });
const markerSchema = z.object({ format: z.literal(formatVersion), id: z.uuid(), createdAt: z.string() });

export interface Repository {
  readonly store: Store;
  /** Made by `repository init`; names the repository wherever it is copied to. */
  readonly id: string;
  readonly trusted: readonly TrustedSigner[];
}

/**
 * Makes a location a repository.
 * @returns its id, and whether it was one already
 */
export async function initRepository(store: Store, now: Date): Promise<{ id: string; created: boolean }> {
  const id = randomUUID();
  const marker = { format: formatVersion, id, createdAt: now.toISOString() };
  const written = await store.put(markerKey, Buffer.from(`${JSON.stringify(marker, null, 2)}\n`), { ifAbsent: true });
  if (written !== undefined) return { id, created: true };
  return { id: (await openRepository(store, [])).id, created: false };
}

/**
 * Opens a location that `repository init` has made a repository.
 * @throws HoldfastError `not-found` if it is none, `integrity` if its marker is damaged or of a format that we do not know
 */
export async function openRepository(store: Store, trusted: readonly TrustedSigner[]): Promise<Repository> {
  const stored = await store.get(markerKey);
  if (stored === undefined) {
    throw new HoldfastError("not-found", `${store.url} is not a repository: it has no ${markerKey}`, {
      hints: ["Check the location, or make it a repository with `holdfast repository init`."],
    });
  }
  const marker = readMarker(stored.bytes, store.url);
  return { store, id: marker.id, trusted };
}

/** The format comes first: what else a newer marker says is not ours to judge. */
function readMarker(bytes: Buffer, url: string): z.infer<typeof markerSchema> {
  try {
    const json: unknown = JSON.parse(bytes.toString("utf8"));
    const { format } = formatSchema.parse(json);
    if (format === formatVersion) return markerSchema.parse(json);
    throw new HoldfastError("integrity", `${url} has repository format ${format}, but this holdfast knows format ${formatVersion}`, {
      hints: ["A newer holdfast may have made it: upgrade this one."],
      details: { part: markerKey, expected: formatVersion, found: format },
    });
  } catch (error) {
    if (error instanceof HoldfastError) throw error;
    throw new HoldfastError("integrity", `${markerKey} in ${url} is damaged: it is not the marker of a repository`, {
      hints: ["Put the marker back from a copy of the repository. The backups do not depend on it."],
      details: { part: markerKey },
      cause: error,
    });
  }
}

/** Databases that have something in the repository, in order of name. */
export async function databasesIn(store: Store): Promise<string[]> {
  const names: string[] = [];
  for await (const folder of store.listFolders("")) if (folder !== timelineFolder) names.push(folder);
  return names;
}
