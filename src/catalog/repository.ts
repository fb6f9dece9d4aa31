/** A repository: the marker that makes a location one. */
import { randomUUID } from "node:crypto";
import { z } from "zod";

import { HoldfastError } from "../errors.ts";
import type { Store } from "../store/store.ts";
import { escrowFolder, formatVersion, markerKey, timelineFolder } from "./layout.ts";
import type { TrustedSigner } from "./signatures.ts";

const formatSchema = z.looseObject({ format: z.number() });
const markerSchema = z.object({ format: z.literal(formatVersion), id: z.uuid(), createdAt: z.string(), copyOf: z.uuid().optional() });

export type Marker = z.infer<typeof markerSchema>;

export interface Repository {
  readonly store: Store;
  /** Drawn when it was made. No two locations have the same: a copy has an id of its own. */
  readonly id: string;
  /** Of a copy, the repository whose backups it holds. */
  readonly copyOf?: string | undefined;
  readonly trusted: readonly TrustedSigner[];
}

/**
 * Makes a location a repository.
 * @returns its id, and whether it was one already
 */
export async function initRepository(store: Store, now: Date): Promise<{ id: string; created: boolean }> {
  const id = randomUUID();
  if (await writeMarker(store, { format: formatVersion, id, createdAt: now.toISOString() })) return { id, created: true };
  return { id: (await openRepository(store, [])).id, created: false };
}

/** @returns whether it was the first */
export async function writeMarker(store: Store, marker: Marker): Promise<boolean> {
  return (await store.put(markerKey, Buffer.from(`${JSON.stringify(marker, null, 2)}\n`), { ifAbsent: true })) !== undefined;
}

/**
 * Opens a location that `repository init` has made a repository.
 * @throws HoldfastError `not-found` if it is none, `integrity` if its marker is damaged or of a format that we do not know
 */
export async function openRepository(store: Store, trusted: readonly TrustedSigner[]): Promise<Repository> {
  const found = await findRepository(store, trusted);
  if (found === undefined) {
    throw new HoldfastError("not-found", `${store.url} is not a repository: it has no ${markerKey}`, {
      hints: ["Check the location, or make it a repository with `holdfast repository init`."],
    });
  }
  return found;
}

/** As {@link openRepository}; undefined where no marker lies. */
export async function findRepository(store: Store, trusted: readonly TrustedSigner[]): Promise<Repository | undefined> {
  const stored = await store.get(markerKey);
  if (stored === undefined) return undefined;
  const { id, copyOf } = readMarker(stored.bytes, store.url);
  return { store, id, copyOf, trusted };
}

/** The format comes first: what else a newer marker says is not ours to judge. */
function readMarker(bytes: Buffer, url: string): Marker {
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

/** Whether what says that it was made in the repository `made` belongs here: in a copy also what came from its origin. */
export function belongsTo({ id, copyOf }: Repository, made: string): boolean {
  return made === id || made === copyOf;
}

/** Databases that have something in the repository, in order of name. */
export async function databasesIn(store: Store): Promise<string[]> {
  const names: string[] = [];
  for await (const folder of store.listFolders("")) if (folder !== timelineFolder && folder !== escrowFolder) names.push(folder);
  return names;
}
