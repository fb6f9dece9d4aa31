/** Whose a scratch is, as its name and a note on it say, and whether he is still at work. */
import { randomBytes } from "node:crypto";
import { z } from "zod";

import { processSpace, processStart } from "../../process/table.ts";
import { type Ownership, scratchMark } from "./scratch.ts";

const noteSchema = z.object({
  drill: z.string(),
  host: z.string(),
  user: z.string(),
  pid: z.coerce.number().int().positive(),
  expires: z.iso.datetime(),
  /** When the process started, which tells it from a later one of the same number. */
  started: z.string(),
  /** The set of processes that `pid` counts in. */
  space: z.string(),
});

/** What is written on a scratch, on whatever kind of place. */
export type Note = z.infer<typeof noteSchema>;

export async function noteOf(owner: Ownership): Promise<Note> {
  const { drill, host, user, pid } = owner;
  return { drill, host, user, pid, expires: owner.expires.toISOString(), started: (await processStart(pid)) ?? "0", space: await processSpace() };
}

/** A note read back; undefined for anything that is none, as one that was cut when its writer was killed. */
export function readNote(written: unknown): Note | undefined {
  return noteSchema.safeParse(written).data;
}

export function readNoteText(text: string): Note | undefined {
  try {
    return readNote(JSON.parse(text));
  } catch {
    return undefined;
  }
}

export function ownerOf({ drill, host, user, pid, expires }: Note): Ownership {
  return { drill, host, user, pid, expires: new Date(expires) };
}

/** A name that nothing else has. It says which process made it, so that it can be judged before any note is on it. */
export function scratchName({ pid, started }: Note): string {
  return `${scratchMark}${pid}-${started}-${randomBytes(4).toString("hex")}`;
}

const namePattern = new RegExp(`^${scratchMark}(\\d+)-([0-9a-z]+)-[0-9a-f]{8}$`);

export function isScratchName(name: string): boolean {
  return namePattern.test(name);
}

/** Where leftovers are looked for, and when. */
export interface Onlooker {
  readonly host: string;
  readonly now: () => Date;
}

/**
 * Whether what bears this name may be removed: its time is over, or its process has ended. Of another host's processes,
 * and of those of another container, only the time is known.
 */
export async function isAbandoned(name: string, note: Note | undefined, { host, now }: Onlooker): Promise<boolean> {
  if (note !== undefined) {
    if (Date.parse(note.expires) <= now().getTime()) return true;
    if (note.host !== host || note.space !== (await processSpace())) return false;
    return !(await isAtWork(note.pid, note.started));
  }
  const [, pid, started] = namePattern.exec(name) ?? [];
  return pid === undefined || started === undefined || !(await isAtWork(Number(pid), started));
}

async function isAtWork(pid: number, started: string): Promise<boolean> {
  const found = await processStart(pid);
  return found === started || found === "unknown";
}
