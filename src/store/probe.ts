/** Proves what a repository's storage can do by doing it, and leaves nothing behind. For `holdfast doctor`. */
import { randomBytes } from "node:crypto";

import { HoldfastError, messageOf } from "../errors.ts";
import type { Clock } from "../ports.ts";
import { isLockingStore } from "./object-lock.ts";
import type { Store } from "./store.ts";
import { isUnconditional } from "./unconditional.ts";

export interface StoreCheck {
  readonly name: "write" | "read" | "list" | "conditional-write" | "conditional-replace" | "stream" | "delete" | "unfinished-uploads" | "object-lock" | "clock" | "free-space";
  readonly ok: boolean;
  /** What was seen, for a person. */
  readonly detail: string;
  /** A whole sentence that says what to do; only where it is not ok. */
  readonly hint?: string;
}

export interface StoreProbe {
  readonly url: string;
  readonly ok: boolean;
  readonly checks: readonly StoreCheck[];
}

type Finding = Omit<StoreCheck, "name">;

/** S3 refuses requests whose time is further off than this. */
const mostSkewMs = 15 * 60_000;
const lowSpace = 2 ** 30;

/** Tries everything that Holdfast needs of `store`. Never rejects for what the store does: each failure is a check that is not ok. */
export async function probeStore(store: Store, clock: Clock = { now: () => new Date() }): Promise<StoreProbe> {
  // As if it were a lock of a database: those are never retained, so that also a store with object lock can be left clean.
  const folder = `probe/locks/${randomBytes(6).toString("hex")}`;
  const key = `${folder}/object`;
  const text = Buffer.from(`holdfast was here at ${clock.now().toISOString()}`);
  const checks: StoreCheck[] = [];
  const check = async (name: StoreCheck["name"], work: () => Promise<Finding | undefined>): Promise<boolean> => {
    const finding = await work().catch(failed);
    if (finding) checks.push({ name, ...finding });
    return finding?.ok ?? true;
  };

  const writable = await check("write", async () => {
    await store.put(key, text);
    return good(`${text.length} bytes`);
  });
  if (writable) {
    await check("read", async () => {
      const found = await store.get(key);
      return found?.bytes.equals(text) === true ? good("equal to what was written") : bad("what was read is not what was written", "Do not use this store: it does not keep what it is given.");
    });
    await check("list", async () => {
      for await (const found of store.list(`${folder}/`)) if (found.key === key) return good("shows the object");
      return bad("the listing does not show an object that was just written", "Holdfast needs a store with consistent listings.");
    });
    await check("conditional-write", () => (isUnconditional(store) ? Promise.resolve(good(notUsed)) : raceForAbsent(store, `${folder}/absent`)));
    if (!isUnconditional(store)) await check("conditional-replace", () => raceForVersion(store, key));
    await check("stream", () => streamThrough(store, `${folder}/stream`));
    await check("delete", () => deleteAll(store, folder));
  }
  await check("unfinished-uploads", () => lookForUploads(store));
  await check("object-lock", () => lookForObjectLock(store));
  await check("clock", () => compareClocks(store, clock));
  await check("free-space", () => lookForSpace(store));
  if (writable) await deleteAll(store, folder).catch(() => undefined);
  return { url: store.url, ok: checks.every(({ ok }) => ok), checks };
}

function good(detail: string): Finding {
  return { ok: true, detail };
}

function bad(detail: string, hint: string): Finding {
  return { ok: false, detail, hint };
}

function failed(error: unknown): Finding {
  const hint = error instanceof HoldfastError ? error.hints[0] : undefined;
  return { ok: false, detail: messageOf(error), ...(hint !== undefined && { hint }) };
}

const needsConditions = "Two backups at once could overwrite each other here: use a store that honours If-None-Match and If-Match, or set `repository.conditionalWrites: false`, so that a lock file on this host and an advisory lock in the database keep them apart.";
const notUsed = "not used, as configured: a lock file on each host and an advisory lock in the database keep backups apart";

