/**
 * Telling a pooler that leaves each client its backend from one that lends a backend for one transaction only. Through
 * the second kind no snapshot can be exported: it would end with the transaction, and belong to whoever comes next.
 */
import { setTimeout as sleep } from "node:timers/promises";

import { HoldfastError } from "../errors.ts";
import type { Session } from "./session.ts";

/** A pool that is used up makes us wait; nothing else here takes this long. */
const patienceMs = 5_000;
const rounds = 3;

/**
 * Whether two sessions can meet one backend. The second holds a transaction open while the first, idle until then, asks
 * again: with a backend of its own it finds the same as before.
 */
export async function shareBackends(session: Session, other: Session): Promise<boolean> {
  for (let round = 0; round < rounds; round += 1) {
    const before = await backendOf(session);
    const theirs = await heldBackend(other);
    if (theirs === "none") return true;
    // It waits for a backend although the first is idle: so the first keeps its own.
    if (theirs === "waiting") return false;
    const now = await within(backendOf(session));
    await other.execute("ROLLBACK");
    if (now !== before || theirs === before) return true;
  }
  return false;
}

/** The backend of a transaction that stays open; `none` where the pooler allows no transactions at all. */
async function heldBackend(session: Session): Promise<number | "waiting" | "none"> {
  if ((await within(backendOf(session))) === undefined) return "waiting";
  try {
    await session.execute("BEGIN");
    return await backendOf(session);
  } catch (error) {
    // In statement mode the pooler ends the connection, in its own words.
    if (error instanceof HoldfastError && error.code !== "database-unreachable") throw error;
    return "none";
  }
}

async function backendOf(session: Session): Promise<number> {
  return (await session.row<{ pid: number }>("SELECT pg_backend_pid() AS pid")).pid;
}

async function within<T>(work: Promise<T>): Promise<T | undefined> {
  const over = new AbortController();
  try {
    return await Promise.race([work, sleep(patienceMs, undefined, { signal: over.signal })]);
  } finally {
    over.abort();
    work.catch(() => undefined);
  }
}
