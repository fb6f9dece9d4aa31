/** What a lock's object says: who holds it, and until when. */
import { z } from "zod";

import { HoldfastError } from "../errors.ts";
import type { Store } from "../store/store.ts";

export interface LockRecord {
  readonly format: 1;
  /** Random, anew for each acquisition. */
  readonly holder: string;
  readonly host: string;
  readonly user: string;
  readonly pid: number;
  readonly action: string;
  /** ISO 8601, UTC, as are the others. */
  readonly since: string;
  /** From then on others may take it. */
  readonly expires: string;
  /** Counts the acquisitions: a greater one is a later one. */
  readonly fence: number;
  /** When it was given back; the object stays, so that `fence` goes on counting. */
  readonly released: string | null;
}

/** A lock's object as it was read. */
export interface FoundLock {
  /** Undefined if the object is not a lock's. */
  readonly record: LockRecord | undefined;
  readonly version: string;
}

/** Another host wrote these texts: they go to a terminal without control characters and not at any length. */
const label = z.string().transform((text) => text.replace(/\p{Cc}/gu, "?").slice(0, 200));
const time = z.iso.datetime();
const shape = z.object({
  format: z.literal(1),
  holder: z.string().min(1),
  host: label,
  user: label,
  pid: z.int(),
  action: label,
  since: time,
  expires: time,
  fence: z.int().positive(),
  released: time.nullable(),
});

export function encodeLock(record: LockRecord): Buffer {
  return Buffer.from(`${JSON.stringify(record)}\n`);
}

/** Reads a lock; undefined if nobody ever held it. */
export async function readLock(store: Store, key: string): Promise<FoundLock | undefined> {
  const object = await store.get(key);
  if (object === undefined) return undefined;
  let content: unknown;
  try {
    content = JSON.parse(object.bytes.toString("utf8"));
  } catch {
    content = undefined;
  }
  return { record: shape.safeParse(content).data, version: object.version };
}

/** "backup on db1 (user postgres, pid 4711) since …" */
export function describe({ action, host, user, pid, since }: LockRecord): string {
  return `${action} on ${host} (user ${user}, pid ${pid}) since ${since}`;
}

/** The refusal that names who holds a lock. */
export function lockHeld(key: string, record: LockRecord): HoldfastError {
  const { host, user, pid, action, since, expires, fence } = record;
  return new HoldfastError("lock-held", `the lock ${key} is held by ${describe(record)}, until ${expires} unless renewed`, {
    hints: [
      `The lock expires by itself at ${expires} if process ${pid} on ${host} no longer runs.`,
      "Wait for it with `--lock-wait`, or try again later.",
    ],
    details: { key, host, user, pid, action, since, expires, fence },
  });
}
