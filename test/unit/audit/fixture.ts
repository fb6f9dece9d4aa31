/** A timeline on a store in memory, with a clock that the test sets. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

import type { Actor } from "../../../src/audit/actor.ts";
import type { Deed, TimelineEntry } from "../../../src/audit/entry.ts";
import { type Timeline, type TimelineOptions, openTimeline } from "../../../src/audit/timeline.ts";
import { generateSigningKey, loadSigner, loadTrustedSigners } from "../../../src/catalog/signatures.ts";
import { type MemoryStore, memoryStore } from "../../harness/memory-store.ts";

export const actor: Actor = { user: "backup", host: "db1", operator: null, tty: false };

/** A key pair as both sides hold it. */
export function keyPair() {
  const pair = generateSigningKey();
  return { signer: loadSigner(pair.privateKeyPem, "test"), trusted: loadTrustedSigners(pair.publicKeyPem, "test"), publicKeyPem: pair.publicKeyPem };
}

export class MutableClock {
  time: Date;
  constructor(time: string) {
    this.time = new Date(time);
  }
  now(): Date {
    return new Date(this.time);
  }
  set(time: string): void {
    this.time = new Date(time);
  }
}

export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-timeline-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export interface Bench {
  readonly store: MemoryStore;
  readonly clock: MutableClock;
  readonly stateDir: string;
  readonly keys: ReturnType<typeof keyPair>;
  readonly timeline: Timeline;
  /** Another host, or the same with other options. */
  readonly open: (options?: Partial<TimelineOptions>) => Timeline;
}

export async function bench(options: Partial<TimelineOptions> = {}): Promise<Bench> {
  const clock = new MutableClock("2026-03-01T02:00:00.000Z");
  const store = memoryStore(clock);
  const stateDir = await temporaryFolder();
  const keys = keyPair();
  const open = (more: Partial<TimelineOptions> = {}) =>
    openTimeline({ store, stateDir, repositoryId: "repo", signer: keys.signer, clock, actor, version: "0.1.0", pause: () => Promise.resolve(), ...options, ...more });
  return { store, clock, stateDir, keys, open, timeline: open() };
}

export function deed(backup: string, more: Partial<Deed> = {}): Deed {
  return { action: "backup", subject: { database: "ehr", backup }, outcome: "ok", seconds: 1.5, ...more };
}

/** Entries of the repository, oldest first. */
export async function entriesOf(timeline: Timeline): Promise<TimelineEntry[]> {
  return await collect(timeline.read());
}

export async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
}
