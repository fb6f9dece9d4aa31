/** The timeline of a repository, kept by its copies byte for byte: whoever destroys the repository does not destroy its history. */
import { escrowFolder, timelineFolder } from "../catalog/layout.ts";
import { HoldfastError } from "../errors.ts";
import type { Store, StoredBytes } from "../store/store.ts";
import type { ChainStore } from "./chain.ts";
import { ahead } from "./select.ts";

const entry = /^\d{4}\/\d{10}\.json$/;

export interface EscrowOptions {
  /** Folder of the timeline at the source, and where it is kept at the destination; without a slash. */
  readonly from: string;
  readonly to: string;
  /** Compares the bytes of what is there already; otherwise its sizes. */
  readonly verify: boolean;
  readonly signal: AbortSignal;
}

/** An entry of the source that is looked at; `stored` where its bytes were needed. */
interface Fetched {
  readonly name: string;
  readonly kept: boolean;
  readonly stored: StoredBytes | undefined;
}

/**
 * Brings the entries that the destination lacks, in their order: a copy that is killed leaves no gap. Entries never
 * change: what differs from what was kept is evidence.
 * @returns how many were brought
 * @throws HoldfastError `integrity` naming the entries that differ; the missing ones have been brought
 */
export async function keepTimeline(source: Store, destination: Store, { from, to, verify, signal }: EscrowOptions): Promise<number> {
  const kept = new Map<string, number>();
  for await (const { key, bytes } of destination.list(`${to}/`)) kept.set(key.slice(to.length + 1), bytes);
  const wanted: string[] = [];
  for await (const { key, bytes } of source.list(`${from}/`)) {
    const name = key.slice(from.length + 1);
    if (entry.test(name) && (verify || kept.get(name) !== bytes)) wanted.push(name);
  }
  const fetch = async (name: string): Promise<Fetched> => {
    const [stored, there] = await Promise.all([source.get(`${from}/${name}`, { first: true }), kept.has(name) ? destination.get(`${to}/${name}`) : undefined]);
    return { name, stored, kept: stored !== undefined && there?.bytes.equals(stored.bytes) === true };
  };
  const different: string[] = [];
  let brought = 0;
  for await (const { name, stored, kept: same } of ahead(wanted, fetch)) {
    signal.throwIfAborted();
    if (stored === undefined || same) continue;
    if (!kept.has(name) && (await destination.put(`${to}/${name}`, stored.bytes, { ifAbsent: true })) !== undefined) brought += 1;
    else if ((await destination.get(`${to}/${name}`))?.bytes.equals(stored.bytes) !== true) different.push(name);
  }
  if (different.length > 0) {
    throw new HoldfastError("integrity", `the timeline differs from what ${destination.url} kept of it: ${different.sort().slice(0, 5).join(", ")}${different.length > 5 ? ` and ${different.length - 5} more` : ""}`, {
      hints: ["One of them was changed after it was written: run `holdfast audit verify`, and keep both until you know which."],
      details: { entries: different.length },
    });
  }
  return brought;
}

/** What a copy keeps of its origin's timeline, to be read and verified as one. */
export function keptTimeline(store: ChainStore): ChainStore {
  const inside = (key: string): string => (key.startsWith(`${timelineFolder}/`) ? `${escrowFolder}/${key.slice(timelineFolder.length + 1)}` : key);
  const outside = (key: string): string => `${timelineFolder}/${key.slice(escrowFolder.length + 1)}`;
  return {
    get: (key, options) => store.get(inside(key), options),
    listFolders: (prefix) => store.listFolders(inside(prefix)),
    async *list(prefix, options) {
      for await (const object of store.list(inside(prefix), options)) yield { ...object, key: outside(object.key) };
    },
  };
}
