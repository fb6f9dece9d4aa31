/** A journal with its own keys, clock and repository in memory, and steps whose world is a list of words. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

import type { Repository } from "../../../src/catalog/repository.ts";
import type { Signer } from "../../../src/catalog/signatures.ts";
import type { Event } from "../../../src/ports.ts";
import { type DurableJournal, type JournalOptions, openJournal } from "../../../src/rollback/journal/open-journal.ts";
import { journalPath } from "../../../src/rollback/journal/journal-file.ts";
import type { Journal, JournalEntry, JournalNote } from "../../../src/rollback/journal/journal.ts";
import type { RollbackStep } from "../../../src/rollback/step.ts";
import { FakeTime } from "../../harness/fake-time.ts";
import type { MemoryStore } from "../../harness/memory-store.ts";
import { freshCatalog } from "../catalog/fixture.ts";

export const id = "rollback-ehr-20261121T020000Z-7f3a";

export interface JournalBench {
  readonly repository: Repository;
  readonly store: MemoryStore;
  readonly signer: Signer;
  readonly stateDir: string;
  /** The file on this host. */
  readonly path: string;
  readonly time: FakeTime;
  readonly events: Event[];
  warnings(): string[];
  /** Opens it as a new process would. */
  open(options?: Partial<JournalOptions>): Promise<DurableJournal>;
  /** Keys of the journal's objects. */
  keys(): string[];
}

export async function journalBench(): Promise<JournalBench> {
  const { store, repository, signer } = await freshCatalog();
  const stateDir = await mkdtemp(join(tmpdir(), "holdfast-journal-"));
  onTestFinished(() => rm(stateDir, { recursive: true, force: true }));
  const time = new FakeTime("2026-11-21T02:00:00.000Z");
  const events: Event[] = [];
  return {
    repository, store, signer, stateDir, time, events,
    path: journalPath(stateDir, id),
    warnings: () => events.flatMap((event) => (event.type === "note" && event.level === "warn" ? [event.message] : [])),
    open: (options) => openJournal({ stateDir, repository, database: "ehr", id, clock: time, actor: { user: "ann", host: "db1", operator: null }, signer, reporter: { emit: (event) => void events.push(event) }, timers: time, ...options }),
    keys: () => [...store.objects.keys()].filter((key) => key.includes("/journal/")),
  };
}

/** A journal in memory, for the loops alone. */
export function memoryJournal(notes: readonly JournalNote[] = []): Journal & { readonly said: () => string[]; readonly faults: { append?: (note: JournalNote) => void } } {
  const entries: JournalEntry[] = [];
  const faults: { append?: (note: JournalNote) => void } = {};
  const add = (note: JournalNote): void => {
    entries.push({ ...note, run: id, sequence: entries.length + 1, previous: null, at: `2026-11-21T02:00:${String(entries.length).padStart(2, "0")}.000Z`, by: { user: "ann", host: "db1", operator: null, pid: 1 } });
  };
  for (const note of notes) add(note);
  return {
    id,
    entries,
    faults,
    said: () => entries.map((entry) => ("step" in entry ? `${entry.kind} ${entry.step}` : entry.kind)),
    append: async (note) => {
      await Promise.resolve();
      faults.append?.(note);
      add(note);
    },
  };
}

/** A step whose effect is a word in `world`; `performs` and `undone` count what was really done. */
export function wordStep(step: string, world: Set<string>, changes: Partial<RollbackStep> = {}, log: string[] = []): RollbackStep {
  return {
    id: step,
    title: `do ${step}`,
    isDone: () => Promise.resolve(world.has(step)),
    perform: () => {
      log.push(step);
      world.add(step);
      return Promise.resolve({ made: step });
    },
    undo: () => {
      if (world.delete(step)) log.push(`-${step}`);
      return Promise.resolve({});
    },
    ...changes,
  };
}
