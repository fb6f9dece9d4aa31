/**
 * This host's own witness: the objects that it put into the repository's timeline, one a line, where whoever can
 * write to the bucket cannot reach. A tail removed from the repository is found by comparing with it.
 *
 * Processes write at once without a lock: each line is one write to a file opened for appending, which the kernel
 * makes whole and puts at the end. Lines of several processes may stand in another order than their sequences.
 */
import { mkdir, open, readFile } from "node:fs/promises";
import { dirname } from "node:path";

import { decode } from "./entry.ts";
import { ifMissing, syncFolder } from "./pending.ts";

const newline = 0x0a;

/** Appends one line, durably. A line that an earlier write left torn (full disk) is ended first, not continued. */
export async function appendLine(path: string, line: Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const file = await open(path, "a+", 0o600);
  try {
    const { size } = await file.stat();
    const torn = size > 0 && (await file.read(Buffer.alloc(1), 0, 1, size - 1)).buffer[0] !== newline;
    const bytes = torn ? Buffer.concat([Buffer.of(newline), line]) : line;
    const { bytesWritten } = await file.write(bytes);
    if (bytesWritten !== bytes.byteLength) throw new Error(`only ${bytesWritten} of ${bytes.byteLength} bytes could be written to ${path}`);
    await file.sync();
    if (size === 0) await syncFolder(dirname(path));
  } finally {
    await file.close();
  }
}

/** What this host recorded at one place of the chain. */
export interface Witness {
  readonly sequence: number;
  /** The object's exact bytes. */
  readonly bytes: Buffer;
}

export interface LocalCopy {
  /** By sequence. Two that differ in one place mean that the repository lost the first and took another in its stead. */
  readonly witnesses: readonly Witness[];
  /** Numbers of the lines that are no entries. */
  readonly unreadable: readonly number[];
}

/** Reads the local copy; undefined if there is none. Lines that repeat another are counted once. */
export async function readLocalCopy(path: string): Promise<LocalCopy | undefined> {
  const text = await readFile(path, "utf8").catch(ifMissing(undefined));
  if (text === undefined) return undefined;
  const witnesses = new Map<string, Witness>();
  const unreadable: number[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    if (line === "") continue;
    const bytes = Buffer.from(`${line}\n`);
    const envelope = decode(bytes);
    if (envelope === undefined) unreadable.push(index + 1);
    else witnesses.set(line, { sequence: envelope.entry.sequence, bytes });
  }
  return { witnesses: [...witnesses.values()].sort((a, b) => a.sequence - b.sequence), unreadable };
}