/** Two writers at once, then a third: exactly one may have written. */
async function raceForAbsent(store: Store, key: string): Promise<Finding> {
  const writers = [Buffer.from("one"), Buffer.from("two")];
  const won = (await Promise.all(writers.map((bytes) => store.put(key, bytes, { ifAbsent: true })))).map((version) => version !== undefined);
  const third = await store.put(key, Buffer.from("three"), { ifAbsent: true });
  const winners = won.filter(Boolean).length;
  if (winners !== 1 || third !== undefined) return bad(`${winners} of 2 writers at once and ${third === undefined ? "no" : "a"} later one wrote "only if absent"`, needsConditions);
  const kept = await store.get(key);
  const winner = writers[won.indexOf(true)];
  return winner && kept?.bytes.equals(winner) === true ? good("one of two writers at once won, a later one was refused") : bad("the winner's bytes were not kept", needsConditions);
}

async function raceForVersion(store: Store, key: string): Promise<Finding> {
  const before = await store.get(key);
  if (before === undefined) return bad("the object that was written is gone", needsConditions);
  const won = await Promise.all(["one", "two"].map((text) => store.put(key, Buffer.from(text), { ifVersion: before.version })));
  const winners = won.filter((version) => version !== undefined).length;
  const stale = await store.put(key, Buffer.from("stale"), { ifVersion: before.version });
  if (winners !== 1 || stale !== undefined) return bad(`${winners} of 2 writers at once and ${stale === undefined ? "no" : "a"} later one replaced the same version`, needsConditions);
  return good("one of two writers at once won, a stale one was refused");
}

async function streamThrough(store: Store, key: string): Promise<Finding> {
  const blocks = Array.from({ length: 32 }, () => randomBytes(64 * 1024));
  async function* source(): AsyncGenerator<Buffer, void, undefined> {
    for (const block of blocks) yield await Promise.resolve(block);
  }
  const written = await store.write(key, source(), { estimate: 2 ** 21 });
  const chunks: Buffer[] = [];
  for await (const chunk of (await store.read(key)) as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).equals(Buffer.concat(blocks)) ? good(`${written} bytes there and back`) : bad("what was read is not what was streamed", "Do not use this store: it does not keep what it is given.");
}

async function deleteAll(store: Store, folder: string): Promise<Finding> {
  for await (const { key } of store.list(`${folder}/`)) await store.delete(key);
  for await (const { key } of store.list(`${folder}/`)) return bad(`${key} is still there after it was deleted`, "Allow deleting, or remove the repository's folder probe/locks/ yourself.");
  return good("nothing is left");
}

async function lookForUploads(store: Store): Promise<Finding> {
  let count = 0;
  for await (const upload of store.unfinishedUploads("")) if (upload.key !== "") count++;
  return good(count === 0 ? "none" : `${count}: of a backup that runs now, or of one that was killed`);
}

async function lookForObjectLock(store: Store): Promise<Finding | undefined> {
  if (!isLockingStore(store)) return undefined;
  const wanted = store.objectLock;
  const has = await store.hasObjectLock().catch((error: unknown) => {
    if (wanted) throw error;
    return false;
  });
  if (wanted && !has) return bad(`objects are to be retained for ${wanted.days} days, and the bucket has no object lock`, "Create the bucket with object lock enabled, or leave objectLock out of the configuration.");
  if (wanted) return good(`${wanted.mode}, ${wanted.days} days; each object's retention is read back`);
  return good(has ? "the bucket has it; not used by the configuration" : "not used");
}

async function compareClocks(store: Store, clock: Clock): Promise<Finding | undefined> {
  const theirs = await store.clock();
  if (theirs === undefined) return undefined;
  const skew = theirs.getTime() - clock.now().getTime();
  const shown = `the store's clock is ${(Math.abs(skew) / 1000).toFixed(0)} s ${skew < 0 ? "behind" : "ahead"}`;
  return Math.abs(skew) > mostSkewMs / 3 ? bad(shown, "Set this machine's clock, for example with systemd-timesyncd or chrony: S3 refuses requests that are 15 minutes off.") : good(shown);
}

async function lookForSpace(store: Store): Promise<Finding | undefined> {
  const free = await store.freeBytes();
  if (free === undefined) return undefined;
  const shown = `${(free / 1e9).toFixed(1)} GB free`;
  return free < lowSpace ? bad(shown, "Free space there before the next backup needs it.") : good(shown);
}
