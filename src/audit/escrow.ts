/** The timeline of a repository, kept by its copies byte for byte: whoever destroys the repository does not destroy its history. */
import { HoldfastError } from "../errors.ts";
import type { Store } from "../store/store.ts";

const entry = /^\d{4}\/\d{10}\.json$/;
/** How many entries are under way at once. */
const fetches = 8;

export interface EscrowOptions {
  /** Folder of the timeline at the source, and where it is kept at the destination; without a slash. */
  readonly from: string;
  readonly to: string;
  /** Compares the bytes of what is there already; otherwise its sizes. */
  readonly verify: boolean;
  readonly signal: AbortSignal;
}

/**
 * Brings the entries that the destination lacks. Entries never change: what differs from what was kept is evidence.
 * @returns how many were brought
 * @throws HoldfastError `integrity` naming the entries that differ; the missing ones have been brought
 */
export async function keepTimeline(source: Store, destination: Store, { from, to, verify, signal }: EscrowOptions): Promise<number> {
  const kept = new Map<string, number>();
  for await (const { key, bytes } of destination.list(`${to}/`)) kept.set(key.slice(to.length + 1), bytes);
  const different: string[] = [];
  let brought = 0;
  const work = async (name: string, bytes: number): Promise<void> => {
    const there = kept.get(name);
    if (there !== undefined && there === bytes && !verify) return;
    const stored = await source.get(`${from}/${name}`);
    if (stored === undefined) return;
    if (there === undefined && (await destination.put(`${to}/${name}`, stored.bytes, { ifAbsent: true })) !== undefined) brought += 1;
    else if ((await destination.get(`${to}/${name}`))?.bytes.equals(stored.bytes) !== true) different.push(name);
  };
  const running = new Set<Promise<void>>();
  for await (const { key, bytes } of source.list(`${from}/`)) {
    const name = key.slice(from.length + 1);
    if (!entry.test(name)) continue;
    signal.throwIfAborted();
    const one = work(name, bytes).finally(() => running.delete(one));
    running.add(one);
    if (running.size >= fetches) await Promise.race(running);
  }
  await Promise.all(running);
  if (different.length > 0) {
    throw new HoldfastError("integrity", `the timeline differs from what ${destination.url} kept of it: ${different.sort().slice(0, 5).join(", ")}${different.length > 5 ? ` and ${different.length - 5} more` : ""}`, {
      hints: ["One of them was changed after it was written: run `holdfast audit verify`, and keep both until you know which."],
      details: { entries: different.length },
    });
  }
  return brought;
}
