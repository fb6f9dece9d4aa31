/**
 * Entries on their way to the repository, one file each: written before the first attempt and removed after the last,
 * so that neither a lost bucket nor a lost process loses an entry.
 *
 * Nobody locks the folder. A second file, the anchor, says after which place of the chain an entry may stand; it is
 * written once, before the entry's first put, and outlives the entry's own file. Whoever brings an entry reads the
 * head, then the anchor, then looks whether the entry still waits: in this order no entry is put twice.
 */
import { mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";

import { systemCodeOf } from "../errors.ts";
import type { Position } from "./chain.ts";
import { type Draft, parseDraft } from "./entry.ts";

export interface Pending {
  /** Keeps an entry durably. */
  add(entry: Draft): Promise<void>;
  /** All that wait, oldest first. Files that are no entries are left alone. */
  list(): Promise<Draft[]>;
  /** The place after which the entry may already stand, `head` if nobody tried yet; undefined if it no longer waits. */
  anchor(entry: Draft, head: Position): Promise<Position | undefined>;
  remove(entry: Draft): Promise<void>;
}

export function openPending(folder: string): Pending {
  const path = (entry: Draft, kind: "json" | "anchor") => join(folder, `${String(Date.parse(entry.at)).padStart(15, "0")}-${entry.id}.${kind}`);

  const list = async () => {
    const names = await readdir(folder).catch(ifMissing<string[]>([]));
    const entries: Draft[] = [];
    for (const name of names.filter((each) => each.endsWith(".json")).sort()) {
      const entry = parseDraft(await readFile(join(folder, name), "utf8").catch(ifMissing("")));
      if (entry !== undefined && join(folder, name) === path(entry, "json")) entries.push(entry);
    }
    return entries;
  };

  return {
    list,

    async add(entry) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const final = path(entry, "json");
      await writeDurably(`${final}.new`, JSON.stringify(entry));
      await rename(`${final}.new`, final);
      await syncFolder(folder);
    },

    async anchor(entry, head) {
      const file = path(entry, "anchor");
      const anchor = await createOnce(file, head);
      const waits = await readFile(path(entry, "json")).then(() => true, ifMissing(false));
      if (!waits) await rm(file, { force: true });
      return waits ? anchor : undefined;
    },

    async remove(entry) {
      await rm(path(entry, "json"), { force: true });
      await rm(path(entry, "anchor"), { force: true });
    },
  };
}

/**
 * Writes a place to a new file, or reads the one that is there. A file without a place in it (the disk was full) means:
 * search everything. Where no file can be made at all, the attempt is worth more than the certainty not to repeat it.
 */
async function createOnce(file: string, { year, sequence }: Position): Promise<Position> {
  try {
    await writeDurably(file, `${year} ${sequence}`);
    return { year, sequence };
  } catch (error) {
    if (systemCodeOf(error) !== "EEXIST") return { year, sequence };
  }
  const [, from, after] = /^(\d+) (\d+)$/.exec(await readFile(file, "utf8").catch(ifMissing(""))) ?? [];
  return { year: Number(from ?? 0), sequence: Number(after ?? 0) };
}

async function writeDurably(file: string, text: string): Promise<void> {
  const handle = await open(file, "wx", 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Answers `value` for a file that does not exist; other failures stay failures. */
export function ifMissing<T>(value: T): (error: unknown) => T {
  return (error) => {
    if (systemCodeOf(error) === "ENOENT") return value;
    throw error;
  };
}
