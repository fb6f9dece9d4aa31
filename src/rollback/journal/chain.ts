/** The chain of a journal: every entry in a signed envelope, and bound to its run, its place and the entry before. */
import { createHash } from "node:crypto";

import type { TrustedSigner } from "../../catalog/signatures.ts";
import { openRecord } from "../../catalog/signed-record.ts";
import { HoldfastError } from "../../errors.ts";
import { type JournalEntry, journalEntrySchema } from "./journal.ts";

export interface Link {
  readonly entry: JournalEntry;
  /** The entry's exact text, which its signature covers. */
  readonly text: string;
  /** The object in the repository, byte by byte. */
  readonly bytes: Buffer;
}

/** An envelope where it was found: a line of a file, or an object. */
export interface Found {
  readonly bytes: Buffer;
  readonly place: string;
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

export function previousOf(links: readonly Link[]): string | null {
  const last = links.at(-1);
  return last === undefined ? null : sha256(last.text);
}

/** An object's bytes as a line of the file, without its end. The indentation is all that differs. */
export function lineOf(bytes: Buffer): string {
  return JSON.stringify(JSON.parse(bytes.toString("utf8")));
}

function objectOf(bytes: Buffer): Buffer {
  try {
    return Buffer.from(`${JSON.stringify(JSON.parse(bytes.toString("utf8")), null, 2)}\n`);
  } catch {
    return bytes;
  }
}

/**
 * Proves a journal from its first entry on.
 * @throws HoldfastError `integrity` if an entry was changed, removed, repeated, brought from another run, or signed by a stranger or by a key that did not count then
 */
export function prove(found: readonly Found[], run: string, trusted: readonly TrustedSigner[]): Link[] {
  const links: Link[] = [];
  for (const { bytes, place } of found) {
    const { record: entry, text } = openRecord(bytes, journalEntrySchema, trusted, place, ({ at }) => at);
    const expected = links.length + 1;
    if (entry.run !== run) throw broken(place, `it belongs to ${entry.run}, not to ${run}`);
    if (entry.sequence !== expected) throw broken(place, `entry ${entry.sequence} stands where entry ${expected} belongs`);
    if (entry.previous !== previousOf(links)) throw broken(place, `entry ${expected} does not follow the one before it`);
    links.push({ entry, text, bytes: objectOf(bytes) });
  }
  return links;
}

/**
 * The longer of two, whose beginning the other must be.
 * @throws HoldfastError `integrity` where they part
 */
export function longer(disk: readonly Link[], repository: readonly Link[], path: string): readonly Link[] {
  const common = Math.min(disk.length, repository.length);
  for (let index = 0; index < common; index += 1) {
    if (disk[index]?.text !== repository[index]?.text) {
      throw new HoldfastError("integrity", `the journal on this host and the one in the repository part at entry ${index + 1}: two runs wrote it at once, or one of them was changed`, {
        hints: [`Compare ${path} with the entries in the repository. If the repository's are what was done, move that file away and resume again.`],
      });
    }
  }
  return disk.length > repository.length ? disk : repository;
}

function broken(place: string, why: string): HoldfastError {
  return new HoldfastError("integrity", `the journal is broken at ${place}: ${why}`, {
    hints: ["Nothing is resumed from a journal that cannot be trusted. If only one of the two is broken (this host's file, the repository's objects), move that one away and run the command again."],
    details: { place },
  });
}
