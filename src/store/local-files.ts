/** What a folder store needs of the file system: durable files, removal that leaves no empty folders, a walk in order of key. */
import { randomBytes } from "node:crypto";
import type { Dirent } from "node:fs";
import { type FileHandle, mkdir, open, readdir, rmdir, statfs } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

import { HoldfastError, messageOf, systemCodeOf } from "../errors.ts";
import { compareKeys, isNamed, reserved } from "./keys.ts";
import { SourceFailure, asError } from "./source.ts";

/** Does "there is nothing here" explain the error? */
export function isMissing(error: unknown): boolean {
  const code = systemCodeOf(error);
  return code === "ENOENT" || code === "ENOTDIR" || code === "EISDIR";
}

/** Creates a folder with all above it and makes their entries durable. */
export async function makeFolder(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  for (let folder = path; folder.length >= first.length; folder = dirname(folder)) await syncFolder(dirname(folder));
}

export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Opens a new temporary file beside `target`, creating the folders that are missing. */
export async function openTemporary(target: string): Promise<{ path: string; file: FileHandle }> {
  const path = join(dirname(target), `${reserved.temporary}${randomBytes(6).toString("hex")}-${basename(target)}`);
  for (let tries = 1; ; tries++) {
    await makeFolder(dirname(target));
    try {
      return { path, file: await open(path, "wx", 0o600) };
    } catch (error) {
      // Whoever deleted the last object of the folder removed it between our two calls.
      if (systemCodeOf(error) !== "ENOENT" || tries === 5) throw error;
    }
  }
}

/** The key's last segment that a temporary file was for. */
export function nameOfTemporary(name: string): string {
  return name.slice(reserved.temporary.length + 13);
}

/** Writes all of `bytes`, however often the system takes only some of them. */
export async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await file.write(bytes, done, bytes.length - done)).bytesWritten;
  }
}

/** Removes `folder` and those above it as long as they are empty and below `root`. */
export async function removeEmptyFolders(folder: string, root: string): Promise<void> {
  for (let at = folder; at.length > root.length; at = dirname(at)) {
    try {
      await rmdir(at);
    } catch {
      return;
    }
  }
}

async function entriesOf(folder: string): Promise<Dirent[]> {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

export interface Found {
  readonly key: string;
  readonly path: string;
}

export interface WalkOptions {
  /** Leftover temporary files instead of objects. */
  readonly temporary?: boolean | undefined;
  /** Only keys that come after this one. */
  readonly after?: string | undefined;
  /** Only keys whose last segment is one of these. */
  readonly named?: ReadonlySet<string> | undefined;
}

/** Files below `root` whose key starts with `prefix`, in order of key. */
export async function* walk(root: string, prefix: string, options: WalkOptions = {}): AsyncGenerator<Found, void, undefined> {
  const above = prefix.slice(0, prefix.lastIndexOf("/") + 1);
  yield* walkFolder(root, above, prefix, options);
}

async function* walkFolder(root: string, above: string, prefix: string, options: WalkOptions): AsyncGenerator<Found, void, undefined> {
  const entries = (await entriesOf(join(root, above)))
    .filter((entry) => !entry.name.startsWith(reserved.lock))
    .map((entry) => ({ entry, key: `${above}${entry.name}${entry.isDirectory() ? "/" : ""}` }))
    .sort((a, b) => compareKeys(a.key, b.key));
  const { temporary = false, after = "", named } = options;
  for (const { entry, key } of entries) {
    if (compareKeys(key, after) <= 0 && !(entry.isDirectory() && after.startsWith(key))) continue;
    if (entry.isDirectory()) {
      if (key.startsWith(prefix) || prefix.startsWith(key)) yield* walkFolder(root, key, prefix, options);
    } else if (entry.isFile()) {
      const isTemporary = entry.name.startsWith(reserved.temporary);
      const shown = isTemporary ? `${above}${nameOfTemporary(entry.name)}` : key;
      if (isTemporary === temporary && shown.startsWith(prefix) && isNamed(shown, named)) yield { key: shown, path: join(root, above, entry.name) };
    }
  }
}

/** The folders right below `prefix` that hold an object. */
export async function* walkFolders(root: string, prefix: string): AsyncGenerator<string, void, undefined> {
  const entries = await entriesOf(join(root, prefix));
  const names = entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith(reserved.lock)).map((entry) => entry.name);
  for (const name of names.sort(compareKeys)) {
    const first = await walk(root, `${prefix}${name}/`).next();
    if (first.done !== true) yield name;
  }
}

/** Bytes that this process may still write on the file system of `path`, or of the nearest folder above it that exists. */
export async function freeBytesAt(path: string): Promise<number> {
  try {
    const found = await statfs(path);
    return found.bavail * found.bsize;
  } catch (error) {
    if (!isMissing(error) || dirname(path) === path) throw error;
    return freeBytesAt(dirname(path));
  }
}

/** The error of a failed call on the file system, in the store's terms. */
export async function fileFailure(error: unknown, doing: string, root: string): Promise<Error> {
  if (error instanceof HoldfastError) return error;
  if (error instanceof SourceFailure) return asError(error.cause);
  const code = systemCodeOf(error);
  if (code === undefined) return asError(error);
  if (code === "ENOSPC" || code === "EDQUOT") {
    const free = await freeBytesAt(root).catch(() => undefined);
    const left = free === undefined ? "" : `; ${(free / 1e6).toFixed(1)} MB are free in ${root}`;
    return new HoldfastError("store-failed", `${doing}: the disk is full${left}`, {
      hints: ["Free space there, or let `holdfast backup prune` remove old backups."],
      details: { ...(free !== undefined && { freeBytes: free }) },
      cause: error,
    });
  }
  const hints: Record<string, string> = {
    EACCES: `Let the user that runs holdfast read and write ${root}.`,
    EPERM: `Let the user that runs holdfast read and write ${root}.`,
    EROFS: `Mount the file system of ${root} writable, or choose another repository.`,
    ENAMETOOLONG: "Choose a shorter path for the repository.",
    ENOTDIR: `Remove or rename the file that stands where a folder of ${root} belongs.`,
  };
  const hint = hints[code];
  return new HoldfastError("store-failed", `${doing}: ${messageOf(error)}`, { ...(hint !== undefined && { hints: [hint] }), cause: error });
}
