/** Reading the chain: many small objects, so several are fetched at once, and no year that cannot matter. */
import { type ChainObject, type ChainStore, type Recorded, listYear, listYears } from "./chain.ts";
import { decode, largestObject } from "./entry.ts";

/** Which entries, by the time at which they were done. */
export interface Range {
  /** This instant and later. */
  readonly since?: Date | undefined;
  /** Before this instant. */
  readonly until?: Date | undefined;
  /** Only the last so many of them. */
  readonly last?: number | undefined;
}

const width = 16;

/** Results of `work` in the order of `items`, with some of them under way ahead of the reader. */
export async function* ahead<T, R>(items: Iterable<T>, work: (item: T) => Promise<R>): AsyncGenerator<R> {
  const underWay: Promise<R>[] = [];
  for (const item of items) {
    const result = work(item);
    // Awaited in its turn; until then a rejection is not an unhandled one.
    result.catch(() => undefined);
    underWay.push(result);
    const first = underWay.length < width ? undefined : underWay.shift();
    if (first !== undefined) yield await first;
  }
  for (const result of underWay) yield await result;
}

/** The exact bytes of an object, or undefined if it is gone or too large to be an entry. */
export async function bytesOf(store: ChainStore, { key, bytes }: { readonly key: string; readonly bytes: number }): Promise<Buffer | undefined> {
  return bytes > largestObject ? undefined : (await store.get(key))?.bytes;
}

/** The entries of a range in the chain's order. Objects that are no entries are passed over. */
export async function* select(store: ChainStore, { since, until, last }: Range): AsyncGenerator<Recorded> {
  // An entry never stands in the folder of an earlier year than its own, but for the one that closes that folder.
  const years = (await listYears(store)).filter((year) => since === undefined || year >= since.getUTCFullYear());
  const matches = ({ entry }: Recorded) => {
    const at = Date.parse(entry.at);
    return (since === undefined || at >= since.getTime()) && (until === undefined || at < until.getTime());
  };
  if (last === undefined) {
    for (const year of years) yield* recordedIn(store, await listYear(store, year), matches);
    return;
  }
  const found: Recorded[] = [];
  for (const year of years.reverse()) {
    if (found.length >= last) break;
    for await (const recorded of recordedIn(store, (await listYear(store, year)).reverse(), matches)) {
      found.push(recorded);
      if (found.length >= last) break;
    }
  }
  yield* found.reverse();
}

async function* recordedIn(store: ChainStore, objects: readonly ChainObject[], matches: (recorded: Recorded) => boolean): AsyncGenerator<Recorded> {
  const read = async (object: ChainObject) => ({ key: object.key, bytes: await bytesOf(store, object) });
  for await (const { key, bytes } of ahead(objects, read)) {
    const entry = bytes && decode(bytes)?.entry;
    if (bytes !== undefined && entry !== undefined && matches({ key, bytes, entry })) yield { key, bytes, entry };
  }
}
