/**
 * A chain of records on its way to a copy: what the copy's own object lacks of it is added there. The copy's may have grown
 * by itself, and is never cut, re-ordered or replaced.
 */
import type { z } from "zod";

import { HoldfastError } from "../errors.ts";
import type { Repository } from "./repository.ts";
import { type Chain, type Chained, openChain, type StoredChain } from "./signed-chain.ts";

/** `whole`: the copy has all records. `kept-back`: it lacks some, which were not admitted. `parted`: each of both has what the other has not. */
export type Continuation = "whole" | "kept-back" | "parted";

export interface Continued {
  readonly outcome: Continuation;
  /** Whether records were added to the copy's. */
  readonly added: boolean;
}

export interface ChainCopy<T> {
  readonly shape: z.ZodType<T>;
  /** Whether a record is about what the object is about. */
  readonly belongs: (record: T, index: number) => boolean;
  /** Whether the copy's chain may become this one; any may by default. */
  readonly admits?: (chain: Chain<T>, before: Chain<T>) => boolean;
}

const mostRaces = 5;

/**
 * @returns what became of it with both chains as they are now; undefined if there is no such object at the source
 * @throws HoldfastError `integrity` if a record of either cannot be trusted; `store-failed`
 */
export async function continueChain<T extends Chained>(source: Repository, copy: Repository, key: string, rules: ChainCopy<T>): Promise<(Continued & { readonly chains: { readonly source: Chain<T>; readonly copy: Chain<T> } }) | undefined> {
  const from = await openTrusted(source, key, rules);
  if (from === undefined) return undefined;
  for (let race = 0; race < mostRaces; race += 1) {
    const there = await openTrusted(copy, key, rules);
    const before = there?.chain ?? [];
    const common = commonStart(from.texts, there?.texts ?? []);
    const answer = (outcome: Continuation, copied: Chain<T>, added = false) => ({ outcome, added, chains: { source: from.chain, copy: copied } });
    if (common < before.length) return answer(common === from.chain.length ? "whole" : "parted", before);
    const length = admitted(from, before, rules);
    const outcome = length === from.chain.length ? "whole" : "kept-back";
    if (length === before.length) return answer(outcome, before);
    const written = await copy.store.put(key, from.beginning(length), there === undefined ? { ifAbsent: true } : { ifVersion: there.version });
    if (written !== undefined) return answer(outcome, from.chain.slice(0, length), true);
  }
  throw new HoldfastError("store-failed", `${key} cannot be written to ${copy.store.url}: ${mostRaces} conditional puts in a row were refused`, { hints: ["Copy again; `holdfast doctor` looks at the storage."] });
}

/** The longest beginning of the source's chain that goes on from what is there and is admitted. */
function admitted<T>({ chain }: StoredChain<T>, before: Chain<T>, { admits }: ChainCopy<T>): number {
  let length = chain.length;
  while (length > before.length && admits?.(chain.slice(0, length), before) === false) length -= 1;
  return length;
}

function commonStart(a: readonly string[], b: readonly string[]): number {
  const end = a.findIndex((text, at) => text !== b[at]);
  return end === -1 ? a.length : end;
}

async function openTrusted<T extends Chained>(repository: Repository, key: string, { shape, belongs }: ChainCopy<T>): Promise<StoredChain<T> | undefined> {
  const found = await openChain(repository, key, shape);
  const wrong = found?.chain.findIndex((record, index) => record === undefined || !belongs(record, index)) ?? -1;
  if (wrong === -1) return found;
  throw new HoldfastError("integrity", `record ${wrong + 1} of ${key} in ${repository.store.url} cannot be trusted: it was changed, moved, or signed by a stranger`, {
    hints: ["Nothing of it was copied or replaced. Find out who wrote it; the other place may hold it as it was."],
    details: { key, record: wrong + 1 },
  });
}
