/**
 * The timeline: the hash-chained, signed log of everything Holdfast did, and for whom. It stands in the repository,
 * with a copy of what this host wrote beside it. No entry is thrown away: one that cannot reach the repository waits
 * on this host and goes with the next that can.
 */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import type { Signer } from "../catalog/signatures.ts";
import { HoldfastError, messageOf, systemCodeOf } from "../errors.ts";
import type { Clock } from "../ports.ts";
import type { Store } from "../store/store.ts";
import type { Actor } from "./actor.ts";
import { append, closeYear } from "./chain.ts";
import { type Deed, type Draft, type TimelineEntry, draft } from "./entry.ts";
import { appendLine } from "./local-copy.ts";
import { type Pending, openPending } from "./pending.ts";
import { type Range, select } from "./select.ts";

export interface TimelineOptions {
  readonly store: Store;
  /** This host's folder for state; a `timeline` folder is made in it. */
  readonly stateDir: string;
  /** Tells the local copies of several repositories apart. */
  readonly repositoryId: string;
  /** Hosts without a signing key write unsigned entries. */
  readonly signer?: Signer | undefined;
  readonly clock: Clock;
  readonly actor: Actor;
  /** Holdfast's own. */
  readonly version: string;
  /** Waits between two attempts of a race. */
  readonly pause?: (milliseconds: number) => Promise<void>;
  /** From 0 to below 1: the jitter of those waits. */
  readonly random?: () => number;
}

/** Where an entry is now. */
export type Whereabouts = "repository" | "pending";

export interface Timeline {
  /** This host's copy, to compare the repository with. */
  readonly localCopy: string;

  /**
   * Records what was done, and brings entries that waited. An entry that does not reach the repository waits on this host.
   * @throws HoldfastError `store-failed` if it can be written neither to the repository nor here
   */
  record(deed: Deed): Promise<Whereabouts>;

  /** Entries of the repository in the chain's order. Says nothing about their truth: {@link verifyTimeline} does. */
  read(range?: Range): AsyncIterable<TimelineEntry>;

  /** The same range as JSON Lines with the exact bytes that were signed and chained, each line with its newline. */
  export(range?: Range): AsyncIterable<string>;

  /** Entries that wait on this host, oldest first. */
  pending(): Promise<readonly Draft[]>;
}

/** Where a host keeps its copy of a repository's timeline. */
export function localCopyPath(stateDir: string, repositoryId: string): string {
  return join(stateDir, "timeline", `${encodeURIComponent(repositoryId)}.jsonl`);
}

const pendingFolder = (localCopy: string): string => localCopy.replace(/jsonl$/, "pending");

function entryOf(deed: Deed, { clock, actor, version }: Pick<TimelineOptions, "clock" | "actor" | "version">): Draft {
  return draft(deed, { id: randomBytes(8).toString("hex"), at: clock.now(), actor, version });
}

/** Keeps what was done on this host only, for a repository that could not be opened; the next one to record there brings it. */
export async function recordForLater(options: Omit<TimelineOptions, "store">, deed: Deed): Promise<void> {
  const folder = pendingFolder(localCopyPath(options.stateDir, options.repositoryId));
  await openPending(folder).add(entryOf(deed, options));
}

export function openTimeline(options: TimelineOptions): Timeline {
  const localCopy = localCopyPath(options.stateDir, options.repositoryId);
  const folder = pendingFolder(localCopy);
  const pending = openPending(folder);
  const { store } = options;

  return {
    localCopy,
    pending: () => pending.list(),

    async record(deed) {
      const own = entryOf(deed, options);
      const unkept = await pending.add(own).then(() => undefined, (error: unknown) => ({ error }));
      try {
        const waiting = unkept === undefined ? await pending.list() : [];
        for (const entry of [...waiting.filter(({ id }) => id !== own.id), own]) {
          await bring(options, entry, { pending, localCopy, late: entry.id !== own.id, kept: unkept === undefined });
        }
        return "repository";
      } catch (error) {
        if (!(error instanceof HoldfastError) && systemCodeOf(error) === undefined) throw error;
        if (unkept === undefined) return "pending";
        throw new HoldfastError("store-failed", `the timeline's entry can be written neither to ${store.url} (${messageOf(error)}) nor to ${folder} (${messageOf(unkept.error)})`, {
          hints: ["Make the state folder writable, or free space on its disk, so that no entry is lost.", "Run `holdfast doctor` to see what the repository lacks."],
          cause: error,
        });
      }
    },

    async *read(range = {}) {
      for await (const { entry } of select(store, range)) yield entry;
    },

    async *export(range = {}) {
      for await (const { bytes } of select(store, range)) yield bytes.toString("utf8");
    },
  };
}

interface Way {
  readonly pending: Pending;
  readonly localCopy: string;
  readonly late: boolean;
  /** Whether the entry waits in the folder; on a full disk it does not. */
  readonly kept: boolean;
}

/** Brings one entry to the repository, then to the local copy, and only then lets it go. */
async function bring(options: TimelineOptions, entry: Draft, { pending, localCopy, late, kept }: Way): Promise<void> {
  const { store, signer, clock } = options;
  const written = await append(store, entry, {
    signer,
    now: clock.now(),
    late,
    closing: (next) => entryOf({ action: closeYear, subject: { next }, outcome: "ok", seconds: 0 }, options),
    anchor: (head) => (kept ? pending.anchor(entry, head) : Promise.resolve(head)),
    pause: options.pause ?? ((milliseconds) => sleep(milliseconds)),
    random: options.random ?? Math.random,
  });
  try {
    for (const { bytes } of written) await appendLine(localCopy, bytes);
    if (kept) await pending.remove(entry);
  } catch {
    // It is in the repository. While the copy lacks it the entry goes on waiting: the next round finds it in the chain and copies it then.
  }
}
